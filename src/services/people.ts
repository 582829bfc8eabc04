// Someone, as one of ours sees them: who they are, what stands between the two, and how far we are with asking their server.
import type { Account } from '../domain/account.js';
import { type Actor, handleOf, type Profile } from '../domain/actor.js';
import { cleanPlainText } from '../domain/post.js';
import { isEmpty, type Relationship } from '../domain/relationship.js';
import { findActor, findActorByAddress, updateProfile } from '../store/actors.js';
import type { Tx } from '../store/database.js';
import { addJobs } from '../store/jobs.js';
import { findFetch, isCaughtUp, type PersonFetch, saveFetch } from '../store/received.js';
import { findRelationship } from '../store/relationships.js';
import type { Context } from './context.js';
import { takeLimits } from './limits.js';
import { findOrNotePerson, parseAddress } from './relationships.js';
import { countPostsBy, type Viewer } from './stream.js';

/**
 * What stands between the viewer (A) and the person (B), in words: A follows B; B follows A; both; A has asked B; B asks A; A has added B to her
 * contacts; A has blocked B; A has muted B.
 */
export type PersonWord = 'yourself' | 'you-follow' | 'follows-you' | 'mutual' | 'requested' | 'asks-you' | 'added' | 'blocked' | 'muted';

export interface PersonView {
  actor: Actor;
  /** What one would write to follow them. */
  address: string;
  /** From the viewer's side; null: there is nothing, or the viewer is anonymous. */
  relationship: Relationship | null;
  words: PersonWord[];
  /** Their server is being asked about them. */
  isFetching: boolean;
  /** A sentence: why what is shown may be old or incomplete. */
  fetchError: string | null;
  /** Posts that are here and that the viewer may see. */
  counts: { posts: number };
}

/** A person elsewhere is asked about again when somebody looks them up after this time. */
const STALE_MS = 10 * 60_000;
/** After a failure, sooner. */
const FAILED_STALE_MS = 30_000;
/** An answer that is not there by then does not come: the process that asked has ended. */
const FETCH_MS = 2 * 60_000;

/**
 * The person behind what someone pasted: handle, chat address, `xmpp:` link, or web address of a profile here or elsewhere. Notes whoever is not
 * known yet, and asks their server about them if what we know is old.
 * @throws DomainError invalid | not-found (field address), too-many
 */
export async function lookUp(ctx: Context, account: Account, text: string): Promise<PersonView> {
  const { username, domain } = parseAddress(text, ctx.config.publicUrl, ctx.config.domain);
  const isHere = domain === ctx.config.domain || domain === ctx.config.chatDomain;
  if (!isHere && !(await findActorByAddress(ctx.store, 'xmpp', `${username}@${domain}`))) await takeLimits(ctx, { 'strangers-host': `account ${account.id}` });
  const actor = await ctx.store.transaction((tx) => findOrNotePerson(ctx, tx, text));
  await askAbout(ctx, account, actor);
  return personView(ctx, { actorId: account.actorId }, actor);
}

/**
 * Has the server of someone elsewhere asked about them and their last posts, unless that was done a short while ago.
 * @param more.again asks now, unless it is being asked already
 */
export async function askAbout(ctx: Context, account: Account, actor: Actor, { again = false } = {}): Promise<void> {
  if (actor.isLocal) return;
  await ctx.store.transaction(async (tx) => {
    const last = await findFetch(tx, actor.id);
    const now = ctx.now();
    if (last && (isUnderway(last, now) || (!again && now - last.askedAt < (last.error === null ? STALE_MS : FAILED_STALE_MS)))) return;
    await saveFetch(tx, { actorId: actor.id, askedAt: now, endedAt: null, error: last?.error ?? null });
    await addJobs(tx, [{ kind: 'fetch-person', payload: { actorId: account.actorId, otherId: actor.id }, queue: 'xmpp', lane: `person:${actor.id}` }]);
  });
}

const isUnderway = ({ askedAt, endedAt }: PersonFetch, now: number): boolean => (endedAt === null || endedAt < askedAt) && now - askedAt < FETCH_MS;

/** The person as the viewer sees them. Sends nothing anywhere. */
export async function personView(ctx: Context, viewer: Viewer, actor: Actor): Promise<PersonView> {
  const isSelf = viewer !== 'anonymous' && viewer.actorId === actor.id;
  const [row, last, posts] = await Promise.all([
    viewer === 'anonymous' || isSelf ? null : findRelationship(ctx.store, viewer.actorId, actor.id),
    actor.isLocal ? null : findFetch(ctx.store, actor.id),
    countPostsBy(ctx, viewer, actor),
  ]);
  // Following begins with their last posts; that their server is away is said instead.
  const isAwaited = row !== null && row.following !== 'none' && !actor.isLocal && !last?.error && !(await isCaughtUp(ctx.store, row.actorId, actor.id));
  const isFetching = isAwaited || (last !== null && isUnderway(last, ctx.now()));
  return {
    actor,
    address: handleOf(actor),
    relationship: row && !isEmpty(row) ? row : null,
    words: isSelf ? ['yourself'] : row ? wordsFor(row) : [],
    isFetching,
    fetchError: last && !isFetching ? last.error : null,
    counts: { posts },
  };
}

/** The longest name and text about themselves that are taken from someone elsewhere, in characters. */
const NAME_MAX = 100;
const SUMMARY_MAX = 2_000;
/** Marks that turn the direction of what follows, or that nobody sees. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\ufffe\uffff]/gu;

const firstOf = (text: string, characters: number): string => [...text].slice(0, characters).join('');
/** One line. Joiners stay, which some scripts and emoji need. */
const cleanName = (text: string): string =>
  firstOf(text.toWellFormed().replace(/[\s\p{Z}]+/gu, ' ').replace(UNSEEN, (mark) => (mark === '\u200d' || mark === '\u200c' ? mark : '')).trim(), NAME_MAX);
const cleanSummary = (text: string): string =>
  firstOf(cleanPlainText(text).replace(/[\u202a-\u202e\u2066-\u2069]/g, ''), SUMMARY_MAX);

/**
 * What someone elsewhere tells about themselves, as it is kept: names are one line, nothing is endless.
 * @returns whether anything has changed
 */
export async function learnProfile(tx: Tx, person: Actor, told: Partial<Pick<Profile, 'displayName' | 'summary'>>): Promise<boolean> {
  if (person.isLocal) return false;
  const profile = {
    ...(told.displayName === undefined ? {} : { displayName: cleanName(told.displayName) }),
    ...(told.summary === undefined ? {} : { summary: cleanSummary(told.summary) }),
  };
  const current = (await findActor(tx, person.id))?.profile;
  if (!current || Object.entries(profile).every(([key, value]) => current[key as keyof typeof profile] === value)) return false;
  await updateProfile(tx, person.id, profile);
  tx.publish({ kind: 'account', actorId: person.id });
  return true;
}

/** How asking about someone has ended. @param error a sentence for people; null: well */
export async function noteAsked(ctx: Context, actorId: number, error: string | null): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const last = await findFetch(tx, actorId);
    await saveFetch(tx, { actorId, askedAt: last?.askedAt ?? ctx.now(), endedAt: ctx.now(), error });
    tx.publish({ kind: 'account', actorId });
  });
}

/** The states of relations.md in words, the one that counts most first. */
export function wordsFor({ follower, following, addedAt, blockedAt, mutedAt }: Relationship): PersonWord[] {
  if (blockedAt !== null) return ['blocked'];
  const words: PersonWord[] = [];
  if (follower === 'on' && following === 'on') words.push('mutual');
  else if (following === 'on') words.push('you-follow');
  else if (follower === 'on') words.push('follows-you');
  if (following === 'asked') words.push('requested');
  if (follower === 'asked') words.push('asks-you');
  if (addedAt !== null) words.push('added');
  if (mutedAt !== null) words.push('muted');
  return words;
}
