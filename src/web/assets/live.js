// The stream says that there is more, and does not move by itself.
const bar = document.querySelector('[data-fresh]');
if (bar) {
  const link = bar.querySelector('a');
  const words = link.querySelector('span');
  const seen = new Set();
  const source = new EventSource('/events');
  source.addEventListener('post', (event) => {
    const { guid, aspects = [] } = JSON.parse(event.data);
    if (bar.dataset.aspect && !aspects.includes(Number(bar.dataset.aspect))) return;
    if (seen.has(guid) || document.getElementById(`post-${guid}`)) return;
    seen.add(guid);
    link.hidden = false;
    words.textContent = seen.size === 1 ? bar.dataset.one : bar.dataset.many.replace('{n}', seen.size);
  });
  source.addEventListener('request', () => {
    document.querySelectorAll('[data-requests]').forEach((mark) => { mark.hidden = false; });
  });
  // A page in the back/forward cache must not hold a connection.
  addEventListener('pagehide', () => source.close());
}
