import type { ComponentChildren } from 'preact';
import { type Actor, handleOf, nameOf } from '../../domain/actor.js';
import { asset } from '../assets.js';
import { type Faults, faultOf } from '../forms.js';
import { useVisit } from '../visit.js';

/** A drawing of the sprite, in the size and colour of the text. Always beside words, or with words for those who do not see it. */
export const Icon = ({ name, large = false }: { name: string; large?: boolean }) => (
  <svg class={large ? 'icon icon--l' : 'icon'} aria-hidden="true">
    <use href={`${asset('sprite.svg')}#i-${name}`} />
  </svg>
);

/** The asterisk, or one of its strokes (`net-chat`, `net-web`). */
export const Mark = ({ name = 'mark', class: className = 'mark' }: { name?: string; class?: string }) => (
  <svg class={className} aria-hidden="true">
    <use href={`${asset('sprite.svg')}#i-${name}`} />
  </svg>
);

/** Ground and ink of avatars, in the colours of the drawings. */
const PAIRS = [
  ['#d9e0d3', '#2f6b5b'],
  ['#efd9c4', '#8c3f53'],
  ['#cfe0e4', '#1f5a73'],
  ['#e6d7ee', '#5b3f80'],
  ['#f3e3b3', '#6d4b00'],
  ['#dde3f2', '#2c4587'],
  ['#f0d5d0', '#8a3324'],
  ['#dce6c0', '#45611a'],
] as const;

/** Where a picture of ours is. @param id of media, see Profile */
export const mediaPath = (id: string) => `/media/${id}`;

const segmenter = new Intl.Segmenter(); // to make one costs more than the rest of a card

/** Someone's picture; for someone who has none, the first letter on one of eight grounds. Decoration: the name stands beside it. */
export function Avatar({ actor, size = 44, class: className = 'avatar' }: { actor: Actor; size?: number; class?: string }) {
  if (actor.profile.avatar) return <img class={className} src={mediaPath(actor.profile.avatar)} width={size} height={size} alt="" loading="lazy" />;
  const seed = [...`${actor.username}@${actor.domain}`].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)!) % 9_973, 7);
  const [ground, ink] = PAIRS[seed % PAIRS.length]!;
  const letter = segmenter.segment(nameOf(actor).trim())[Symbol.iterator]().next().value?.segment ?? '';
  return (
    <svg class={className} viewBox="0 0 44 44" width={size} height={size} aria-hidden="true">
      <rect width="44" height="44" fill={ground} />
      <text x="22" y="29.5" font-size="21" font-weight="650" text-anchor="middle" fill={ink}>
        {letter.toUpperCase()}
      </text>
    </svg>
  );
}

/** A form that changes something. `act`: the guid of the post whose bar a script brings up to date, instead of the page. */
export const PostForm = ({
  action,
  class: className,
  label,
  novalidate,
  act,
  children,
}: {
  action: string;
  class?: string;
  label?: string;
  novalidate?: boolean;
  act?: string;
  children: ComponentChildren;
}) => (
  <form method="post" action={action} class={className} aria-label={label} noValidate={novalidate} data-act={act}>
    <input type="hidden" name="csrf" value={useVisit().csrf()} />
    {children}
  </form>
);

export const ThemeSwitch = () => {
  const { t, path, theme, csrf } = useVisit();
  const token = csrf();
  if (token === '') return null; // an error page of a document that has no cookies
  return (
    <form method="post" action="/settings/theme" data-theme-switch>
      <input type="hidden" name="csrf" value={token} />
      <input type="hidden" name="next" value={path} />
      <input type="hidden" name="theme" value={theme === 'dark' ? 'light' : 'dark'} />
      <button class="btn btn--quiet btn--icon" title={t.frame.theme}>
        <Icon name="theme" large />
        <span class="sr">{t.frame.theme}</span>
      </button>
    </form>
  );
};

interface FieldProps {
  name: string;
  label: string;
  help?: string;
  faults?: Faults;
  value?: string;
  type?: 'text' | 'email' | 'password';
  autocomplete?: string;
  maxlength?: number;
  minlength?: number;
  /** Words after the input, such as the domain of an address. */
  end?: string;
  /** For names and addresses: no capitals, no spelling marks. */
  plain?: boolean;
  /** When two forms of a page have a field of this name. */
  id?: string;
  optional?: boolean;
  rows?: number;
  /** The id of a datalist. */
  list?: string;
  /** In an inline form the help stands below field and button: put a `Help` after the button. */
  inline?: boolean;
}

/** The help of an inline form's field. */
export const Help = ({ of, children }: { of: string; children: string }) => (
  <p class="field__help" id={`${of}-help`}>
    {children}
  </p>
);

/** A field: label above, error and help beside it, what was typed kept (but for passwords). */
export function Field({ name, label, help, faults, value, type = 'text', autocomplete, maxlength, minlength, end, plain, id = name, optional, rows, list, inline }: FieldProps) {
  const { t } = useVisit();
  const error = faultOf(faults, name);
  const describedBy = [error && `${id}-error`, help && `${id}-help`].filter(Boolean).join(' ') || undefined;
  const shared = {
    id,
    name,
    required: !optional,
    'aria-invalid': error ? ('true' as const) : undefined,
    'aria-describedby': describedBy,
  };
  const typed = type === 'password' ? undefined : (faults?.values[name] ?? value);
  const input = rows ? (
    <textarea {...shared} rows={rows} autocomplete={autocomplete}>
      {startingBreak(typed ?? '')}
    </textarea>
  ) : (
    <input
      {...shared}
      {...({ type } as { type: 'text' }) /* the types know one kind of input at a time */}
      value={typed}
      autocomplete={autocomplete}
      maxlength={maxlength}
      minlength={minlength}
      list={list}
      autocapitalize={plain ? 'none' : undefined}
      spellcheck={plain ? false : undefined}
    />
  );
  return (
    <div class={error ? 'field field--bad' : 'field'}>
      <label for={id}>{label}</label>
      {error && (
        <p class="field__error" id={`${id}-error`}>
          <Icon name="warning" />
          <span>{error}</span>
        </p>
      )}
      {type === 'password' ? (
        <div class="joined">
          {input}
          <button class="btn" type="button" data-show aria-controls={id} aria-pressed="false">
            <Icon name="eye" />
            {t.faults.show}
            <span class="sr"> {label}</span>
          </button>
        </div>
      ) : end ? (
        <div class="joined">
          {input}
          <span class="joined__end">{end}</span>
        </div>
      ) : (
        input
      )}
      {help && !inline && <Help of={id}>{help}</Help>}
    </div>
  );
}

/** HTML drops a line break right after <textarea>: one more keeps the author's own (HTML standard, "the textarea element"). */
export const startingBreak = (text: string): string => (text.startsWith('\n') ? `\n${text}` : text);

/** All faults of a form, above it, each leading to its field. */
export function FaultSummary({ faults, ids = {} }: { faults?: Faults; ids?: Record<string, string> }) {
  const { t } = useVisit();
  if (!faults) return null;
  return (
    <div class="note note--bad" role="alert" tabIndex={-1} autofocus>
      <Icon name="warning" />
      <h2>{t.faults.heading(faults.list.length)}</h2>
      <ul>
        {faults.list.map(({ field, text }) => (
          <li key={text}>{field ? <a href={`#${ids[field] ?? field}`}>{text}</a> : text}</li>
        ))}
      </ul>
    </div>
  );
}

/** A message after a form. */
export const Notice = ({ children }: { children: ComponentChildren }) => (
  <p class="note note--warm" role="status">
    <Icon name="check" />
    <span>{children}</span>
  </p>
);

/** An address with a button that copies it (seen only where a script runs). */
export function Address({ local, domain, copy, icon = false }: { local: string; domain: string; copy: string; icon?: boolean }) {
  const { t } = useVisit();
  return (
    <>
      <code>
        {local}
        <wbr />@{domain}
      </code>
      {icon ? (
        <button class="btn btn--icon" type="button" data-copy={t.faults.copied} title={copy}>
          <Icon name="copy" />
          <span class="sr">{copy}</span>
        </button>
      ) : (
        <CopyButton what={copy} />
      )}
    </>
  );
}

export const CopyButton = ({ what }: { what: string }) => {
  const { t } = useVisit();
  return (
    <button class="btn" type="button" data-copy={t.faults.copied}>
      <Icon name="copy" />
      <span class="btn__word">
        {t.faults.copy}
        <span class="sr">{what}</span>
      </span>
    </button>
  );
};

const MINUTE = 60_000;
/** Formats, made once: to make one costs more than all else that a post on a page does. They are few: options are written in this file. */
const formats = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>();
function kept<F extends Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>(key: string, make: () => F): F {
  if (!formats.has(key)) formats.set(key, make());
  return formats.get(key) as F;
}
const inUtc = (options: Intl.DateTimeFormatOptions, locale: string, at: number) =>
  kept(`date ${locale} ${JSON.stringify(options)}`, () => new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' })).format(at);

/** When, as it is said after some time ("2 min"); the title holds the exact time. A script changes both to the reader's zone. */
export function Ago({ at, clock = false }: { at: number; clock?: boolean }) {
  const { now, t } = useVisit();
  const minutes = Math.max(0, Math.floor((now - at) / MINUTE));
  const date = () => inUtc({ dateStyle: 'long' }, t.locale, at);
  const unit = (value: number, name: string) => kept(`unit ${t.locale} ${name}`, () => new Intl.NumberFormat(t.locale, { style: 'unit', unit: name, unitDisplay: 'short' })).format(value);
  const relative = kept(`relative ${t.locale}`, () => new Intl.RelativeTimeFormat(t.locale, { numeric: 'auto', style: 'narrow' }));
  const text = clock
    ? date()
    : minutes < 1
      ? relative.format(0, 'second')
      : minutes < 60
        ? unit(minutes, 'minute')
        : minutes < 60 * 24
          ? unit(Math.floor(minutes / 60), 'hour')
          : minutes < 60 * 48
            ? relative.format(-1, 'day')
            : date();
  return (
    <time dateTime={new Date(at).toISOString()} title={exactTime(at, t.locale)} data-time={clock ? 'clock' : 'ago'}>
      {text}
    </time>
  );
}

/** When, of what is yet to come ("in 20 min."); the title holds the exact time. */
export function In({ at }: { at: number }) {
  const { now, t } = useVisit();
  const minutes = Math.max(1, Math.round((at - now) / MINUTE));
  const relative = kept(`in ${t.locale}`, () => new Intl.RelativeTimeFormat(t.locale, { style: 'long' }));
  return (
    <time dateTime={new Date(at).toISOString()} title={exactTime(at, t.locale)}>
      {minutes < 90 ? relative.format(minutes, 'minute') : relative.format(Math.round(minutes / 60), 'hour')}
    </time>
  );
}

export const exactTime = (at: number, locale: string): string => `${inUtc({ dateStyle: 'full', timeStyle: 'short' }, locale, at)} UTC`;
export const monthOf = (at: number, locale: string): string => inUtc({ month: 'long', year: 'numeric' }, locale, at);
export const dateOf = (at: number, locale: string): string => inUtc({ dateStyle: 'long' }, locale, at);

/** It came over the chat network. */
export const ChatNet = () => {
  const { t } = useVisit();
  return (
    <span class="net" title={t.post.chatNetTitle}>
      <Mark name="net-chat" />
      <span>{t.post.chatNet}</span>
    </span>
  );
};

/** Which network someone is on; nothing for people of this installation. */
export const Net = ({ actor }: { actor: Actor }) => (actor.isLocal ? null : <ChatNet />);

/** Where a person's page is. */
export const pageOf = (actor: Actor): string => (actor.isLocal ? `/u/${actor.username}` : `/people/${encodeURIComponent(handleOf(actor)).replace(/%40/g, '@')}`);

export const PersonLink = ({ actor }: { actor: Actor }) => <a href={pageOf(actor)}>{nameOf(actor)}</a>;

/** The way back, above a page's content. @param heading for pages that show no heading of their own */
export const Back = ({ href, words, heading }: { href: string; words: string; heading?: string }) => (
  <div class="page-head page-head--back">
    {heading && <h1 class="sr">{heading}</h1>}
    <a class="btn btn--quiet" href={href}>
      <Icon name="back" />
      {words}
    </a>
  </div>
);

/** What a new web password, or logging out everywhere, does not do by itself. */
export function RevokeToo() {
  const { t } = useVisit();
  return (
    <label class="choice">
      <input type="checkbox" name="revoke" value="yes" />
      {t.settings.revokeToo}
      <small>{t.settings.revokeTooHelp}</small>
    </label>
  );
}
