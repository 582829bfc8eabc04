// People and posts straight in the store, for tests of what builds on it.
import type { Account } from '../../src/domain/account.js';
import type { Audience } from '../../src/domain/activity.js';
import type { Actor } from '../../src/domain/actor.js';
import { newGuid } from '../../src/domain/guid.js';
import type { Post } from '../../src/domain/post.js';
import { noRelationship, type Relationship } from '../../src/domain/relationship.js';
import { insertAccount } from '../../src/store/accounts.js';
import { insertLocalActor, upsertRemoteActor } from '../../src/store/actors.js';
import type { Store } from '../../src/store/database.js';
import { insertPost } from '../../src/store/posts.js';
import { saveRelationship } from '../../src/store/relationships.js';

export interface Person {
  actor: Actor;
  account: Account;
}

/** An account, active unless told otherwise, with its actor. */
export const makeAccount = (store: Store, username: string, change: Partial<Account> = {}): Promise<Person> =>
  store.transaction(async (tx) => {
    const actor = await insertLocalActor(tx, { username, domain: 'social.example.org' });
    const account = await insertAccount(tx, {
      actorId: actor.id,
      username,
      email: `${username}@example.net`,
      passwordHash: '',
      state: 'active',
      isAdmin: false,
      defaultAudience: { to: 'public' },
      askFirst: false,
      notificationMail: null,
      createdAt: 1,
      confirmedAt: 1,
      ...change,
    });
    return { actor, account };
  });

/** Somebody on another XMPP server. @param jid bare */
export const makeRemote = (store: Store, jid: string): Promise<Actor> => {
  const [username, domain] = jid.split('@') as [string, string];
  return store.transaction((tx) => upsertRemoteActor(tx, { username, domain, address: { protocol: 'xmpp', value: jid } }));
};

/** Three accounts, and somebody elsewhere. */
export async function makeCast(store: Store): Promise<{ alice: Person; bob: Person; carol: Person; romeo: Actor }> {
  const [alice, bob, carol] = (await Promise.all(['alice', 'bob', 'carol'].map((name) => makeAccount(store, name)))) as [Person, Person, Person];
  return { alice, bob, carol, romeo: await makeRemote(store, 'romeo@montague.example') };
}

/** A post made at `createdAt`, in milliseconds; its guid is newer than those of all posts made before in this process. */
export async function makePost(store: Store, authorId: number, audience: Audience, createdAt: number, change: Partial<Post> = {}): Promise<Post> {
  const guid = newGuid(createdAt);
  const post: Post = {
    ...{ guid, authorId, kind: 'note', reshareOf: null, atomId: `https://social.example.org/posts/${guid}`, title: 'hello', markdown: '*hello*', html: '<p><em>hello</em></p>' },
    ...{ language: 'en', tags: ['tag'], audience, createdAt, editedAt: null, deletedAt: null },
    ...change,
  };
  await store.transaction((tx) => insertPost(tx, post));
  return post;
}

export const relate = (store: Store, actorId: number, otherId: number, change: Partial<Relationship>): Promise<void> =>
  store.transaction((tx) => saveRelationship(tx, { ...noRelationship(actorId, otherId), ...change }));
