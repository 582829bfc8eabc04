// Likes and reshares change their own bar, and the page stays where it is. What goes wrong is shown by the page that the form leads to.
import { exchange, load } from './load.js';

// Where this page is the next one, the way back is this page, not the part of it.
export const refresh = async (guid, form) => {
  const part = `/posts/${guid}?part=acts`;
  const body = form && new URLSearchParams(new FormData(form));
  body?.set('next', part);
  const page = await load(form ? form.action : part, body);
  const back = location.pathname + location.search;
  for (const next of page.querySelectorAll('[name="next"]')) next.setAttribute('value', back);
  exchange(`[data-acts="${guid}"]`, page);
};

const onTheWay = new Set();
document.addEventListener('submit', async (event) => {
  const form = event.target;
  const guid = form.dataset.act;
  if (!guid || event.defaultPrevented) return;
  event.preventDefault();
  if (onTheWay.has(guid)) return;
  onTheWay.add(guid);
  try {
    await refresh(guid, form);
  } catch {
    form.submit();
  } finally {
    onTheWay.delete(guid);
  }
});
