import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { commentOn } from '../../../src/services/comments.js';
import { resharePost } from '../../../src/services/reshares.js';
import { newGuid } from '../../../src/domain/guid.js';
import { findActor, findLocalActor } from '../../../src/store/actors.js';
import { addDeliveries, insertActivity } from '../../../src/store/ledger.js';
import { insertNotification } from '../../../src/store/notifications.js';
import { insertLike } from '../../../src/store/reactions.js';
import { saveRelationship } from '../../../src/store/relationships.js';
import { setTags } from '../../../src/store/tags.js';
import { remotePerson, remotePost } from '../../support/remote.js';
import type { Post } from '../../../src/domain/post.js';
import { type AudienceName, arrange, CELLS, maySee, VIEWERS, type ViewerName } from '../../support/access-matrix.js';
import { type Browser, type Site, startSite } from '../../support/web.js';

/** Does the page or document of this path show the post to this browser? */
type Shows = (browser: Browser, post: Post) => Promise<boolean>;

const shows =
  (url: (post: Post) => string, headers: Record<string, string> = {}): Shows =>
  async (browser, post) => {
    return (await browser.get(url(post), headers)).text.includes(post.title);
  };

/** The paths on which a post is shown to whom may see it. */
const PATHS: Record<string, Shows> = {
  '/posts/:guid as a page': shows(({ guid }) => `/posts/${guid}`),
  '/posts/:guid as Activity Streams 2.0': shows(({ guid }) => `/posts/${guid}`, { Accept: 'application/activity+json' }),
  '/posts/:guid as Atom': shows(({ guid }) => `/posts/${guid}`, { Accept: 'application/atom+xml' }),
  '/u/:name': shows(() => '/u/alice'),
  '/tags/:tag': shows(() => '/tags/matrix'),
  // What stands under a post is seen by exactly those who see the post.
  '/posts/:guid with its comment': async (browser, post) => (await browser.get(`/posts/${post.guid}`)).text.includes(commentTexts.get(post.guid)!),
  '/comments/:guid': async (browser, post) => {
    const answer = await browser.get(`/comments/${comments.get(post.guid)}`);
    expect([303, 404]).toContain(answer.status);
    return answer.status === 303;
  },
};
/** For who is logged in: lists of what they have liked, and of what they were told of, before they could no longer see it. */
const MEMBER_PATHS: Record<string, Shows> = {
  '/activity': shows(() => '/activity'),
  '/notifications': shows(() => '/notifications'),
};
/** The same for everyone: what nobody in particular may see. */
const PUBLIC_PATHS: Record<string, Shows> = {
  '/u/:name/feed.atom': shows(() => '/u/alice/feed.atom'),
  '/u/:name/feed.json': shows(() => '/u/alice/feed.json'),
  '/u/:name/outbox': shows(() => '/u/alice/outbox'),
};
/** For the author alone. */
const OWN_PATHS: Record<string, Shows> = {
  '/posts/:guid/edit': shows(({ guid }) => `/posts/${guid}/edit`),
  '/posts/:guid/delete': shows(({ guid }) => `/posts/${guid}/delete`),
  // It says nothing of the post but where it is.
  '/posts/:guid/deliveries': async (browser, { guid }) => (await browser.get(`/posts/${guid}/deliveries`)).text.includes(`server-of-${guid}.example`),
  '/comments/:guid/edit': async (browser, post) => (await browser.get(`/comments/${comments.get(post.guid)}/edit`)).text.includes(commentTexts.get(post.guid)!),
  '/comments/:guid/delete': async (browser, post) => (await browser.get(`/comments/${comments.get(post.guid)}/delete`)).text.includes(commentTexts.get(post.guid)!),
};
/**
 * GET routes that show no posts of others. `/` is tried apart, because it shows only those whom one follows, and `/people/:address`, which shows
 * posts that came from elsewhere. `/u/:name/inbox` is the same stream behind an app password (api.test.ts).
 */
const OTHER_PATHS = (
  '/ /u/:name/inbox /people/:address /people /notifications/:id /settings/notifications /settings/addresses /media/:id /unsubscribe/:token /help/keys /welcome /contacts /contacts/:id /aspects /aspects/:id /aspects/:id/remove /events /login /password/forgot /password/reset/:token /settings /settings/profile /settings/account /settings/email/:token ' +
  '/settings/app-passwords /signup /signup/sent /confirm/:token /about /about/privacy /help /healthz /readyz /favicon.ico /robots.txt /admin/queue /admin/queue/drop'
).split(' ');

let site: Site;
let posts: Record<AudienceName, Post>;
/** By the guid of the post: a comment of its author, and what it says. */
const comments = new Map<string, string>();
const commentTexts = new Map<string, string>();
const browsers = {} as Record<ViewerName, Browser>;

beforeAll(async () => {
  site = await startSite();
  const people: Partial<Record<ViewerName, number>> = {};
  for (const viewer of VIEWERS) {
    if (viewer === 'nobody') browsers[viewer] = site.browser();
    else {
      const member = await site.member(viewer === 'author' ? 'alice' : viewer.replaceAll(' ', '-'));
      browsers[viewer] = member;
      people[viewer] = member.account.actorId;
    }
  }
  posts = await arrange(site.ctx, people.author!, people);
  const alice = (await findActor(site.ctx.store, people.author!))!;
  for (const [audience, post] of Object.entries(posts)) {
    const text = `said under the post for ${audience}`;
    comments.set(post.guid, (await commentOn(site.ctx, alice, post.guid, { text })).guid);
    commentTexts.set(post.guid, text);
  }
  await site.ctx.store.transaction(async (tx) => {
    for (const post of Object.values(posts)) {
      await setTags(tx, post.guid, ['matrix']);
      const id = newGuid(site.ctx.now());
      await insertActivity(tx, { id, actorId: people.author!, verb: 'post', postGuid: post.guid, commentGuid: null, publishedAt: 1 });
      await addDeliveries(tx, id, 'xmpp', [`server-of-${post.guid}.example`], 1);
      // As if all of them had seen it once: liked it, and been told of it.
      for (const actorId of Object.values(people)) {
        await insertLike(tx, { postGuid: post.guid, actorId, itemId: null, createdAt: site.ctx.now() });
        const about = { ownerId: actorId, byId: people.stranger!, postGuid: post.guid, commentGuid: null, createdAt: site.ctx.now(), readAt: null, mailedAt: null };
        await insertNotification(tx, { ...about, kind: 'mention', key: `mention:${post.guid}` });
      }
    }
  });
  // All of them follow her, so that the stream would show what the check lets through.
  await site.ctx.store.transaction(async (tx) => {
    for (const viewer of VIEWERS) {
      const actorId = people[viewer];
      if (actorId === undefined || viewer === 'author') continue;
      await saveRelationship(tx, { actorId, otherId: people.author!, follower: 'none', following: 'on', addedAt: null, blockedAt: viewer === 'blocker' ? 1 : null, mutedAt: null });
    }
  });
}, 120_000);
afterAll(() => site.stop());

describe.each(Object.keys(PATHS))('%s', (name) => {
  test.each(CELLS)('$viewer, post for $audience: $sees', async ({ viewer, audience, sees }) => {
    expect(await PATHS[name]!(browsers[viewer], posts[audience])).toBe(sees);
  });
});

describe.each(Object.keys(MEMBER_PATHS))('%s', (name) => {
  test.each(CELLS.filter(({ viewer }) => viewer !== 'nobody'))('$viewer, post for $audience: $sees', async ({ viewer, audience, sees }) => {
    expect(await MEMBER_PATHS[name]!(browsers[viewer], posts[audience])).toBe(sees);
  });
});

describe('/people/:address and /posts/:guid, of a person elsewhere', () => {
  test.each(['author', 'stranger', 'nobody'] as const)('%s sees what is for everyone, and of the rest what was brought to them', async (viewer) => {
    const ruth = await remotePerson(site.ctx, `ruth-${viewer}@garden.example`);
    const [open, closed] = [await remotePost(site.ctx, ruth, 'for everyone here'), await remotePost(site.ctx, ruth, 'for some of you', { recipients: [(await findLocalActor(site.ctx.store, 'stranger'))!.id] })];
    const page = (await browsers[viewer].get(`/people/ruth-${viewer}@garden.example`)).text;
    expect([page.includes(open.title), page.includes(closed.title)]).toEqual([true, viewer === 'stranger']);
    for (const accept of ['text/html', 'application/activity+json', 'application/atom+xml']) {
      expect((await browsers[viewer].get(`/posts/${closed.guid}`, { Accept: accept })).status).toBe(viewer === 'stranger' ? 200 : 404);
    }
  });
});

describe('a reshare widens nothing', () => {
  test.each(VIEWERS)('%s sees the root in it only if they may see the root', async (viewer) => {
    const name = `resharer-${viewer.replaceAll(' ', '-')}`;
    const reshare = await resharePost(site.ctx, await site.account(name), posts.public.guid);
    for (const path of [`/u/${name}`, `/posts/${reshare.guid}`]) expect((await browsers[viewer].get(path)).text.includes(posts.public.title)).toBe(maySee(viewer, 'public'));
    for (const accept of ['application/activity+json', 'application/atom+xml']) {
      const document = (await browsers[viewer].get(`/posts/${reshare.guid}`, { Accept: accept })).text;
      expect(document.includes(posts.public.guid)).toBe(maySee(viewer, 'public'));
    }
  });
});

describe('/ (the stream of those who follow)', () => {
  test.each(CELLS.filter(({ viewer }) => viewer !== 'nobody'))('$viewer, post for $audience: $sees', async ({ viewer, audience, sees }) => {
    expect((await browsers[viewer].get('/')).text.includes(posts[audience].title)).toBe(sees);
  });
});

describe.each(Object.keys(PUBLIC_PATHS))('%s', (name) => {
  test.each(CELLS)('$viewer, post for $audience: only what is public', async ({ viewer, audience }) => {
    expect(await PUBLIC_PATHS[name]!(browsers[viewer], posts[audience])).toBe(maySee('nobody', audience));
  });
});

describe.each(Object.keys(OWN_PATHS))('%s', (name) => {
  test.each(CELLS)('$viewer, post for $audience: only the author', async ({ viewer, audience }) => {
    expect(await OWN_PATHS[name]!(browsers[viewer], posts[audience])).toBe(viewer === 'author');
  });
});

test.each(CELLS.filter(({ sees }) => !sees))('to $viewer a post for $audience looks like one that does not exist', async ({ viewer, audience }) => {
  const answers = await Promise.all([posts[audience].guid, 'f'.repeat(32)].map((guid) => browsers[viewer].get(`/posts/${guid}`, { Accept: 'application/json' })));
  expect(answers.map(({ status }) => status)).toEqual([404, 404]);
  expect({ ...answers[0]!.body, instance: '' }).toEqual({ ...answers[1]!.body, instance: '' });
});

test('the number of posts on a profile counts only what its reader may see', async () => {
  const numbers = await Promise.all((['author', 'stranger', 'blocked'] as const).map(async (viewer) => /(\d+)<\/b>\s*posts?|<b>(\d+)/.exec((await browsers[viewer].get('/u/alice')).text)?.[0].replace(/\D/g, '')));
  expect(numbers[0]).toBe('3');
  expect(numbers.slice(1)).not.toContain('3');
});

test('every GET route is in this matrix', () => {
  const folder = path.resolve(import.meta.dirname, '../../../src/web');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /^(app|routes\/.*)\.tsx?$/.test(file));
  const routes = files.flatMap((file) => [...readFileSync(path.join(folder, file), 'utf8').matchAll(/\b(?:app|router)\.get\(\s*(\[[^\]]*\]|'[^']*')/g)].flatMap(([, list]) => [...list!.matchAll(/'([^']+)'/g)].map((match) => match[1]!)));
  const listed = [...Object.keys(PATHS).map((name) => name.split(' ')[0]!), ...Object.keys(PUBLIC_PATHS), ...Object.keys(MEMBER_PATHS), ...Object.keys(OWN_PATHS), ...OTHER_PATHS];
  const unlisted = routes.filter((route) => !listed.includes(route) && !route.startsWith('/.well-known/') && !route.startsWith('/assets/') && !route.startsWith('/nodeinfo'));
  expect(routes).toContain('/posts/:guid');
  expect(unlisted).toEqual([]);
});
