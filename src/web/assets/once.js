// A second click does nothing while the first is on its way. (The server takes a form once, too: its hidden "once".)
const onTheWay = new Set();
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== 'post') return;
  if (onTheWay.has(form)) return event.preventDefault();
  onTheWay.add(form);
  form.setAttribute('aria-busy', 'true');
});
// Back from the next page, which the browser may show as it was left: the form may be sent again.
addEventListener('pageshow', () => {
  for (const form of onTheWay) form.removeAttribute('aria-busy');
  onTheWay.clear();
});
