import express from 'express';
import { nameOf } from '../../domain/actor.js';
import { DomainError } from '../../domain/errors.js';
import type { Context } from '../../services/context.js';
import { acceptRequest, addContact, blockPerson, contactsPage, refuseRequest, removeContact, unblockPerson } from '../../services/relationships.js';
import { addressForm, submit } from '../forms.js';
import { ContactsPage, type ContactsView } from '../pages/contacts.js';
import { sendPage } from '../render.js';
import { memberOf, queryText } from '../visit.js';

const VIEWS: ContactsView[] = ['all', 'followers', 'blocked'];

/** Whom one follows, who follows, who asks. */
export function contactsRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/contacts', async (req, res) => {
    const { account, t } = memberOf(res);
    const lists = await contactsPage(ctx, account);
    const view = VIEWS.find((name) => name === queryText(req, 'only')) ?? 'all';
    const done = queryText(req, 'done') ?? '';
    const words = Object.hasOwn(t.contacts.done, done) ? t.contacts.done[done] : undefined;
    const who = Object.values(lists).flat().find((entry) => String(entry.id) === queryText(req, 'who'));
    const notice = typeof words === 'function' ? words(who ? nameOf(who.other) : t.contacts.someone) : words;
    sendPage(res, <ContactsPage {...lists} view={view} notice={notice} />);
  });

  router.post('/contacts', async (req, res) => {
    const { account } = memberOf(res);
    let path = '/contacts';
    const faults = await submit(req, addressForm, async ({ address, from }) => {
      const { id, other, relationship } = await addContact(ctx, account, address);
      path = from === 'person' && other.isLocal ? `/u/${other.username}` : `/contacts?done=${relationship.following === 'on' ? 'added' : 'asked'}&who=${id}`;
    });
    if (faults) return sendPage(res, <ContactsPage {...await contactsPage(ctx, account)} view="all" faults={faults} />, { status: faults.status });
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
  if (!/^\d{1,15}$/.test(text ?? '')) throw new DomainError('not-found', 'There is nothing of this number.');
  return Number(text);
}
