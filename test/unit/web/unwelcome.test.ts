// Whoever is blocked, or suspended, comes back by no entry (threats.md 56): each way in, by pages, programs and stanzas, for each of them,
// here or elsewhere. The same ways are open to a friend, or they would prove nothing.
import request from 'supertest';
import type { Account } from '../../../src/domain/account.js';
import { createAccount, suspendAccount } from '../../../src/services/accounts.js';
import { createAppPassword } from '../../../src/services/app-passwords.js';
import { publishPost } from '../../../src/services/publish.js';
import { blockPerson } from '../../../src/services/relationships.js';
import { findActorByAddress } from '../../../src/store/actors.js';
import { createApp } from '../../../src/web/app.js';
import { parseStanza } from '../../../src/xml.js';
import { MICROBLOG, pubsub } from '../../support/follow.js';
import { makeRemote, relate } from '../../support/people.js';
import { Browser, PASSWORD } from '../../support/web.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const HOST = 'https://social.test';
const ALICE = 'alice@social.test';
const ATOM = 'http://www.w3.org/2005/Atom';
const ATTACHMENTS = 'urn:xmpp:pubsub-attachments:1';

let stage: Stage;
let app: ReturnType<typeof createApp>;
let alice: Account;
beforeAll(async () => {
  stage = await openStage({ DX_PUBLIC_URL: HOST });
  app = createApp(stage.ctx, { ready: async () => ({ ready: true, parts: {} }) });
  alice = await stage.account('alice');
});
afterAll(() => stage.close());

/** An account that is welcome, and what it does then to a post of hers. */
type Way = (username: string) => Promise<{ account: Account; act: (guid: string) => PromiseLike<unknown> }>;

const byForm = (action: (guid: string) => string, fields: Record<string, string> = {}): Way => async (username) => {
  const { account } = await createAccount(stage.ctx, { username, email: `${username}@mail.test`, password: PASSWORD });
  const browser = new Browser(app);
  await browser.logIn(username);
  return { account, act: (guid) => browser.post(action(guid), fields) };
};
const byProgram = (wish: (iri: string) => object): Way => async (username) => {
  const account = await stage.account(username);
  const { password } = await createAppPassword(stage.ctx, account, 'script');
  const act = (guid: string) => request(app).post(`/u/${username}/outbox`).auth(username, password).type('application/activity+json').send(JSON.stringify(wish(`${HOST}/posts/${guid}`))).ok(() => true);
  return { account, act };
};
type Stanza = (guid: string, self: string) => string;
const send = (stanza: Stanza, self: string) => (guid: string) => {
  const element = parseStanza(stanza(guid, self));
  Object.assign(element.attrs, { from: element.name === 'iq' ? `${self}/x` : self, id: 'u' });
  return stage.receive(element);
};
/** As their chat address, which owns the account. */
const byStanza = (stanza: Stanza): Way => async (username) => ({ account: await stage.account(username), act: send(stanza, `${username}@chat.test`) });
const publish = (to: string, node: string, id: string, payload: string) => pubsub('set', to, `<publish node='${node}'><item id='${id}'>${payload}</item></publish>`);
const commentsOf = (guid: string) => `${MICROBLOG}:comments/${guid}`;
const entry = (title: string, more = '') => `<entry xmlns='${ATOM}'><title>${title}</title>${more}</entry>`;

/** What anybody may send, with an account here or elsewhere. */
const STANZAS: Record<string, Stanza> = {
  'a comment by stanza': (guid) => publish(ALICE, commentsOf(guid), 'c', entry('back')),
  'a ♥ by stanza': (guid) => publish(ALICE, commentsOf(guid), 'h', entry('♥')),
  'an attachment': (guid, self) => publish(ALICE, `${ATTACHMENTS}/xmpp:${ALICE}?;node=${encodeURIComponent(MICROBLOG)};item=${guid}`, self, `<attachments xmlns='${ATTACHMENTS}'><noticed/></attachments>`),
  'a presence subscription': () => `<presence type='subscribe' to='${ALICE}'/>`,
  'a subscription to her feed': (_, self) => pubsub('set', ALICE, `<subscribe node='${MICROBLOG}' jid='${self}'/>`),
  'a subscription to what is said under a post': (guid, self) => pubsub('set', ALICE, `<subscribe node='${commentsOf(guid)}' jid='${self}'/>`),
};
/** What somebody sends whose posts she reads. */
const event = (inside: string) => `<message type='headline' to='${ALICE}'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${MICROBLOG}'>${inside}</items></event></message>`;
const EVENTS: Record<string, Stanza> = {
  'a mention in a post': (guid) => event(`<item id='m-${guid}'>${entry(`@${ALICE} I am back`)}</item>`),
  'a share of her post': (guid) => event(`<item id='s-${guid}'>${entry('Look', `<link rel='via' href='xmpp:${ALICE}?;node=${MICROBLOG};item=${guid}'/>`)}</item>`),
};

const WAYS: Record<string, Way> = {
  'a comment on the page': byForm((guid) => `/posts/${guid}/comments`, { text: 'back' }),
  'a like on the page': byForm((guid) => `/posts/${guid}/like`),
  'a reshare on the page': byForm((guid) => `/posts/${guid}/reshare`),
  'a mention in a post': byForm(() => '/posts', { text: `@${ALICE} I am back`, audience: 'public' }),
  'following her by her address': byForm(() => '/contacts', { address: ALICE }),
  'a comment by a program': byProgram((iri) => ({ type: 'Create', object: { type: 'Note', content: 'back', inReplyTo: iri } })),
  'a like by a program': byProgram((iri) => ({ type: 'Like', object: iri })),
  'an Announce by a program': byProgram((iri) => ({ type: 'Announce', object: iri })),
  'a mention by a program': byProgram(() => ({ type: 'Note', content: `@${ALICE} I am back`, to: 'https://www.w3.org/ns/activitystreams#Public' })),
  'a Follow by a program': byProgram(() => ({ type: 'Follow', object: `${HOST}/u/alice` })),
  ...Object.fromEntries(Object.entries(STANZAS).map(([way, stanza]) => [way, byStanza(stanza)])),
  'a mention in an entry': byStanza((guid, self) => publish(`${self.split('@')[0]}@social.test`, MICROBLOG, `m-${guid}`, entry(`@${ALICE} I am back`))),
};

/** What stands at hers of somebody, or of a stranger with their chat address: one word a kind. */
async function tracesOf({ actorId, username }: { actorId: number; username: string }): Promise<string[]> {
  const stranger = await findActorByAddress(stage.ctx.store, 'xmpp', `${username}@chat.test`);
  const kinds: Record<string, string> = {
    comment: 'select 1 from comments c join posts p on p.guid = c.post_guid where p.author_id = ? and c.author_id = ? and c.deleted_at is null',
    like: 'select 1 from likes l join posts p on p.guid = l.post_guid where p.author_id = ? and l.actor_id = ?',
    reshare: 'select 1 from posts r join posts p on p.guid = r.reshare_of where p.author_id = ? and r.author_id = ? and r.deleted_at is null',
    notification: 'select 1 from notifications where owner_id = ? and by_id = ?',
    follower: "select 1 from relationships where actor_id = ? and other_id = ? and follower <> 'none'",
    subscription: 'select 1 from subscriptions where actor_id = ? and person_id = ?',
  };
  const found: string[] = [];
  for (const person of [actorId, stranger?.id ?? 0]) {
    for (const [kind, sql] of Object.entries(kinds)) if ((await stage.ctx.store.query(sql, [alice.actorId, person])).length > 0) found.push(kind);
  }
  return found;
}

const UNWELCOME: Record<string, (account: Account) => Promise<unknown>> = {
  'whom she has blocked': ({ actorId }) => blockPerson(stage.ctx, alice, actorId),
  'who is suspended': (account) => suspendAccount(stage.ctx, account),
};
let count = 0;

describe.each(Object.keys(WAYS))('%s', (way) => {
  const tries = async (before: (account: Account) => Promise<unknown>) => {
    const { account, act } = await WAYS[way]!(`mallory${++count}`);
    const { guid } = await publishPost(stage.ctx, alice, { text: 'for all' });
    await before(account);
    await act(guid);
    await stage.runJobs();
    return tracesOf(account);
  };

  test('is open to others', async () => expect((await tries(async () => {})).length).toBeGreaterThan(0));
  test.each(Object.keys(UNWELCOME))('is closed to somebody %s', async (who) => expect(await tries(UNWELCOME[who]!)).toEqual([]));
});

describe.each(Object.keys({ ...STANZAS, ...EVENTS }))('%s of somebody elsewhere', (way) => {
  const tries = async (isBlocked: boolean) => {
    const username = `mallory${++count}`;
    const { id } = await makeRemote(stage.ctx.store, `${username}@far.test`);
    const { guid } = await publishPost(stage.ctx, alice, { text: 'for all' });
    if (way in EVENTS) {
      await relate(stage.ctx.store, alice.actorId, id, { following: 'on', addedAt: 1 });
      stage.answer(() => parseStanza("<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'/></iq>")); // their node is open
    }
    if (isBlocked) await blockPerson(stage.ctx, alice, id);
    await send({ ...STANZAS, ...EVENTS }[way]!, `${username}@far.test`)(guid);
    await stage.runJobs();
    return tracesOf({ actorId: id, username });
  };

  test('is open to others', async () => expect((await tries(false)).length).toBeGreaterThan(0));
  test('is closed to whom she has blocked', async () => expect(await tries(true)).toEqual([]));
});
