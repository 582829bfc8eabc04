// XEP-0115 §5.4, §8: what a contact's caps mean, asked once for each hash, and believed only where the hash fits; XEP-0163 §4.3.2: NODE+notify.
import { NS } from '../../formats/namespaces.js';
import type { Logger } from '../../log.js';
import { type Element, xml } from '../../xml.js';
import { type Info, isKnownHash, verification } from '../caps.js';
import { decodeForm } from '../codec/data-form.js';
import type { Resource } from './known.js';

/** The nodes of ours that someone wants to hear of. */
export type Interests = ReadonlySet<string>;

const NONE: Interests = new Set();
const ASKING_AT_ONCE = 64;
const MAX_QUEUED = 20_000;
const MAX_REMEMBERED = 20_000;
/** Who did not answer is not asked again before. */
const FAILED_MS = 60_000;
const TIMEOUT_MS = 10_000;

/** Someone with a longer list hears nothing by caps: no client comes near. */
const MAX_FEATURES = 1_000;

export function decodeInfo(query: Element): Info {
  return {
    identities: query.getChildren('identity').map(({ attrs }) => ({ category: attrs.category ?? '', type: attrs.type ?? '', lang: attrs['xml:lang'] ?? '', name: attrs.name ?? '' })),
    features: query.getChildren('feature').map(({ attrs }) => attrs.var ?? ''),
    forms: query.getChildren('x', NS.DATA).flatMap((form) => {
      const fields = decodeForm(form);
      const type = fields.get('FORM_TYPE')?.[0];
      return type === undefined ? [] : [{ type, fields }];
    }),
  };
}

/** Asks for and remembers what caps mean. */
export class InterestsOf {
  /** By hash and ver when verified, else by full JID: a forged hash then lies about nobody but its sender. */
  readonly #known = new Map<string, Interests>();
  readonly #failed = new Map<string, number>();
  readonly #asking = new Map<string, Promise<Interests>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /**
   * @param nodes only these are remembered
   * @param ask sends a disco#info request
   */
  constructor(
    private readonly nodes: readonly string[],
    private readonly ask: (iq: Element, timeoutMs: number) => Promise<Element>,
    private readonly log: Logger,
    private readonly now: () => number,
  ) {}

  /** What is known of a resource now. */
  known({ jid, caps }: Resource): Interests {
    if (!caps) return NONE;
    return this.#known.get(verKey(caps)) ?? this.#known.get(jid) ?? NONE;
  }

  /**
   * What a resource wants to hear of, asked if need be. Never fails: who does not answer wants nothing.
   * @param from our bare JID
   */
  async find(from: string, { jid, caps }: Resource): Promise<Interests> {
    if (!caps) return NONE;
    const key = verKey(caps);
    const known = this.#known.get(key) ?? this.#known.get(jid);
    if (known) return known;
    if ((this.#failed.get(jid) ?? 0) > this.now()) return NONE;
    // Of many who bear the same hash one is asked; if that one lies or is silent, each for himself.
    const asked = this.#asking.get(key);
    if (asked) {
      await asked;
      return this.#known.get(key) ?? this.#once(jid, from, jid, caps);
    }
    return this.#once(key, from, jid, caps);
  }

  #once(key: string, from: string, jid: string, caps: Resource['caps'] & object): Promise<Interests> {
    const running = this.#asking.get(key);
    if (running) return running;
    const asking = this.#inTurn(() => this.#askNow(from, jid, caps)).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #askNow(from: string, jid: string, caps: Resource['caps'] & object): Promise<Interests> {
    const node = `${caps.node}#${caps.ver}`;
    try {
      const result = await this.ask(xml('iq', { type: 'get', from, to: jid }, xml('query', { xmlns: NS.DISCO_INFO, node })), TIMEOUT_MS);
      const query = result.getChild('query', NS.DISCO_INFO);
      const info = query && decodeInfo(query);
      if (!info || info.features.length > MAX_FEATURES) throw new Error('no usable answer to disco#info');
      const wanted = new Set(info.features);
      const interests: Interests = new Set(this.nodes.filter((name) => wanted.has(`${name}+notify`)));
      const verified = isKnownHash(caps.hash) && verification(info, caps.hash) === caps.ver;
      if (!verified) this.log.debug({ jid, ver: caps.ver }, 'caps do not fit their hash: believed for this resource alone');
      remember(this.#known, verified ? verKey(caps) : jid, interests);
      return interests;
    } catch (error) {
      this.log.debug({ jid, err: error }, 'caps not answered');
      remember(this.#failed, jid, this.now() + FAILED_MS);
      return NONE;
    }
  }

  async #inTurn(work: () => Promise<Interests>): Promise<Interests> {
    if (this.#running >= ASKING_AT_ONCE) {
      if (this.#waiting.length >= MAX_QUEUED) return NONE;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }

  /** After the connection was lost: who did not answer then may do so now. */
  forgetFailures(): void {
    this.#failed.clear();
  }
}

const verKey = ({ hash, ver, node }: Resource['caps'] & object): string => (hash === '' ? `${node}#${ver}` : `${hash} ${ver}`);

/** The oldest make room. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  if (map.size >= MAX_REMEMBERED) map.delete(map.keys().next().value!);
  map.set(key, value);
}
