// What people elsewhere tell about themselves: vCard4 (XEP-0292), vcard-temp (XEP-0054), nickname (XEP-0172), picture (pictures.ts); asked for,
// and heard by +notify.
import type { Actor } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import type { JobPayloads } from '../../domain/job.js';
import { NS } from '../../formats/namespaces.js';
import { decodeNick } from '../../formats/profile-nodes.js';
import { decodeVcard4 } from '../../formats/vcard4.js';
import { decodeVcardTemp, type VcardPhoto } from '../../formats/vcard-temp.js';
import type { Context } from '../../services/context.js';
import { learnProfile, noteAsked } from '../../services/people.js';
import { chatAddressesOf } from '../../services/relationships.js';
import { findActor, findActorByAddress } from '../../store/actors.js';
import type { Tx } from '../../store/database.js';
import type { Element } from '../../xml.js';
import { componentJidOf, hostOf } from '../addresses.js';
import { type Asking, Refused, Unreachable } from './asking.js';
import type { InboundEvent } from './event.js';
import type { Following } from './following.js';
import type { NodeReader } from './intake.js';
import { Pictures } from './pictures.js';

const MAX_REMEMBERED = 20_000;

/** What each source has said of someone; undefined: nothing. */
interface Sources {
  nick?: string;
  /** vCard4 alone, or vcard-temp where there is none. */
  fullName?: string;
  summary?: string;
}

const READERS = new Map<string, (payload: Element) => Sources>([
  [NS.NICK, (payload) => ({ nick: decodeNick(payload) })],
  [
    NS.VCARD4_NODE,
    (payload) => {
      const { displayName, summary } = decodeVcard4(payload);
      return { fullName: displayName, summary };
    },
  ],
]);

/** Something that a stranger wrote and that is not what it should be says nothing. */
function read(node: string, payload: Element): Sources {
  try {
    return READERS.get(node)?.(payload) ?? {};
  } catch (error) {
    if (error instanceof DomainError) return {};
    throw error;
  }
}

export class Profiles implements NodeReader {
  readonly #pictures: Pictures;
  /** By the person: a name that they chose goes before the one on their card, whichever comes first. */
  readonly #sources = new Map<number, Sources>();

  constructor(
    private readonly ctx: Context,
    private readonly parts: { asking: Asking; following(): Following },
  ) {
    this.#pictures = new Pictures(ctx, parts.asking);
  }

  /** Resolves when nothing is fetched any more of what was heard so far. */
  settled(): Promise<void> {
    return this.#pictures.settled();
  }

  reads({ node }: InboundEvent): boolean {
    return READERS.has(node) || node === NS.AVATAR_METADATA;
  }

  async receive(tx: Tx, event: InboundEvent, actor: Actor): Promise<void> {
    const person = await findActorByAddress(tx, 'xmpp', event.service);
    const last = event.items.at(-1);
    if (!person || person.isLocal || !last) return;
    if (event.node === NS.AVATAR_METADATA) {
      if (last.payload) this.#pictures.heard(actor, person, event.service, last.payload);
      return;
    }
    // Taken back: as if it said nothing any more.
    const said = last.payload ? read(event.node, last.payload) : event.node === NS.NICK ? { nick: '' } : {};
    await this.#learn(tx, person, said);
  }

  async #learn(tx: Tx, person: Actor, said: Sources): Promise<void> {
    const all = { ...this.#sources.get(person.id), ...said };
    this.#sources.delete(person.id);
    if (this.#sources.size >= MAX_REMEMBERED) this.#sources.delete(this.#sources.keys().next().value!);
    this.#sources.set(person.id, all);
    const displayName = all.nick || all.fullName;
    await learnProfile(tx, person, { ...(displayName === undefined ? {} : { displayName }), ...(all.summary === undefined ? {} : { summary: all.summary }) });
  }

  /**
   * Asks for everything that someone may tell about themselves. What is refused is not told.
   * @returns whether anything was told
   * @throws Unreachable
   */
  async fetch(asker: Actor, person: Actor): Promise<boolean> {
    const service = (await chatAddressesOf(this.ctx.store, person.id))[0];
    if (!service) return false;
    const { asking } = this.parts;
    const ownJid = componentJidOf(asker, this.ctx.config.domain);
    const node = async (name: string): Promise<Sources | null> => {
      const payload = (await asking.items(ownJid, { service, node: name }, 1)).items.at(-1)?.payload;
      return payload ? read(name, payload) : null;
    };
    const [card, old, chosen] = await Promise.all([unlessRefused(node(NS.VCARD4_NODE)), unlessRefused(asking.vcardTemp(ownJid, service).then(readTemp)), unlessRefused(node(NS.NICK))]);
    const said = { ...old?.sources, ...card, ...chosen };
    if (card || old || chosen) await this.ctx.store.transaction((tx) => this.#learn(tx, person, said));
    await this.#pictures.fetch(asker, person, service, old?.photo ?? null);
    return Boolean(card || old || chosen);
  }

  /** The job `fetch-person`. That somebody cannot be reached is told to those who look at their page; it is asked again when they look again. */
  async run({ actorId, otherId }: JobPayloads['fetch-person']): Promise<void> {
    const { ctx } = this;
    const [asker, person] = await Promise.all([findActor(ctx.store, actorId), findActor(ctx.store, otherId)]);
    if (!asker?.isLocal || !person || person.isLocal) return;
    const service = (await chatAddressesOf(ctx.store, otherId))[0];
    if (!service) return;
    let error: string | null = null;
    try {
      const [told, shown] = await Promise.all([this.fetch(asker, person), unlessRefused(this.parts.following().fetchPosts(asker, { service, node: NS.MICROBLOG }, { isFirst: true }).then(() => true))]);
      if (!told && !shown) error = `${hostOf(service)} tells nothing about ${service}. Perhaps the address is wrong, or this person shows nothing to strangers.`;
    } catch (cause) {
      if (!(cause instanceof Unreachable)) throw cause;
      ctx.log.info({ host: hostOf(service), reason: cause.message }, 'a server could not be asked about someone');
      error = `${hostOf(service)} cannot be reached at the moment.`;
    }
    await noteAsked(ctx, otherId, error);
  }
}

/** An empty one says nothing: both servers answer so for people who have none. */
function readTemp(payload: Element | null): { sources: Sources; photo: VcardPhoto | null } | null {
  if (!payload || payload.getChildElements().length === 0) return null;
  const { displayName, summary, photo } = decodeVcardTemp(payload);
  return { sources: { fullName: displayName, summary }, photo };
}

async function unlessRefused<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}
