// What happens elsewhere, while a page stands open. Nothing that is being read moves: new posts are announced, new comments are put below the others.
import { refresh } from './acts.js';
import { exchange, load } from './load.js';

const here = location.pathname + location.search;
const fresh = document.querySelector('[data-fresh]');
const thread = document.querySelector('[data-thread]');

// "3 new posts": a link to the page as it is now.
const seen = new Set();
const announce = (key) => {
  if (seen.has(key)) return;
  seen.add(key);
  const link = fresh.querySelector('a');
  link.hidden = false;
  link.querySelector('span').textContent = seen.size === 1 ? fresh.dataset.one : fresh.dataset.many.replace('{n}', seen.size);
};
const announcePost = ({ guid, aspects = [] }) => {
  if (fresh?.dataset.fresh !== 'post' || document.getElementById(`post-${guid}`)) return;
  if (!fresh.dataset.aspect || aspects.includes(Number(fresh.dataset.aspect))) announce(guid);
};

const count = (unread) => {
  for (const badge of document.querySelectorAll('[data-unread]')) {
    badge.hidden = unread === 0;
    badge.lastElementChild.textContent = unread > 99 ? '99+' : unread;
  }
};

// The thread as the server has it now: what is new comes below, what was changed or deleted follows. A menu that is open stays as it is.
const readOn = (page) => {
  const now = page.querySelector('[data-thread]');
  if (!now) return;
  exchange('#comments', page);
  const list = thread.querySelector('.thread');
  const comments = [...now.querySelectorAll('.comment')];
  const oldest = comments[0]?.id ?? '';
  for (const old of list.querySelectorAll('.comment')) {
    const match = comments.find(({ id }) => id === old.id);
    if (old.querySelector('[open]')) continue;
    if (match) exchange(`#${old.id}`, page);
    else if (comments.length === 0 || old.id > oldest) old.remove();
  }
  const newest = [...list.querySelectorAll('.comment')].at(-1)?.id ?? '';
  if ('newest' in thread.dataset) for (const comment of comments) if (comment.id > newest) list.append(document.importNode(comment, true));
};

// Many events at once are one look.
const waiting = new Map();
const soon = (key, work) => {
  if (waiting.has(key)) return;
  waiting.set(key, setTimeout(() => {
    waiting.delete(key);
    Promise.resolve(work()).catch(() => {}); // the next event, or the next page, shows it
  }, 300));
};
const countActs = (guid) => {
  if (document.querySelector(`[data-acts="${guid}"]`)) soon(`acts ${guid}`, () => refresh(guid));
};
const lookAtThread = (guid) => {
  if (thread?.dataset.thread === guid) soon('thread', async () => readOn(await load(here)));
};
// Not the whole page: what is being ticked or opened stays.
const lookAtPerson = () => soon('person', async () => {
  const page = await load(here);
  for (const part of ['.person__top > .avatar', '.person__who', '.person__text', '.about', '.person__progress', '.person__posts']) exchange(part, page);
});

let source = null;
const listen = () => {
  const person = document.querySelector('[data-person]');
  source = new EventSource(thread ? `/events?post=${thread.dataset.thread}` : person ? `/events?person=${person.dataset.person}` : '/events');
  const on = (name, work) => source.addEventListener(name, (event) => work(JSON.parse(event.data)));
  on('post', announcePost);
  on('comment', ({ post }) => {
    countActs(post);
    lookAtThread(post);
  });
  on('like', ({ post }) => countActs(post));
  on('notification', ({ unread, id }) => {
    count(unread);
    if (fresh?.dataset.fresh === 'notification' && id) announce(id);
  });
  on('person', ({ id }) => {
    if (document.querySelector(`[data-person="${id}"]`)) lookAtPerson();
  });
};
const silence = () => {
  source?.close();
  source = null;
};

if (document.querySelector('[data-live]')) {
  listen();
  // A page in the back/forward cache, or behind other windows, must not hold a connection: browsers have few for one host.
  addEventListener('pagehide', silence);
  document.addEventListener('visibilitychange', async () => {
    if (document.hidden) return silence();
    if (source) return;
    listen();
    try {
      const page = await load(here); // what came meanwhile
      exchange('[data-unread]', page);
      if (thread) readOn(page);
      if (fresh?.dataset.fresh === 'post') for (const { id } of page.querySelectorAll('.feed > .post')) announcePost({ guid: id.slice(5), aspects: [Number(fresh.dataset.aspect)] });
    } catch {}
  });
  addEventListener('pageshow', (event) => {
    if (event.persisted && !source) listen();
  });
}
