// What this process counts, as OpenMetrics text (openmetrics.io, version 1.0). docs/decisions/0001-metrics.md says why it is our own.
// Labels come from closed lists (kinds, results, route patterns), never from what people write: no names, addresses, texts.

type Labels<L extends string> = Readonly<Record<L, string>>;
type Type = 'counter' | 'gauge' | 'histogram';

/** More series than our lists can make: a label that was filled with something open. They are counted together. */
const MAX_SERIES = 1_000;
const OVERFLOW = 'other';

const escapeText = (text: string): string => text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
const withLabels = (names: readonly string[], values: readonly string[]): string =>
  names.length === 0 ? '' : `{${names.map((name, index) => `${name}="${escapeText(values[index]!)}"`).join(',')}}`;

/** One metric family with its series. `name` is without the endings (`_total`, `_bucket`) that its lines get. */
abstract class Family<L extends string, S> {
  protected readonly series = new Map<string, { values: string[]; state: S }>();

  constructor(
    readonly name: string,
    readonly type: Type,
    private readonly help: string,
    protected readonly labels: readonly L[],
  ) {}

  protected abstract start(): S;
  protected abstract lines(values: string[], state: S): string[];

  protected of(labels: Labels<L>): { values: string[]; state: S } {
    let values = this.labels.map((name) => labels[name]);
    if (this.series.size >= MAX_SERIES && !this.series.has(values.join('\0'))) values = this.labels.map(() => OVERFLOW);
    const key = values.join('\0');
    let found = this.series.get(key);
    if (!found) this.series.set(key, (found = { values, state: this.start() }));
    return found;
  }

  render(): string[] {
    const samples = [...this.series.values()].flatMap(({ values, state }) => this.lines(values, state));
    return [`# TYPE ${this.name} ${this.type}`, `# HELP ${this.name} ${escapeText(this.help)}`, ...samples];
  }
}

/** A number that only rises, from the start of the process. */
export class Counter<L extends string = never> extends Family<L, { n: number }> {
  constructor(name: string, help: string, labels: readonly L[] = []) {
    super(name, 'counter', help, labels);
  }
  add(labels: Labels<L>, by = 1): void {
    this.of(labels).state.n += by;
  }
  protected start = () => ({ n: 0 });
  protected lines = (values: string[], { n }: { n: number }) => [`${this.name}_total${withLabels(this.labels, values)} ${n}`];
}

/** A number that is looked up when somebody asks. */
export class Gauge<L extends string = never> extends Family<L, { n: number }> {
  constructor(name: string, help: string, labels: readonly L[] = []) {
    super(name, 'gauge', help, labels);
  }
  set(labels: Labels<L>, n: number): this {
    this.of(labels).state.n = n;
    return this;
  }
  protected start = () => ({ n: 0 });
  protected lines = (values: string[], { n }: { n: number }) => [`${this.name}${withLabels(this.labels, values)} ${n}`];
}

/** How long something took, in seconds, counted by upper bounds. */
export class Histogram<L extends string = never> extends Family<L, { buckets: number[]; sum: number }> {
  /** @param bounds in seconds, rising */
  constructor(
    name: string,
    help: string,
    labels: readonly L[],
    private readonly bounds: readonly number[],
  ) {
    super(name, 'histogram', help, labels);
  }
  observe(labels: Labels<L>, seconds: number): void {
    const { state } = this.of(labels);
    const at = this.bounds.findIndex((bound) => seconds <= bound);
    state.buckets[at < 0 ? this.bounds.length : at]! += 1;
    state.sum += seconds;
  }
  protected start = () => ({ buckets: new Array<number>(this.bounds.length + 1).fill(0), sum: 0 });
  protected lines = (values: string[], { buckets, sum }: { buckets: number[]; sum: number }) => {
    let count = 0;
    const names = [...this.labels, 'le'];
    const lines = buckets.map((n, index) => `${this.name}_bucket${withLabels(names, [...values, String(this.bounds[index] ?? '+Inf')])} ${(count += n)}`);
    const end = withLabels(this.labels, values);
    return [...lines, `${this.name}_count${end} ${count}`, `${this.name}_sum${end} ${sum}`];
  };
}

export type AnyFamily = { readonly name: string; render(): string[] };

/** What OpenMetrics text is sent as. */
export const CONTENT_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** The families as one document. @throws TypeError when two have one name */
export function renderMetrics(families: readonly AnyFamily[]): string {
  const names = families.map(({ name }) => name);
  if (new Set(names).size !== names.length) throw new TypeError('two metrics have one name');
  return `${families.flatMap((family) => family.render()).join('\n')}\n# EOF\n`;
}

// ── what is counted where it happens; the rest is asked for when somebody looks (cli/metrics.ts) ──

/** `later`: it is tried again. `back`: it had arrived, and came back. `given-up`: after 14 days, or because the other side refuses it for good. */
export const deliveries = new Counter('dx_deliveries', 'Deliveries of an activity to a server, by what became of the try.', ['protocol', 'result']);

/** By the conditions of RFC 6120, which are a closed list (xmpp/messages.ts). */
export const bounces = new Counter('dx_bounces', 'Events of ours that came back as errors, by condition: one for each recipient.', ['protocol', 'condition']);

/** From the moment when somebody posted to the one when our XMPP server had taken all copies for a host. */
export const eventSeconds = new Histogram('dx_event_seconds', 'From a post, edit or deletion to its arrival at one server, waiting for outages included.', ['protocol'], [
  0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 86_400,
]);
