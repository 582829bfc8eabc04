// Much at once on its way into either database (threats.md 16, 17).
import { parseStanza } from '../../../src/xml.js';
import { makeRemote, relate } from '../../support/people.js';
import { describeStores } from '../../support/store.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const MB = 'urn:xmpp:microblog:0';
const PEOPLE = 20;
const POSTS = 15;

describeStores((makeStore) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage({}, await makeStore());
    stage.answer((iq) => parseStanza(`<iq type='result' from='${iq.attrs.to}' to='${iq.attrs.from}'><pubsub xmlns='http://jabber.org/protocol/pubsub'/></iq>`));
  });
  afterAll(() => stage.close());

  test('events of many people in one breath: each post once, with its last text, and told to open pages; what was retracted is gone', async () => {
    const { ctx } = stage;
    const alice = await stage.account('alice');
    const told = new Set<string | undefined>();
    const off = ctx.store.notify.onEvent(({ kind, guid }) => kind === 'post' && told.add(guid));
    const people = Array.from({ length: PEOPLE }, (_, n) => `p${n}@else.test`);
    for (const jid of people) await relate(ctx.store, alice.actorId, (await makeRemote(ctx.store, jid)).id, { following: 'on', addedAt: 1 });
    const entry = (title: string, minute: number) =>
      `<entry xmlns='http://www.w3.org/2005/Atom'><title>${title} #all</title><published>2025-11-21T10:00:00Z</published><updated>2025-11-21T10:${10 + minute}:00Z</updated></entry>`;
    const send = (jid: string, inside: string) =>
      stage.dispatcher.take(parseStanza(`<message from='${jid}' to='${alice.jid}' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${MB}'>${inside}</items></event></message>`));
    const item = (n: number, title: string, minute: number) => `<item id='i${n}'>${entry(title, minute)}</item>`;
    for (let n = 0; n < POSTS; n++) {
      for (const jid of people) {
        for (let copy = 0; copy < 2; copy++) send(jid, item(n, `post ${n} of ${jid}`, 0)); // by presence and by subscription
        if (n % 3 === 0) send(jid, item(n, `edited ${n} of ${jid}`, 5));
        if (n % 3 === 0) send(jid, item(n, `old ${n} of ${jid}`, 2));
        if (n % 5 === 0) send(jid, `<retract id='i${n}'/>`);
        if (n % 5 === 0) send(jid, item(n, `again ${n} of ${jid}`, 20));
      }
    }
    send('p0@else.test', Array.from({ length: POSTS }, (_, n) => item(n, `post ${n} of p0@else.test`, 0)).join(''));
    await stage.inbound.settled();

    const rows = await ctx.store.query<{ guid: string; title: string }>("select guid, title from posts where deleted_at is null order by title");
    const expected = people.flatMap((jid) => Array.from({ length: POSTS }, (_, n) => (n % 5 === 0 ? [] : [`${n % 3 === 0 ? 'edited' : 'post'} ${n} of ${jid} #all`])).flat());
    expect(rows.map(({ title }) => title).sort()).toEqual(expected.sort());
    expect(await ctx.store.query('select count(*) as n from post_tags')).toEqual([{ n: rows.length }]);
    expect(await ctx.store.query('select count(*) as n from post_origins')).toEqual([{ n: PEOPLE * POSTS }]);
    while (!rows.every(({ guid }) => told.has(guid))) await new Promise((resolve) => setImmediate(resolve));
    expect(stage.inbound.intake.counts).toMatchObject({ failed: 0, refused: 0 });
    off();
  });
});
