// The text in a composer outlives a reload. It is kept in this browser only, under the name of its account and place.
for (const area of document.querySelectorAll('textarea[data-draft]')) {
  const key = `draft:${area.dataset.draft}`;
  const form = area.form;
  try {
    // A page that brings a text of its own (after an error, a preview) is newer than what was kept.
    if (area.value === '') area.value = localStorage.getItem(key) ?? '';
  } catch {}
  area.addEventListener('input', () => {
    try {
      if (area.value === '') localStorage.removeItem(key);
      else localStorage.setItem(key, area.value);
    } catch {}
  });
  form.addEventListener('submit', () => {
    // If the post does not arrive, the server's answer brings the text back.
    try { localStorage.removeItem(key); } catch {}
  });
  // Ctrl-Enter posts.
  area.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}
// Who logs out leaves nothing behind.
document.querySelector('form[action="/logout"]')?.addEventListener('submit', () => {
  try { for (const key of Object.keys(localStorage)) if (key.startsWith('draft:')) localStorage.removeItem(key); } catch {}
});
