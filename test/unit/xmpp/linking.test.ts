import { LINK_ATTEMPTS, LINK_CODE_LIFE_MS, askToLink, ownerAddressesOf, unlinkAddress } from '../../../src/services/owner-addresses.js';
import { publishPost } from '../../../src/services/publish.js';
import { actorByJid } from '../../../src/services/stream.js';
import { findSubscriptions } from '../../../src/store/xmpp.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const CAROL = 'carol@far.test';
let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const say = (text: string, from = `${CAROL}/phone`, to = 'alice@social.test') => `<message type='chat' id='m1' from='${from}' to='${to}'><body>${text}</body></message>`;
const bodies = (sent: { getChildText(name: string): string | null }[]) => sent.map((stanza) => stanza.getChildText('body'));
const PUBLISH = `<iq type='set' id='p' from='${CAROL}/phone' to='alice@social.test'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:microblog:0'><item><entry xmlns='http://www.w3.org/2005/Atom'><title>From afar</title></entry></item></publish></pubsub></iq>`;
const SUBSCRIBE = `<iq type='set' id='s' from='${CAROL}/phone' to='alice@social.test'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='urn:xmpp:microblog:0' jid='${CAROL}'/></pubsub></iq>`;

/** Asks, and takes the code out of the message that goes to the address. */
async function ask(username = 'alice') {
  const account = await stage.account(username);
  await askToLink(stage.ctx, account, CAROL);
  await stage.runJobs();
  const [question] = stage.take();
  const code = /code: (\d{4} \d{4})/.exec(question!.getChildText('body')!)![1]!;
  return { account, question: question!, code };
}

test('an address that answers its code speaks for the account: it publishes, and reads what the account reads', async () => {
  const { account, question, code } = await ask();
  expect(question.attrs).toMatchObject({ type: 'chat', from: 'alice@social.test', to: CAROL });
  expect((await stage.receive(PUBLISH))[0]!.attrs.type).toBe('error');
  expect(bodies(await stage.receive(say(` ${code} `)))).toEqual([expect.stringContaining('speaks for alice@social.test now')]);
  expect(await ownerAddressesOf(stage.ctx, account)).toEqual([
    { jid: 'alice@chat.test', state: 'chat', error: null },
    { jid: CAROL, state: 'linked', error: null },
  ]);
  expect((await stage.receive(PUBLISH))[0]!.attrs.type).toBe('result');
  expect(await actorByJid(stage.ctx, CAROL)).toMatchObject({ id: account.actorId });
});

test('the code is good from the address that was asked alone, and only as the whole answer', async () => {
  const { account, code } = await ask();
  expect((await stage.receive(say(code, 'mallory@far.test/x')))[0]!.attrs.type).toBe('error');
  expect(bodies(await stage.receive(say(`my code is ${code}`)))).toEqual([expect.stringContaining('not the code')]);
  expect((await ownerAddressesOf(stage.ctx, account))[1]!.state).toBe('asked');
  expect(await actorByJid(stage.ctx, CAROL)).toBeNull();
});

test('after too many wrong answers, or too late, the code is void', async () => {
  const { account, code } = await ask();
  for (let n = 0; n < LINK_ATTEMPTS; n++) await stage.receive(say('00000000'));
  expect(bodies(await stage.receive(say(code)))).toEqual([expect.stringContaining('no longer good')]);
  expect((await ownerAddressesOf(stage.ctx, account))[1]!.state).toBe('expired');

  stage.ctx.pass(1_000);
  await askToLink(stage.ctx, account, CAROL);
  await stage.runJobs();
  const next = /code: (\d{4} \d{4})/.exec(bodies(stage.take())[0]!)![1]!;
  expect(next).not.toBe(code);
  stage.ctx.pass(LINK_CODE_LIFE_MS);
  expect(bodies(await stage.receive(say(next)))).toEqual([expect.stringContaining('no longer good')]);
});

test('an address that was linked with one account is not linked with another', async () => {
  const { code } = await ask('alice');
  const second = await ask('bert');
  await stage.receive(say(code));
  expect(bodies(await stage.receive(say(second.code, undefined, 'bert@social.test')))).toEqual([expect.stringContaining('another account')]);
  expect((await actorByJid(stage.ctx, CAROL))!.username).toBe('alice');
});

test('an address that is taken away is a stranger at once, with what it had subscribed to', async () => {
  const { account, code } = await ask();
  await stage.receive(say(code));
  await stage.receive(SUBSCRIBE);
  expect(await findSubscriptions(stage.ctx.store, { actorId: account.actorId, jid: CAROL })).toHaveLength(1);
  await unlinkAddress(stage.ctx, account, CAROL);
  expect(await findSubscriptions(stage.ctx.store, { actorId: account.actorId, jid: CAROL })).toEqual([]);
  expect((await stage.receive(PUBLISH))[0]!.attrs.type).toBe('error');
  await publishPost(stage.ctx, account, { text: 'private', audience: { to: 'contacts' } });
  expect(await actorByJid(stage.ctx, CAROL)).toBeNull();
  await expect(unlinkAddress(stage.ctx, account, CAROL)).rejects.toMatchObject({ code: 'not-found' });
});

test('a code that cannot be brought tells its owner why', async () => {
  const { account } = await ask();
  await stage.receive(`<message type='error' id='link-code' from='${CAROL}' to='alice@social.test'><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`);
  expect((await ownerAddressesOf(stage.ctx, account))[1]).toEqual({ jid: CAROL, state: 'asked', error: 'remote-server-not-found' });
});

test('addresses of this installation, nonsense, and a suspended account’s are refused', async () => {
  const account = await stage.account('alice');
  await expect(askToLink(stage.ctx, account, 'bert@social.test')).rejects.toMatchObject({ code: 'invalid', field: 'address' });
  await expect(askToLink(stage.ctx, account, 'bert@chat.test')).rejects.toMatchObject({ code: 'conflict', field: 'address' });
  await expect(askToLink(stage.ctx, account, 'far.test')).rejects.toMatchObject({ code: 'invalid', field: 'address' });
});

test('the code stands neither in the database nor in the log', async () => {
  const { code } = await ask();
  const stored = JSON.stringify([await stage.ctx.store.query('select * from owner_addresses'), await stage.ctx.store.query('select * from jobs')]);
  for (const form of [code, code.replace(' ', '')]) {
    expect(stored).not.toContain(form);
    expect(stage.ctx.logged()).not.toContain(form);
  }
});
