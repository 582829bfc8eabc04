import express from 'express';
import type { Account } from '../../domain/account.js';
import { type Actor, nameOf } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import { isEmpty, type Relationship } from '../../domain/relationship.js';
import { listAspectViews } from '../../services/aspects.js';
import type { Context } from '../../services/context.js';
import { takeLimits } from '../../services/limits.js';
import {
  acceptRequest,
  addContact,
  blockPerson,
  changeAspectsOf,
  CIRCLES,
  type Circle,
  countPeople,
  findContact,
  mutePerson,
  pageOfPeople,
  refuseRequest,
  removeContact,
  showOlder,
  unblockPerson,
  unmutePerson,
} from '../../services/relationships.js';
import { findActor } from '../../store/actors.js';
import { findRelationship } from '../../store/relationships.js';
import { actForm, addressForm, contactAspectsForm, type Faults, rowId, submit } from '../forms.js';
import { ContactPage } from '../pages/aspects.js';
import { ContactsPage } from '../pages/contacts.js';
import { sendPage } from '../render.js';
import { pageOf } from '../views/parts.js';
import { localPath, memberOf, queryText, visitOf } from '../visit.js';

/** Whom one follows, who follows, who asks. */
export function contactsRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/contacts', async (req, res) => {
    const { account } = memberOf(res);
    const aspects = await listAspectViews(ctx, account);
    const into = aspectNamed(queryText(req, 'into'), aspects);
    const shown = await peopleShown(ctx, account, circleOf(req, aspects), afterOf(req));
    sendPage(res, <ContactsPage {...shown} aspects={aspects} into={into} notice={await relationNotice(ctx, req, res)} />);
  });

  router.post('/contacts', async (req, res) => {
    const { account } = memberOf(res);
    let path = '/contacts';
    const faults = await submit(req, addressForm, async ({ address, from, aspect, older }) => {
      await takeLimits(ctx, { 'follow-account': String(account.id) });
      const { id, other, relationship } = await addContact(ctx, account, address, { aspectIds: aspect, older });
      path = withDone(from === 'person' ? pageOf(other) : '/contacts', relationship.following === 'on' ? 'added' : 'asked', id);
    });
    if (faults) return sendContacts(ctx, res, account, faults);
    res.redirect(303, path);
  });

  router.get('/contacts/:id', async (req, res) => {
    const { account, t } = memberOf(res);
    const [entry, aspects] = await Promise.all([findContact(ctx, account, idOf(req.params.id)), listAspectViews(ctx, account)]);
    const notice = queryText(req, 'done') === 'saved' ? t.settings.saved : await relationNotice(ctx, req, res, entry.other);
    sendPage(res, <ContactPage entry={entry} aspects={aspects} notice={notice} />);
  });

  router.post('/contacts/:id/aspects', async (req, res) => {
    const { account } = memberOf(res);
    const id = idOf(req.params.id);
    let path = `/contacts/${id}?done=saved`;
    const faults = await submit(req, contactAspectsForm, async ({ aspect, older, from }) => {
      await changeAspectsOf(ctx, account, id, aspect, { older });
      const { other } = await findContact(ctx, account, id);
      if (from === 'person') path = pageOf(other);
    });
    if (faults) return sendPage(res, <ContactPage entry={await findContact(ctx, account, id)} aspects={await listAspectViews(ctx, account)} faults={faults} />, { status: faults.status });
    res.redirect(303, path);
  });

  const actions: Record<string, (account: Account, id: number, body: unknown) => Promise<Relationship>> = {
    accept: (account, id, body) => acceptRequest(ctx, account, id, { followBack: (body as { follow?: unknown }).follow === 'yes' }),
    reject: (account, id) => refuseRequest(ctx, account, id),
    older: (account, id) => showOlder(ctx, account, id),
    remove: (account, id) => removeContact(ctx, account, id),
    block: (account, id) => blockPerson(ctx, account, id),
    unblock: (account, id) => unblockPerson(ctx, account, id),
    mute: (account, id) => mutePerson(ctx, account, id),
    unmute: (account, id) => unmutePerson(ctx, account, id),
  };

  for (const [name, act] of Object.entries(actions)) {
    router.post(`/contacts/:id/${name}`, async (req, res) => {
      const { account } = memberOf(res);
      const id = idOf(req.params.id);
      await takeLimits(ctx, { 'follow-account': String(account.id) });
      const { follower } = await act(account, id, req.body ?? {});
      const done = name === 'accept' && follower !== 'on' ? 'mayAsk' : name;
      res.redirect(303, withDone(localPath(actForm.parse(req.body ?? {}).next, '/contacts'), done, id));
    });
  }

  return router;
}

/** Those who ask are shown above the others, on the first page of these: so many of them. */
const REQUESTS_MOST = 20;

const peopleShown = async (ctx: Context, account: Account, circle: Circle, after?: number) => {
  const isFirst = circle !== 'requests' && after === undefined;
  const [page, counts, requests] = await Promise.all([
    pageOfPeople(ctx, account, circle, { after }),
    countPeople(ctx, account),
    isFirst ? pageOfPeople(ctx, account, 'requests', { limit: REQUESTS_MOST }) : null,
  ]);
  return { circle, after, ...page, counts, requests: requests?.people ?? [] };
};

/** `?after=ID`: where the page before ended. */
export const afterOf = (req: express.Request): number | undefined => rowId(queryText(req, 'after') ?? '') ?? undefined;

/** The contacts page with a form that comes back. */
export async function sendContacts(ctx: Context, res: express.Response, account: Account, faults: Faults): Promise<void> {
  const [shown, aspects] = await Promise.all([peopleShown(ctx, account, 'contacts'), listAspectViews(ctx, account)]);
  sendPage(res, <ContactsPage {...shown} aspects={aspects} into={aspectTyped(faults.values['aspect'])} faults={faults} />, { status: faults.status });
}

/** The page to go back to, which says what was done, with whom. */
function withDone(path: string, done: string, who: number): string {
  const url = new URL(path, 'http://here.invalid');
  url.searchParams.delete('ask');
  url.searchParams.set('done', done);
  url.searchParams.set('who', String(who));
  return url.pathname + url.search;
}

/**
 * What was just done to a relationship, in words, on whichever page one came back to (`?done=NAME&who=ID`). Someone with whom nothing stands is
 * not named: the ID in an address is a guess of anybody's.
 * @param person of whom the page is
 */
export async function relationNotice(ctx: Context, req: express.Request, res: express.Response, person?: Actor): Promise<string | undefined> {
  const { t, account } = visitOf(res);
  const done = queryText(req, 'done') ?? '';
  const words = account && Object.hasOwn(t.contacts.done, done) ? t.contacts.done[done] : undefined;
  if (!account || typeof words !== 'function') return words as string | undefined;
  const id = rowId(queryText(req, 'who') ?? '');
  if (person) return words(nameOf(person));
  const other = id !== null && !isEmpty(await findRelationship(ctx.store, account.actorId, id)) ? await findActor(ctx.store, id) : null;
  return words(other ? nameOf(other) : t.contacts.someone);
}

/** @throws DomainError not-found */
export function idOf(text: string | undefined): number {
  const id = rowId(text ?? '');
  if (id === null) throw new DomainError('not-found', 'There is nothing of this number.');
  return id;
}

/** The aspect that an address names by its ID, or undefined when it names none. @throws DomainError not-found */
export function aspectNamed<T extends { id: number }>(text: string | undefined, aspects: readonly T[]): T | undefined {
  if (text === undefined || text === '') return undefined;
  const aspect = aspects.find(({ id }) => id === rowId(text));
  if (!aspect) throw new DomainError('not-found', 'You have no such aspect.');
  return aspect;
}

const aspectTyped = (text: string | undefined) => {
  const id = rowId(text ?? '');
  return id === null ? undefined : { id };
};

const circleOf = (req: express.Request, aspects: readonly { id: number }[]): Circle =>
  aspectNamed(queryText(req, 'aspect'), aspects)?.id ?? CIRCLES.find((circle) => circle === queryText(req, 'only')) ?? 'contacts';
