// Two installations of ours, one on each server, that reach each other over server-to-server:
//
//   const scene = openTwo();
//   test('…', async () => { const { two, alice, bob } = scene; …   // alice lives two.here, on Prosody; bob two.there, on ejabberd
//   await two.befriend(alice, bob);                       // each follows the other, and is let in
//   const post = await two.there.posts(bob, 'hello');
//   await eventually(two.here, async () => two.homeOf(alice), (posts) => posts.some(…));
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Account } from '../../src/domain/account.js';
import type { Relationship } from '../../src/domain/relationship.js';
import { addContact } from '../../src/services/relationships.js';
import { homeStream, type PostView } from '../../src/services/stream.js';
import { findActorByAddress } from '../../src/store/actors.js';
import { findRelationship } from '../../src/store/relationships.js';
import { eventually } from './eventually.js';
import { type Installation, type InstallationOptions, startInstallation } from './installation.js';
import { server } from './servers/index.js';

export type Member = Account & { jid: string };

export interface Two {
  /** Another object after `restartHere`. */
  here: Installation;
  there: Installation;
  /** Where this account lives, and where the other one's people live. */
  homeOf(member: Member): Installation;
  /** What stands between the two from the first one's side. */
  between(member: Member, other: Member): Promise<Relationship>;
  /** The first page of the member's stream. */
  streamOf(member: Member): Promise<PostView[]>;
  /** Adds the other one to the member's contacts, and waits until that is accepted. */
  follows(member: Member, other: Member): Promise<void>;
  /** Each adds the other. */
  befriend(one: Member, other: Member): Promise<void>;
  /** Stops the first one, does the work, and starts it again with all that it knew. */
  restartHere(meanwhile: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

/** Starts both. @param options for both alike */
async function startTwo(options: InstallationOptions = {}): Promise<Two> {
  const [prosody, ejabberd] = [await server('prosody'), await server('ejabberd')];
  const stateDir = mkdtempSync(path.join(tmpdir(), 'dx-two-'));
  const startHere = () => startInstallation({ ...options, server: prosody, stateDir });
  const [here, there] = await Promise.all([startHere(), startInstallation({ ...options, server: ejabberd })]);
  const two: Two = {
    here,
    there,
    homeOf: ({ jid }) => (jid.endsWith(`@${here.domain}`) ? two.here : there),
    between: async (member, other) => {
      const { store } = two.homeOf(member).ctx;
      const actor = await findActorByAddress(store, 'xmpp', other.jid);
      return findRelationship(store, member.actorId, actor?.id ?? 0);
    },
    streamOf: (member) => homeStream(two.homeOf(member).ctx, member, { limit: 50 }),
    follows: async (member, other) => {
      const home = two.homeOf(member);
      await addContact(home.ctx, member, other.jid);
      await eventually(home, async () => (await two.between(member, other)).following === 'on');
    },
    befriend: async (one, other) => {
      await Promise.all([two.follows(one, other), two.follows(other, one)]);
      for (const [a, b] of [[one, other] as const, [other, one] as const]) await eventually(two.homeOf(a), async () => (await two.between(a, b)).follower === 'on');
    },
    restartHere: async (meanwhile) => {
      await two.here.stop();
      await meanwhile();
      two.here = await startHere();
    },
    stop: async () => {
      await Promise.all([two.here.stop(), there.stop()]);
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  return two;
}

export interface TwoScene {
  two: Two;
  /** alice lives here, bob there; each test has new ones. `number` tells them, and others whom a test needs, apart. */
  alice: Member;
  bob: Member;
  number: number;
}

/** Both for all tests of a file, and two people for each. */
export function openTwo(): TwoScene {
  const scene = { number: 0 } as TwoScene;
  beforeAll(async () => {
    scene.two = await startTwo();
  }, 30_000);
  afterAll(() => scene.two.stop());
  beforeEach(async () => {
    scene.number += 1;
    const { two, number } = scene;
    [scene.alice, scene.bob] = [await two.here.account(`alice${number}`), await two.there.account(`bob${number}`)];
  });
  return scene;
}
