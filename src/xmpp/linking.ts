// Linking a chat address: a message with a code goes out, the same code comes back from the same address (services/owner-addresses.ts).
import { handleOf } from '../domain/actor.js';
import type { JobPayloads } from '../domain/job.js';
import type { Context } from '../services/context.js';
import { answerLinkCode, type LinkAnswer, linkCodeBounced, linkCodeOf } from '../services/owner-addresses.js';
import { findActor, findLocalActor } from '../store/actors.js';
import { findOwnerAddress } from '../store/owner-addresses.js';
import { type Element, xml } from '../xml.js';
import type { Jid } from './addresses.js';
import { conditionOf } from './messages.js';
import type { Transport } from './transport.js';

const ID = 'link-code';

const ANSWERS: Record<Exclude<LinkAnswer, 'none'>, (jid: string) => string> = {
  linked: (jid) => `Done: this address speaks for ${jid} now. You can end that on the page of your chat addresses.`,
  wrong: () => 'This is not the code. Please send the eight digits alone.',
  void: () => 'This code is no longer good. Ask for a new one on the page of your chat addresses.',
  taken: () => 'This address speaks for another account here already. Remove it there first.',
};

const message = (from: string, to: string, text: string, id: string): Element => xml('message', { type: 'chat', from, to, id }, xml('body', null, text));

export class Linking {
  constructor(
    private readonly ctx: Context,
    private readonly transport: Pick<Transport, 'send' | 'barrier'>,
  ) {}

  /** The job `send-link-code`. What was answered or taken back in between is not asked any more. */
  async send({ actorId, jid }: JobPayloads['send-link-code']): Promise<void> {
    const [actor, row] = [await findActor(this.ctx.store, actorId), await findOwnerAddress(this.ctx.store, actorId, jid)];
    if (!actor || row?.state !== 'asked') return;
    const code = linkCodeOf(this.ctx, row);
    const handle = handleOf(actor);
    const text =
      `Somebody asked that this address may speak for ${handle} at ${this.ctx.config.publicUrl}: write posts, read and comment as that account. ` +
      `If that was you, answer with this code: ${code.slice(0, 4)} ${code.slice(4)}. If not, do nothing: without an answer nothing happens.`;
    this.transport.send(message(handle, jid, text, ID));
    await this.transport.barrier();
  }

  /**
   * A message that may be about a code.
   * @returns true when it was, and everything about it is done
   */
  async take(stanza: Element, to: Jid, from: Jid): Promise<boolean> {
    const { type = 'normal', id } = stanza.attrs;
    if (type === 'error' ? id !== ID : (type !== 'chat' && type !== 'normal') || !stanza.getChild('body')) return false;
    const actor = await findLocalActor(this.ctx.store, to.local);
    if (!actor) return false;
    if (type === 'error') {
      await linkCodeBounced(this.ctx, actor.id, from.bare, conditionOf(stanza));
      return true;
    }
    const answer = await answerLinkCode(this.ctx, actor.id, from.bare, stanza.getChildText('body') ?? '');
    if (answer === 'none') return false;
    this.transport.send(message(handleOf(actor), from.full, ANSWERS[answer](handleOf(actor)), 'link-answer'));
    return true;
  }
}
