// One key is enough, where nothing is being written; they can be switched off (WCAG 2.2, 2.1.4) on /help/keys.
const isOff = () => {
  try {
    return localStorage.keys === 'off';
  } catch {
    return false;
  }
};

const stops = () => [...document.querySelectorAll('.post, .thread > .comment, .news > li')];
const current = () => document.activeElement?.closest('.thread > .comment, .post, .news > li') ?? null;
const step = (by) => {
  const all = stops();
  if (all.length === 0) return;
  // Without a place of its own, the first that is not above the window.
  const at = current() ? all.indexOf(current()) + by : Math.max(0, all.findIndex((one) => one.getBoundingClientRect().bottom > 80));
  const next = all[Math.min(Math.max(at, 0), all.length - 1)];
  next.tabIndex = -1;
  next.focus();
  next.scrollIntoView({ block: 'nearest' });
};
const write = (id) => {
  const field = document.getElementById(id);
  field?.focus();
  return Boolean(field);
};
const post = () => current()?.closest('.post') ?? (stops().filter((one) => one.matches('.post')).length === 1 ? document.querySelector('.post') : null);

const DOES = {
  j: () => step(1),
  k: () => step(-1),
  o: () => current()?.querySelector('[data-open]')?.click(),
  l: () => post()?.querySelector('[data-act] button')?.click(),
  c: () => write('comment') || post()?.querySelector('.acts__counts > a')?.click(),
  n: () => write('text') || location.assign('/#text'),
  '?': () => location.assign('/help/keys'),
};

document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const isWriting = event.target.matches('input, textarea, select, [contenteditable]');
  if (isWriting) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  if (!document.querySelector('[data-live]') || isOff() || !Object.hasOwn(DOES, event.key)) return;
  event.preventDefault();
  DOES[event.key]();
});

const keySwitch = document.querySelector('[data-keys]');
if (keySwitch) {
  const show = () => {
    for (const part of keySwitch.querySelectorAll('[data-when]')) part.hidden = part.dataset.when !== (isOff() ? 'off' : 'on');
  };
  keySwitch.addEventListener('click', (event) => {
    if (!event.target.closest('button')) return;
    try {
      if (isOff()) delete localStorage.keys;
      else localStorage.keys = 'off';
    } catch {}
    show();
    keySwitch.querySelector('button:not([hidden])')?.focus();
  });
  show();
  keySwitch.hidden = false;
}
