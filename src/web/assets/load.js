// Another page of ours, to take parts from. XMLHttpRequest makes a document of it, whose scripts do not run; setting innerHTML is forbidden here.
export const load = (url, body) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(body ? 'POST' : 'GET', url);
    request.responseType = 'document';
    request.setRequestHeader('Accept', 'text/html');
    request.onload = () => (request.status < 400 && request.response ? resolve(request.response) : reject(new Error(`status ${request.status}`)));
    request.onerror = () => reject(new Error('no answer'));
    request.send(body);
  });

// Puts what `page` has in place of what is here, for each that matches. Where the focus was, it stays.
export const exchange = (selector, page) => {
  for (const old of document.querySelectorAll(selector)) {
    const fresh = page.querySelector(selector);
    if (!fresh || old.isEqualNode(fresh)) continue;
    const controls = 'a, button, summary, input, textarea';
    const at = [...old.querySelectorAll(controls)].indexOf(document.activeElement);
    const copy = document.importNode(fresh, true);
    old.replaceWith(copy);
    if (at >= 0) copy.querySelectorAll(controls)[at]?.focus({ preventScroll: true });
  }
};
