// One post to many, on real servers: every one of them once, each by his own way, and the ledger knows.
import { listDeliveries } from '../../src/store/ledger.js';
import { FOLLOWER, followByPresence, heard, isEvent, subscribeTo, told } from '../support/follow.js';
import { SERVERS, server } from '../support/servers/index.js';
import type { TestClient } from '../support/xmpp-client.js';
import { openScene } from '../support/xmpp-scene.js';

const EACH = 8;

describe.each(SERVERS)('on %s', (name) => {
  const scene = openScene(name);

  test('followers by presence and by subscription, here and on the other server, get each post once', async () => {
    const there = await server(name === 'prosody' ? 'ejabberd' : 'prosody');
    const { account: alice } = await scene.author();
    const followers: TestClient[] = [];
    const join = async (how: (client: TestClient, to: string) => Promise<unknown>, where = scene.here) => {
      const client = await scene.reader(FOLLOWER, where);
      await how(client, alice.jid);
      followers.push(client);
    };
    for (let i = 0; i < EACH; i++) {
      await join(followByPresence);
      await join(subscribeTo);
    }
    await join(followByPresence, there);
    await join(subscribeTo, there);
    await scene.app.idle();
    const post = await scene.app.posts(alice, 'to all of you');
    const events = await Promise.all(followers.map((client) => client.receives(isEvent(alice.jid), 'the post', { timeoutMs: 15_000 })));
    expect(new Set(events.flatMap(told))).toEqual(new Set([`+${post.guid} to all of you`]));
    for (const client of followers) {
      await scene.quiet(client, alice.jid);
      expect(heard(client, alice.jid)).toEqual([]);
    }
    const deliveries = await listDeliveries(scene.app.ctx.store, post.guid);
    expect(deliveries.map(({ host, state, recipients }) => [host, state, recipients]).sort()).toEqual(
      [
        [scene.here.chatDomain, 'arrived', 2 * EACH],
        [there.chatDomain, 'arrived', 2],
      ].sort(),
    );
  });

  test('every resource that asked gets it, and a resource that left does not stand in the way', async () => {
    const { account: alice } = await scene.author();
    const account = await scene.here.newAccount('romeo');
    const { connect } = await import('../support/xmpp-client.js');
    const phone = await connect({ ...account, resource: 'phone', features: FOLLOWER });
    await followByPresence(phone, alice.jid);
    const desk = await connect({ ...account, resource: 'desk', features: FOLLOWER });
    await desk.receives(isEvent(alice.jid, 'http://jabber.org/protocol/nick'), 'her name');
    const first = await scene.app.posts(alice, 'to both');
    for (const client of [phone, desk]) expect(told(await client.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${first.guid} to both`]);
    await phone.send(`<presence type='unavailable'/>`);
    await phone.barrier(alice.jid);
    const second = await scene.app.posts(alice, 'to one');
    expect(told(await desk.receives(isEvent(alice.jid), 'the post'))).toEqual([`+${second.guid} to one`]);
    await scene.quiet(phone, alice.jid);
    expect(heard(phone, alice.jid)).toEqual([]);
    await Promise.all([phone.disconnect(), desk.disconnect()]);
  });
});
