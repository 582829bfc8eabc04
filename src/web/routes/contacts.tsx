import express from 'express';
import type { Account } from '../../domain/account.js';
import { nameOf } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import type { Context } from '../../services/context.js';
import { listAspectViews } from '../../services/aspects.js';
import { acceptRequest, addContact, blockPerson, changeAspectsOf, contactsPage, findContact, refuseRequest, removeContact, unblockPerson } from '../../services/relationships.js';
import { addressForm, contactAspectsForm, rowId, submit } from '../forms.js';
import { ContactPage } from '../pages/aspects.js';
import { ContactsPage, type ContactsView } from '../pages/contacts.js';
import { sendPage } from '../render.js';
import { memberOf, queryText } from '../visit.js';


/** Whom one follows, who follows, who asks. */
export function contactsRoutes(ctx: Context): express.Router {
  const router = express.Router();

  const listsOf = async (account: Account) => {
    const [lists, aspects] = await Promise.all([contactsPage(ctx, account), listAspectViews(ctx, account)]);
    return { ...lists, aspects };
  };

  router.get('/contacts', async (req, res) => {
    const { account, t } = memberOf(res);
    const lists = await listsOf(account);
    const view = viewOf(req, lists.aspects);
    const into = aspectNamed(queryText(req, 'into'), lists.aspects);
    const done = queryText(req, 'done') ?? '';
    const words = Object.hasOwn(t.contacts.done, done) ? t.contacts.done[done] : undefined;
    const who = [lists.requests, lists.contacts, lists.followers, lists.blocked].flat().find((entry) => String(entry.id) === queryText(req, 'who'));
    const notice = typeof words === 'function' ? words(who ? nameOf(who.other) : t.contacts.someone) : words;
    sendPage(res, <ContactsPage {...lists} view={view} into={into} notice={notice} />);
  });

  router.post('/contacts', async (req, res) => {
    const { account } = memberOf(res);
    let path = '/contacts';
    const faults = await submit(req, addressForm, async ({ address, from, aspect, older }) => {
      const { id, other, relationship } = await addContact(ctx, account, address, { aspectIds: aspect, older });
      path = from === 'person' && other.isLocal ? `/u/${other.username}` : `/contacts?done=${relationship.following === 'on' ? 'added' : 'asked'}&who=${id}`;
    });
    if (faults) return sendPage(res, <ContactsPage {...await listsOf(account)} view="all" into={aspectTyped(faults.values['aspect'])} faults={faults} />, { status: faults.status });
    res.redirect(303, path);
  });

  router.get('/contacts/:id', async (req, res) => {
    const { account, t } = memberOf(res);
    const [entry, aspects] = await Promise.all([findContact(ctx, account, idOf(req.params.id)), listAspectViews(ctx, account)]);
    sendPage(res, <ContactPage entry={entry} aspects={aspects} notice={queryText(req, 'done') === 'saved' ? t.settings.saved : undefined} />);
  });

  router.post('/contacts/:id/aspects', async (req, res) => {
    const { account } = memberOf(res);
    const id = idOf(req.params.id);
    let path = `/contacts/${id}?done=saved`;
    const faults = await submit(req, contactAspectsForm, async ({ aspect, older, from }) => {
      await changeAspectsOf(ctx, account, id, aspect, { older });
      const { other } = await findContact(ctx, account, id);
      if (from === 'person' && other.isLocal) path = `/u/${other.username}`;
    });
    if (faults) return sendPage(res, <ContactPage entry={await findContact(ctx, account, id)} aspects={await listAspectViews(ctx, account)} faults={faults} />, { status: faults.status });
    res.redirect(303, path);
  });

  const actions: Record<string, (account: Parameters<typeof refuseRequest>[1], id: number) => Promise<unknown>> = {
    reject: (account, id) => refuseRequest(ctx, account, id),
    remove: (account, id) => removeContact(ctx, account, id),
    block: (account, id) => blockPerson(ctx, account, id),
    unblock: (account, id) => unblockPerson(ctx, account, id),
  };

  router.post('/contacts/:id/accept', async (req, res) => {
    const { account } = memberOf(res);
    const id = idOf(req.params.id);
    await acceptRequest(ctx, account, id, { followBack: (req.body as { follow?: unknown }).follow === 'yes' });
    res.redirect(303, `/contacts?done=accept&who=${id}`);
  });

  for (const [name, act] of Object.entries(actions)) {
    router.post(`/contacts/:id/${name}`, async (req, res) => {
      const { account } = memberOf(res);
      const id = idOf(req.params.id);
      await act(account, id);
      res.redirect(303, `/contacts?done=${name}&who=${id}`);
    });
  }

  return router;
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

function viewOf(req: express.Request, aspects: readonly { id: number }[]): ContactsView {
  const only = queryText(req, 'only');
  return aspectNamed(queryText(req, 'aspect'), aspects)?.id ?? (only === 'followers' || only === 'blocked' ? only : 'all');
}
