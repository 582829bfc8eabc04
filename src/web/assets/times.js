// Times in the reader's own zone, and going on while the page stands open. The server writes the same in UTC.
// The reader's own way of writing the page's language (24 hours in en-GB, 12 in en-US).
const { lang } = document.documentElement;
const language = navigator.languages.find((one) => one.split('-')[0] === lang) ?? lang;
const exact = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'short' });
const day = new Intl.DateTimeFormat(language, { dateStyle: 'long' });
const clock = new Intl.DateTimeFormat(language, { timeStyle: 'short' });
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'narrow' });
const unit = (value, name) => new Intl.NumberFormat(language, { style: 'unit', unit: name, unitDisplay: 'short' }).format(value);

function write(time) {
  const at = new Date(time.dateTime);
  const minutes = Math.floor((Date.now() - at) / 60_000);
  time.title = exact.format(at);
  if (time.dataset.time === 'clock') time.textContent = at.toDateString() === new Date().toDateString() ? clock.format(at) : day.format(at);
  else if (minutes < 1) time.textContent = relative.format(0, 'second');
  else if (minutes < 60) time.textContent = unit(minutes, 'minute');
  else if (minutes < 60 * 24) time.textContent = unit(Math.floor(minutes / 60), 'hour');
  else if (minutes < 60 * 48) time.textContent = relative.format(-1, 'day');
  else time.textContent = day.format(at);
}
const all = () => document.querySelectorAll('time[data-time]').forEach(write);
all();
setInterval(() => { if (!document.hidden) all(); }, 60_000);
