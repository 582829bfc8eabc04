// The table of presence subscriptions (RFC 6121 §3 and appendix A) on real servers: every state × everything that either side can do. After each,
// her relationship, our wire and the roster that his own server keeps must say the same.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { acceptRequest, addContact, blockPerson, refuseRequest, removeContact, setAskFirst, unblockPerson } from '../../src/services/relationships.js';
import { DomainError } from '../../src/domain/errors.js';
import { findActorByAddress } from '../../src/store/actors.js';
import { findRelationship } from '../../src/store/relationships.js';
import { findLeg } from '../../src/store/xmpp.js';
import { eventually } from '../support/eventually.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { SERVERS, server, type TestServer } from '../support/servers/index.js';
import { connect, type TestClient } from '../support/xmpp-client.js';

type Member = Awaited<ReturnType<Installation['account']>>;
interface Pair {
  app: Installation;
  alice: Member;
  romeo: TestClient;
}

const STANZAS = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'] as const;
const ACTIONS = ['add', 'remove', 'accept', 'refuse', 'block', 'unblock'] as const;
type Stanza = (typeof STANZAS)[number];
type Action = (typeof ACTIONS)[number];
type Step = Stanza | Action | 'ask first';

/** After this, whatever the step has caused has arrived everywhere. */
async function quiet({ app, alice, romeo }: Pair): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await romeo.barrier(alice.jid);
    await app.idle();
  }
}

async function does(pair: Pair, step: Step): Promise<void> {
  const { app, alice, romeo } = pair;
  const { ctx } = app;
  const id = (await findActorByAddress(ctx.store, 'xmpp', romeo.bareJid))?.id ?? 0;
  const actions: Record<Action | 'ask first', () => Promise<unknown>> = {
    add: () => addContact(ctx, alice, romeo.bareJid),
    remove: () => removeContact(ctx, alice, id),
    accept: () => acceptRequest(ctx, alice, id, { followBack: false }),
    refuse: () => refuseRequest(ctx, alice, id),
    block: () => blockPerson(ctx, alice, id),
    unblock: () => unblockPerson(ctx, alice, id),
    'ask first': () => setAskFirst(ctx, alice, true),
  };
  if ((STANZAS as readonly string[]).includes(step)) await romeo.send(`<presence type='${step}' to='${alice.jid}'/>`);
  else {
    await actions[step as Action]().catch((error) => {
      if (!(error instanceof DomainError)) throw error; // "this request is no longer there" and its like
    });
  }
  await quiet(pair);
}

/** `FOLLOWER FOLLOWING, WIRE`: hers; then his roster's word, with ? while he waits for her answer. */
async function stands({ app, alice, romeo }: Pair): Promise<string> {
  const person = await findActorByAddress(app.ctx.store, 'xmpp', romeo.bareJid);
  const { follower, following, blockedAt } = await findRelationship(app.ctx.store, alice.actorId, person?.id ?? 0);
  const leg = (await findLeg(app.ctx.store, alice.actorId, romeo.bareJid)) ?? { inbound: 'none', outbound: 'none', capsOnly: false };
  const roster = await romeo.request(`<iq type='get'><query xmlns='jabber:iq:roster'/></iq>`);
  const item = roster.getChild('query')!.getChildren('item').find(({ attrs }) => attrs.jid === alice.jid);
  const his = item?.attrs.subscription === 'remove' ? 'none' : (item?.attrs.subscription ?? 'none');
  const out = leg.outbound === 'none' || leg.outbound === 'refused' || !leg.capsOnly ? leg.outbound : `${leg.outbound}*`;
  return `${blockedAt === null ? '' : 'blocked '}${follower} ${following}, ${leg.inbound} ${out}; ${his}${item?.attrs.ask ? '?' : ''}`;
}

const STATES: Record<string, Step[]> = {
  'nothing is between them': [],
  'he asks': ['ask first', 'subscribe'],
  'he was refused': ['ask first', 'subscribe', 'refuse'],
  'he follows, and does not let her see him': ['subscribe', 'unsubscribed'],
  'he follows, and she is to see his caps': ['subscribe'],
  'he follows, and she sees his caps': ['subscribe', 'subscribed'],
  'she asks': ['add'],
  'she was refused': ['add', 'unsubscribed'],
  'she follows': ['add', 'subscribed'],
  'both ask': ['ask first', 'add', 'subscribe'],
  'friends': ['add', 'subscribe', 'subscribed'],
  'she has blocked him': ['subscribe', 'subscribed', 'block'],
};

/** The expected table. Left of the semicolon what stands here, right of it what his server says. */
const TABLE: Record<string, Record<Stanza | Action, string>> = {
  'nothing is between them': {
    subscribe: 'on none, on asked*; to',
    subscribed: 'none none, none none; none',
    unsubscribe: 'none none, none none; none',
    unsubscribed: 'none none, none none; none',
    add: 'none asked, none asked; none',
    remove: 'none none, none none; none',
    accept: 'none none, none none; none',
    refuse: 'none none, none none; none',
    block: 'none none, none none; none',
    unblock: 'none none, none none; none',
  },
  'he asks': {
    subscribe: 'asked none, asked none; none?',
    subscribed: 'asked none, asked none; none?',
    unsubscribe: 'none none, none none; none',
    unsubscribed: 'asked none, asked none; none?',
    add: 'on asked, on asked; to',
    remove: 'asked none, asked none; none?',
    accept: 'on none, on asked*; to',
    refuse: 'refused none, none none; none',
    block: 'blocked none none, none none; none',
    unblock: 'asked none, asked none; none?',
  },
  'he was refused': {
    subscribe: 'refused none, none none; none',
    subscribed: 'refused none, none none; none',
    unsubscribe: 'refused none, none none; none',
    unsubscribed: 'refused none, none none; none',
    add: 'none asked, none asked; none',
    remove: 'refused none, none none; none',
    accept: 'none none, none none; none',
    refuse: 'refused none, none none; none',
    block: 'blocked none none, none none; none',
    unblock: 'refused none, none none; none',
  },
  'he follows, and does not let her see him': {
    subscribe: 'on none, on refused; to',
    subscribed: 'on none, on refused; to',
    unsubscribe: 'none none, none refused; none',
    unsubscribed: 'on none, on refused; to',
    add: 'on asked, on asked; to',
    remove: 'on none, on refused; to',
    accept: 'on none, on refused; to',
    refuse: 'refused none, none refused; none',
    block: 'blocked none none, none refused; none',
    unblock: 'on none, on refused; to',
  },
  'he follows, and she is to see his caps': {
    subscribe: 'on none, on asked*; to',
    subscribed: 'on none, on on*; both',
    unsubscribe: 'none none, none none; none',
    unsubscribed: 'on none, on refused; to',
    add: 'on asked, on asked; to',
    remove: 'on none, on asked*; to',
    accept: 'on none, on asked*; to',
    refuse: 'refused none, none none; none',
    block: 'blocked none none, none none; none',
    unblock: 'on none, on asked*; to',
  },
  'he follows, and she sees his caps': {
    subscribe: 'on none, on on*; both',
    subscribed: 'on none, on on*; both',
    unsubscribe: 'none none, none none; none',
    unsubscribed: 'on none, on refused; to',
    add: 'on on, on on; both',
    remove: 'on none, on on*; both',
    accept: 'on none, on on*; both',
    refuse: 'refused none, none none; none',
    block: 'blocked none none, none none; none',
    unblock: 'on none, on on*; both',
  },
  'she asks': {
    subscribe: 'on asked, on asked; to',
    subscribed: 'none on, none on; from',
    unsubscribe: 'none asked, none asked; none',
    unsubscribed: 'none none, none refused; none',
    add: 'none asked, none asked; none',
    remove: 'none none, none none; none',
    accept: 'none asked, none asked; none',
    refuse: 'none asked, none asked; none',
    block: 'blocked none none, none none; none',
    unblock: 'none asked, none asked; none',
  },
  'she was refused': {
    subscribe: 'on none, on refused; to',
    subscribed: 'none none, none refused; none',
    unsubscribe: 'none none, none refused; none',
    unsubscribed: 'none none, none refused; none',
    add: 'none asked, none asked; none',
    remove: 'none none, none refused; none',
    accept: 'none none, none refused; none',
    refuse: 'none none, none refused; none',
    block: 'blocked none none, none refused; none',
    unblock: 'none none, none refused; none',
  },
  'she follows': {
    subscribe: 'on on, on on; both',
    subscribed: 'none on, none on; from',
    unsubscribe: 'none on, none on; from',
    unsubscribed: 'none none, none refused; none',
    add: 'none on, none on; from',
    remove: 'none none, none none; none',
    accept: 'none on, none on; from',
    refuse: 'none on, none on; from',
    block: 'blocked none none, none none; none',
    unblock: 'none on, none on; from',
  },
  'both ask': {
    subscribe: 'on asked, on asked; to',
    subscribed: 'on on, on on; both',
    unsubscribe: 'none asked, none asked; none',
    unsubscribed: 'on none, on refused; to',
    add: 'on asked, on asked; to',
    remove: 'on none, on asked*; to',
    accept: 'on asked, on asked; to',
    refuse: 'refused asked, none asked; none',
    block: 'blocked none none, none none; none',
    unblock: 'on asked, on asked; to',
  },
  'friends': {
    subscribe: 'on on, on on; both',
    subscribed: 'on on, on on; both',
    unsubscribe: 'none on, none on; from',
    unsubscribed: 'on none, on refused; to',
    add: 'on on, on on; both',
    remove: 'on none, on on*; both',
    accept: 'on on, on on; both',
    refuse: 'refused on, none on; from',
    block: 'blocked none none, none none; none',
    unblock: 'on on, on on; both',
  },
  'she has blocked him': {
    subscribe: 'blocked none none, none none; none',
    subscribed: 'blocked none none, none none; none',
    unsubscribe: 'blocked none none, none none; none',
    unsubscribed: 'blocked none none, none none; none',
    add: 'blocked none none, none none; none',
    remove: 'blocked none none, none none; none',
    accept: 'blocked none none, none none; none',
    refuse: 'blocked none none, none none; none',
    block: 'blocked none none, none none; none',
    unblock: 'none none, none none; none',
  },
};

/** COMPAT ejabberd 23.01: a `subscribed` that nobody asked for changes its user's own roster; RFC 6121 §3.1.6 has us take no notice. */
const EJABBERD: Record<string, string> = { 'he follows, and does not let her see him subscribed': 'on none, on refused; both' };

test('the table has a row for every state', () => expect(Object.keys(TABLE)).toEqual(Object.keys(STATES)));

describe.each(SERVERS)('on %s', (name) => {
  let here: TestServer;
  let app: Installation;
  let count = 0;
  beforeAll(async () => {
    here = await server(name);
    app = await startInstallation({ server: here });
  });
  afterAll(() => app.stop());

  test.each(Object.entries(STATES))('while %s', async (state, steps) => {
    const row: Record<string, string> = {};
    await Promise.all(
      [...STANZAS, ...ACTIONS].map(async (event) => {
        const pair = { app, alice: await app.account(`a${++count}`), romeo: await connect(await here.newAccount('romeo')) };
        try {
          for (const step of steps) await does(pair, step);
          await does(pair, event);
          row[event] = await stands(pair);
        } finally {
          await pair.romeo.disconnect();
        }
      }),
    );
    const compat = Object.fromEntries(Object.entries(name === 'ejabberd' ? EJABBERD : {}).flatMap(([key, value]) => (key.startsWith(`${state} `) ? [[key.slice(state.length + 1), value]] : [])));
    expect(row).toEqual({ ...TABLE[state], ...compat });
  }, 60_000);
});

describe.each(SERVERS)('what was said while we were away, on %s', (name) => {
  test('an answer that was lost comes again when we ask again', async () => {
    const here = await server(name);
    const stateDir = mkdtempSync(path.join(tmpdir(), 'dx-states-'));
    let app = await startInstallation({ server: here, stateDir });
    const alice = await app.account('alice');
    const romeo = await connect(await here.newAccount('romeo'));
    try {
      await addContact(app.ctx, alice, romeo.bareJid);
      await romeo.receives(`<presence type='subscribe' from='${alice.jid}'/>`);
      await app.stop();
      await romeo.send(`<presence type='subscribed' to='${alice.jid}'/>`);
      await romeo.barrier();
      app = await startInstallation({ server: here, stateDir });
      await eventually(app, () => stands({ app, alice, romeo }), (found) => found === 'none on, none on; from');
    } finally {
      await romeo.disconnect();
      await app.stop();
      rmSync(stateDir, { recursive: true, force: true });
    }
  }, 30_000);
});
