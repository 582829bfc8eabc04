// What a real server sends back is matched to its delivery: a server that is nowhere, a reader who is gone. And it holds up nobody else.
import { listDeliveries } from '../../src/store/ledger.js';
import { upsertSubscription } from '../../src/store/xmpp.js';
import { eventually } from '../support/eventually.js';
import { FOLLOWER, followByPresence, isEvent, MICROBLOG, subscribeTo, told } from '../support/follow.js';
import { SERVERS } from '../support/servers/index.js';
import type { Element, TestClient } from '../support/xmpp-client.js';
import { openScene } from '../support/xmpp-scene.js';

const NOWHERE = 'nowhere.invalid';

describe.each(SERVERS)('on %s', (name) => {
  const scene = openScene(name);
  /** Somebody who subscribed once, as far as we know. */
  const subscribed = (actorId: number, jid: string) =>
    scene.app.ctx.store.transaction((tx) => upsertSubscription(tx, { actorId, node: MICROBLOG, jid, personId: null, subid: 's', state: 'subscribed', pausedUntil: null, createdAt: 1 }));
  const ledger = async (guid: string) => new Map((await listDeliveries(scene.app.ctx.store, guid)).map((line) => [line.host, line]));

  test('a server that is nowhere: its deliveries wait and are tried again, in their order; all others arrive at once', async () => {
    const { account: alice } = await scene.author();
    const romeo = await scene.reader(FOLLOWER);
    await followByPresence(romeo, alice.jid);
    await subscribed(alice.actorId, `ghost@${NOWHERE}`);
    const posts = [await scene.app.posts(alice, 'one'), await scene.app.posts(alice, 'two')];
    for (const [at, text] of ['one', 'two'].entries()) expect(told(await romeo.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${posts[at]!.guid} ${text}`]);
    for (const { guid } of posts) {
      const lines = await eventually(scene.app, () => ledger(guid), (all) => all.get(NOWHERE)?.state === 'waiting' && all.get(NOWHERE)!.error !== null && all.get(scene.here.chatDomain)?.state === 'arrived');
      expect(lines.get(NOWHERE)).toMatchObject({ error: expect.stringMatching(/^remote-server-(not-found|timeout)$/), recipients: null });
      expect(lines.get(scene.here.chatDomain)).toMatchObject({ recipients: 1 });
    }
    const jobs = await scene.app.ctx.store.query<{ id: number; payload: string }>("select id, payload from jobs where kind = 'deliver' and ordering_key like ? order by id", [`%:${NOWHERE}`]);
    const order = new Map((await scene.app.ctx.store.query<{ id: string; guid: string }>('select id, post_guid as guid from activities')).map(({ id, guid }) => [id, guid]));
    expect(jobs.map(({ payload }) => order.get(JSON.parse(payload).activityId))).toEqual(posts.map(({ guid }) => guid));
  });

  test('a reader whom his server knows no more: nobody there has got it, he rests, and whoever else follows there gets what comes', async () => {
    const { account: alice } = await scene.author();
    const gone = `nobody-${alice.username}@${scene.here.chatDomain}`;
    await subscribed(alice.actorId, gone);
    const line = async (guid: string) => (await ledger(guid)).get(scene.here.chatDomain);
    const alone = await scene.app.posts(alice, 'to nobody');
    if (name === 'prosody') {
      // It says nothing of headlines to nobody (RFC 6121 §8.5.2.1.1 leaves it the choice), so nobody can know.
      expect(await eventually(scene.app, () => line(alone.guid), (one) => one?.state === 'arrived')).toMatchObject({ recipients: 1, refused: 0 });
      return;
    }
    expect(await eventually(scene.app, () => line(alone.guid), (one) => one?.state === 'given-up')).toMatchObject({ recipients: 1, refused: 1, error: 'service-unavailable' });
    const resting = await scene.app.posts(alice, 'to nobody again');
    expect(await eventually(scene.app, () => line(resting.guid), (one) => one?.state === 'given-up')).toMatchObject({ recipients: 0, error: 'resting' });
    const romeo = await scene.reader(FOLLOWER);
    await subscribeTo(romeo, alice.jid);
    const both = await scene.app.posts(alice, 'to him');
    expect(told(await romeo.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${both.guid} to him`]);
    expect(await eventually(scene.app, () => line(both.guid), (one) => one?.state === 'arrived')).toMatchObject({ recipients: 1, refused: 0 });
  });

  test('a reader who says himself that his server is out of reach holds up nobody else there, only himself', async () => {
    const { account: alice } = await scene.author();
    const line = async (guid: string) => (await ledger(guid)).get(scene.here.chatDomain);
    const lies = async (client: TestClient, event: { attrs: Element['attrs'] }) => {
      await client.send(`<message type='error' id='${event.attrs.id}' to='${alice.jid}'><error type='wait'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`);
      await scene.quiet(client, alice.jid);
    };
    const [romeo, juliet] = [await scene.reader(FOLLOWER), await scene.reader(FOLLOWER)];
    await followByPresence(romeo, alice.jid);
    const alone = await scene.app.posts(alice, 'to him');
    const event = await romeo.receives(isEvent(alice.jid), 'the post');
    await eventually(scene.app, () => line(alone.guid), (one) => one?.state === 'arrived');
    await lies(romeo, event);
    expect(await eventually(scene.app, () => line(alone.guid), (one) => one?.tries === 1)).toMatchObject({ since: expect.any(Number) });
    // His own sign of life afterwards shows that it can be reached: so it comes at once.
    expect(told(await romeo.receives(isEvent(alice.jid), 'the post, once more'))).toEqual([`+${alone.guid} to him`]);
    await followByPresence(juliet, alice.jid);
    const both = await scene.app.posts(alice, 'to both');
    const [, again] = await Promise.all([juliet, romeo].map((client) => client.receives(isEvent(alice.jid), 'the post')));
    expect(told(again!)).toEqual([`+${both.guid} to both`]);
    await eventually(scene.app, () => line(both.guid), (one) => one?.state === 'arrived');
    await lies(romeo, again!);
    expect(await line(both.guid)).toMatchObject({ state: 'arrived', recipients: 2, tries: 0, refused: 0 });
  });
});
