// Chat addresses that speak for an account (relations.md "One person, several addresses"): `name@CHAT` by itself, and any other that answers a code.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Account } from '../domain/account.js';
import { DomainError } from '../domain/errors.js';
import { addJobs } from '../store/jobs.js';
import { deleteOwnerAddress, findOwnerAddress, isLinked, listOwnerAddresses, type OwnerAddress, saveOwnerAddress } from '../store/owner-addresses.js';
import { findSource } from '../store/sources.js';
import type { Context } from './context.js';
import { takeLimits } from './limits.js';
import { parseAddress } from './relationships.js';

/** How long a code may be answered. */
export const LINK_CODE_LIFE_MS = 30 * 60_000;
/** Wrong answers, then the code is void. A code has eight digits. */
export const LINK_ATTEMPTS = 5;
/** Addresses of one account. */
const MOST = 10;

/** One chat address on its owner's page. `state` expired: the code was not answered in time, or too often wrongly. */
export interface OwnerAddressView {
  /** Bare JID. */
  jid: string;
  state: 'chat' | 'linked' | 'asked' | 'expired';
  /** Why the code did not reach it. */
  error: string | null;
}

/** The account's own addresses: the one of the chat domain first, where there is one. */
export async function ownerAddressesOf(ctx: Context, account: Account): Promise<OwnerAddressView[]> {
  const linked = await listOwnerAddresses(ctx.store, account.actorId);
  const chat: OwnerAddressView[] = ctx.config.chatDomain === '' ? [] : [{ jid: `${account.username}@${ctx.config.chatDomain}`, state: 'chat', error: null }];
  return [...chat, ...linked.map((row): OwnerAddressView => ({ jid: row.jid, error: row.error, state: row.state === 'linked' ? 'linked' : isOpen(ctx, row) ? 'asked' : 'expired' }))];
}

const isOpen = (ctx: Context, row: OwnerAddress): boolean => row.state === 'asked' && row.attempts < LINK_ATTEMPTS && (row.expiresAt ?? 0) > ctx.now();

/**
 * The code that this address has to answer. It is made of the row and the secret of the installation, so it is stored nowhere and a copy of the
 * database does not tell it.
 */
export function linkCodeOf(ctx: Context, row: Pick<OwnerAddress, 'actorId' | 'jid' | 'createdAt'>): string {
  const digest = createHmac('sha256', ctx.config.secret).update(`chat address\0${row.actorId}\0${row.jid}\0${row.createdAt}`).digest();
  return String(digest.readUInt32BE(0) % 100_000_000).padStart(8, '0');
}

/**
 * Asks a chat address to answer a code. Asked again, an address that has not answered gets a new one.
 * @param text a JID, or an `xmpp:` link
 * @throws DomainError invalid (field address), conflict (already an address of hers, or of somebody's), too-many
 */
export async function askToLink(ctx: Context, account: Account, text: string): Promise<OwnerAddressView> {
  const { username, domain } = parseAddress(text, ctx.config.publicUrl, ctx.config.domain);
  const jid = `${username}@${domain}`;
  if (domain === ctx.config.domain) throw new DomainError('invalid', 'Addresses of this server need not be linked. Write the address of your chat account elsewhere.', 'address');
  if (ctx.config.chatDomain !== '' && domain === ctx.config.chatDomain) {
    throw new DomainError('conflict', username === account.username ? 'This address speaks for you already.' : 'This address belongs to another account here.', 'address');
  }
  await takeLimits(ctx, { 'link-account': String(account.id), 'link-recipient': jid });
  return ctx.store.transaction(async (tx) => {
    const mine = await listOwnerAddresses(tx, account.actorId);
    const known = mine.find((row) => row.jid === jid);
    if (known?.state === 'linked') throw new DomainError('conflict', 'This address speaks for you already.', 'address');
    if (!known && mine.length >= MOST) throw new DomainError('conflict', `You can link ${MOST} addresses. Remove one first.`, 'address');
    const now = ctx.now();
    await saveOwnerAddress(tx, { jid, actorId: account.actorId, state: 'asked', attempts: 0, error: null, expiresAt: now + LINK_CODE_LIFE_MS, createdAt: now });
    await addJobs(tx, [{ kind: 'send-link-code', payload: { actorId: account.actorId, jid }, queue: 'xmpp', lane: `link:${account.actorId}` }]);
    return { jid, state: 'asked', error: null };
  });
}

/** What became of an answer. none: nothing was asked of this address, by this account. */
export type LinkAnswer = 'linked' | 'wrong' | 'void' | 'taken' | 'none';

/**
 * A chat message from an address that was asked. Blanks and hyphens in the code do not count.
 * @param jid bare, as the server of the sender vouches for it
 */
export async function answerLinkCode(ctx: Context, actorId: number, jid: string, text: string): Promise<LinkAnswer> {
  return ctx.store.transaction(async (tx): Promise<LinkAnswer> => {
    const row = await findOwnerAddress(tx, actorId, jid);
    if (row?.state !== 'asked') return 'none';
    if (!isOpen(ctx, row)) return 'void';
    const given = Buffer.from(text.slice(0, 100).replace(/[\s-]/g, '').padEnd(8).slice(0, 9));
    const wanted = Buffer.from(linkCodeOf(ctx, row));
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
      await saveOwnerAddress(tx, { ...row, attempts: row.attempts + 1 });
      return row.attempts + 1 < LINK_ATTEMPTS ? 'wrong' : 'void';
    }
    if (await isLinked(tx, jid)) return 'taken';
    await saveOwnerAddress(tx, { ...row, state: 'linked', attempts: 0, error: null, expiresAt: null });
    tx.publish({ kind: 'account', actorId });
    return 'linked';
  });
}

/** The code could not be brought to the address: its owner is told on the page. @param error the condition, e.g. remote-server-not-found */
export async function linkCodeBounced(ctx: Context, actorId: number, jid: string, error: string): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const row = await findOwnerAddress(tx, actorId, jid);
    if (row?.state !== 'asked') return;
    await saveOwnerAddress(tx, { ...row, error });
    tx.publish({ kind: 'account', actorId });
  });
}

/** From now on the address is a stranger's. @throws DomainError not-found */
export async function unlinkAddress(ctx: Context, account: Account, jid: string): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const wasSource = (await findSource(tx, jid))?.actorId === account.actorId;
    if (!(await deleteOwnerAddress(tx, account.actorId, jid))) throw new DomainError('not-found', 'This address is not linked.');
    if (wasSource) await addJobs(tx, [{ kind: 'follow-source', payload: { actorId: account.actorId, jid }, queue: 'xmpp', lane: `source:${jid}` }]); // which ends it
  });
}
