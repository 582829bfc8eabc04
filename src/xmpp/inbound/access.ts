// May anybody read a node of somebody elsewhere? Asked once in a while, because it decides whether its posts are public here.
import type { Context } from '../../services/context.js';
import type { NodeAddress } from '../../services/receive.js';
import type { Tx } from '../../store/database.js';
import { findAccess, removeAccess, saveAccess } from '../../store/received.js';
import { type Asking, Unreachable } from './asking.js';

/** A node may be closed later: it is asked again. */
const KNOWN_MS = 3_600_000;
/** Of a node that its service does not know, or does not talk about. */
const FAILED_MS = 60_000;
const MAX_REMEMBERED = 20_000;

export class Access {
  readonly #known = new Map<string, { isOpen: boolean | null; until: number }>();
  readonly #asking = new Map<string, Promise<boolean | null | undefined>>();

  constructor(
    private readonly ctx: Context,
    private readonly asking: Asking,
  ) {}

  /** undefined: ask. null: nobody can say, which is taken for no. */
  known({ service, node }: NodeAddress): boolean | null | undefined {
    const found = this.#known.get(keyOf(service, node));
    return found && found.until > this.ctx.now() ? found.isOpen : undefined;
  }

  /** Asks the service, unless that was done a short while ago. Never fails; undefined: it could not be asked, another time it may. */
  ask(address: NodeAddress): Promise<boolean | null | undefined> {
    const { service, node } = address;
    const known = this.known(address);
    if (known !== undefined) return Promise.resolve(known);
    const key = keyOf(service, node);
    let asked = this.#asking.get(key);
    if (!asked) {
      asked = this.#find({ service, node }).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asked);
    }
    return asked;
  }

  /** The same, whatever is known: it may have been closed meanwhile without a word. */
  askAnew({ service, node }: NodeAddress): Promise<boolean | null | undefined> {
    return this.#find({ service, node }, true);
  }

  async #find(address: NodeAddress, isAnew = false): Promise<boolean | null | undefined> {
    const { ctx } = this;
    try {
      const stored = await findAccess(ctx.store, address);
      if (!isAnew && stored && stored.askedAt > ctx.now() - KNOWN_MS) return this.#remember(address, stored.model === OPEN, stored.askedAt + KNOWN_MS);
      const isOpen = await this.asking.isOpen(address);
      if (isOpen !== null) await ctx.store.transaction((tx) => saveAccess(tx, { ...address, model: isOpen ? OPEN : '', askedAt: ctx.now() }), { mayBeLost: true });
      else if (stored) await ctx.store.transaction((tx) => removeAccess(tx, address), { mayBeLost: true });
      return this.#remember(address, isOpen, ctx.now() + (isOpen === null ? FAILED_MS : KNOWN_MS));
    } catch (error) {
      if (!(error instanceof Unreachable)) ctx.log.error({ err: error }, 'could not find out who may read a node');
      return undefined;
    }
  }

  /** Its settings have changed. */
  async forget(tx: Tx, { service, node }: NodeAddress): Promise<void> {
    this.#known.delete(keyOf(service, node));
    await removeAccess(tx, { service, node });
  }

  #remember({ service, node }: NodeAddress, isOpen: boolean | null, until: number): boolean | null {
    const key = keyOf(service, node);
    this.#known.delete(key);
    if (this.#known.size >= MAX_REMEMBERED) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, { isOpen, until });
    return isOpen;
  }
}

/** As pubsub#access_model says it. */
const OPEN = 'open';
const keyOf = (service: string, node: string): string => `${service} ${node}`;
