// Pictures of people elsewhere: XEP-0084 User Avatar 1.1.4 and, where there is none, the photo of a vcard-temp (XEP-0054).
import { createHash } from 'node:crypto';
import type { Actor } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import { NS } from '../../formats/namespaces.js';
import { decodeAvatarData, decodeAvatarMetadata } from '../../formats/profile-nodes.js';
import type { VcardPhoto } from '../../formats/vcard-temp.js';
import type { Context } from '../../services/context.js';
import { learnPicture } from '../../services/media.js';
import { knownPicture, notePicture } from '../../store/received.js';
import type { Element } from '../../xml.js';
import { componentJidOf } from '../addresses.js';
import { type Asking, Refused, Unreachable } from './asking.js';

/** What a server lets pass in one stanza, in base64; larger ones do not arrive. */
const MAX_BYTES = 384 * 1024;
/** News of pictures that wait to be fetched. */
const MAX_WAITING = 1_000;

export class Pictures {
  readonly #waiting = new Map<number, Promise<void>>();

  constructor(
    private readonly ctx: Context,
    private readonly asking: Asking,
  ) {}

  /** Their metadata came as an event: the picture is fetched when it is another one. @param service their bare JID */
  heard(asker: Actor, person: Actor, service: string, metadata: Element): void {
    if (this.#waiting.has(person.id) || this.#waiting.size >= MAX_WAITING) return;
    const fetching = this.#takeMetadata(asker, person, service, metadata)
      .catch((error) => {
        if (!(error instanceof Unreachable)) this.ctx.log.warn({ err: error, service }, 'a picture was not fetched');
      })
      .finally(() => this.#waiting.delete(person.id));
    this.#waiting.set(person.id, fetching);
  }

  /** Resolves when nothing is fetched any more of what was heard so far. */
  async settled(): Promise<void> {
    await Promise.all(this.#waiting.values());
  }

  /**
   * Asks whether someone has a picture, and for it when it is another one than what is here.
   * @param photo the one on their card, for when they publish none
   * @throws Unreachable
   */
  async fetch(asker: Actor, person: Actor, service: string, photo: VcardPhoto | null): Promise<void> {
    const metadata = await this.#item(asker, { service, node: NS.AVATAR_METADATA }, null);
    if (metadata) await this.#takeMetadata(asker, person, service, metadata);
    else if (photo) await this.#keep(person, Buffer.from(photo.base64, 'base64'));
  }

  async #item(asker: Actor, address: { service: string; node: string }, id: string | null): Promise<Element | null> {
    const ownJid = componentJidOf(asker, this.ctx.config.domain);
    try {
      const items = id === null ? (await this.asking.items(ownJid, address, 1)).items : await this.asking.someItems(ownJid, address, [id]);
      return items.at(-1)?.payload ?? null;
    } catch (error) {
      if (error instanceof Refused) return null;
      throw error;
    }
  }

  async #takeMetadata(asker: Actor, person: Actor, service: string, metadata: Element): Promise<void> {
    const told = unlessNonsense(() => decodeAvatarMetadata(metadata));
    if (told === undefined || (told && told.bytes > MAX_BYTES) || (await knownPicture(this.ctx.store, person.id)) === (told?.id ?? '')) return;
    if (told === null) return this.#keep(person, null);
    const payload = await this.#item(asker, { service, node: NS.AVATAR_DATA }, told.id);
    const bytes = payload && unlessNonsense(() => decodeAvatarData(payload));
    // What is not what it was said to be is nobody's picture.
    if (bytes && sha1(bytes) === told.id) await this.#keep(person, bytes);
  }

  async #keep(person: Actor, bytes: Buffer | null): Promise<void> {
    const { ctx } = this;
    const hash = bytes ? sha1(bytes) : '';
    if ((bytes?.length ?? 0) > MAX_BYTES || (await knownPicture(ctx.store, person.id)) === hash) return;
    try {
      await learnPicture(ctx, person.id, bytes);
    } catch (error) {
      if (!(error instanceof DomainError) || error.code === 'unavailable') throw error;
      ctx.log.debug({ person: person.id, reason: error.message }, 'what should be a picture is none');
    }
    await ctx.store.transaction(async (tx) => {
      await notePicture(tx, person.id, hash);
      tx.publish({ kind: 'account', actorId: person.id });
    });
  }
}

const sha1 = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');

/** undefined: a stranger wrote something else. */
function unlessNonsense<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DomainError) return undefined;
    throw error;
  }
}
