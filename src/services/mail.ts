import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Transporter } from 'nodemailer';
import type { Config } from '../config.js';
import { parseEmail } from '../domain/account.js';
import { DeliveryError } from '../domain/errors.js';
import type { JobPayloads } from '../domain/job.js';
import type { Tx } from '../store/database.js';
import { addJobs } from '../store/jobs.js';
import type { Context } from './context.js';
import { type Facts, FRAME, MAIL_TEXTS, type MailTemplate, type MailText } from './mail-texts.js';
import { linkOf, type TokenKind } from './tokens.js';

/** What a waiting mail knows: a link is held as its seed (tokens.ts), never whole. */
interface MailValues {
  username: string;
  seed?: string;
  /** Milliseconds UTC. */
  expiresAt?: string;
  email?: string;
  /** Tells two mails of the same words apart. */
  at: string;
}

const LINK_OF: Partial<Record<MailTemplate, TokenKind>> = { confirm: 'confirm', reset: 'reset', 'confirm-email': 'email' };

/**
 * Leaves a mail in the queue; it goes out when the transaction has committed.
 * @param to an address as parseEmail gives it
 */
export function queueMail(
  ctx: Context,
  tx: Tx,
  to: string,
  template: MailTemplate,
  values: { username: string; email?: string; token?: { seed: string; expiresAt: number } },
): Promise<void> {
  const { username, email, token } = values;
  const known: MailValues = { username, at: String(ctx.now()), ...(email === undefined ? {} : { email }), ...(token ? { seed: token.seed, expiresAt: String(token.expiresAt) } : {}) };
  return addJobs(tx, [{ kind: 'mail', queue: 'main', payload: { to, template, values: { ...known } as Record<string, string> } }], ctx.now());
}

/** `Sunday, 22 November, 10:40 UTC`: where the receiver lives is not known. */
const dateForPeople = (ms: number): string =>
  `${new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit', timeZone: 'UTC' })
    .format(ms)
    .replace(' at ', ', ')} UTC`;

const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();

/** Lines of at most 74 characters where words allow it: short lines need no encoding, so a link can be copied from the `.eml` file as it is. */
const wrap = (paragraph: string): string => paragraph.replace(/(?=.{75})(.{1,74}) /g, '$1\n');

interface RenderedMail {
  subject: string;
  text: string;
  html: string;
}

/**
 * A mail in words: `text` and `html` say the same.
 * @throws Error when there is no such template
 */
export async function renderMail(template: string, facts: Facts): Promise<RenderedMail> {
  if (!Object.hasOwn(MAIL_TEXTS, template)) throw new Error(`there is no mail template "${template}"`);
  return renderWords(MAIL_TEXTS[template as MailTemplate](facts), facts);
}

/** @param to.url the button's link */
export async function renderWords(words: MailText, to: Pick<Facts, 'url' | 'site'>): Promise<RenderedMail> {
  const [{ h }, { renderToString }, { MailPage }] = await Promise.all([import('preact'), import('preact-render-to-string'), import('./mail-page.js')]);
  const paragraphs = [
    words.title,
    words.lead.map((part) => (typeof part === 'string' ? part : part.strong)).join(''),
    words.button ? `${words.button}. ${FRAME.openThis}\n${to.url}` : '',
    ...words.notes,
    words.foot,
    words.unsubscribe ? `${words.unsubscribe.text}\n${words.unsubscribe.url}` : '',
    to.site,
  ].map(wrap);
  return {
    subject: oneLine(words.subject),
    text: `${paragraphs.filter((paragraph) => paragraph !== '').join('\n\n')}\n`,
    html: `<!doctype html>\n${renderToString(h(MailPage, { text: words, url: to.url, site: to.site }))}\n`,
  };
}

/**
 * Sends one mail: the handler of `mail` jobs. With a `file:` DX_MAIL_URL it becomes one `.eml` file whose path is logged. A mail whose link has
 * run out while it waited is not sent.
 * @throws DeliveryError permanent when the receiver's server refuses it for good
 */
export async function sendMail(ctx: Context, payload: JobPayloads['mail']): Promise<void> {
  const { config } = ctx;
  const template = payload.template as MailTemplate;
  const values = payload.values as unknown as MailValues;
  const expiresAt = values.expiresAt === undefined ? null : Number(values.expiresAt);
  if (expiresAt !== null && expiresAt <= ctx.now()) {
    ctx.log.warn({ template }, 'mail not sent: it waited until its link had run out');
    return;
  }
  const kind = LINK_OF[template];
  const facts: Facts = {
    site: config.domain,
    username: values.username,
    handle: `${values.username}@${config.domain}`,
    url: kind && values.seed ? linkOf(ctx, kind, values.seed) : `${config.publicUrl}/login`,
    until: expiresAt === null ? '' : dateForPeople(expiresAt),
    email: values.email ?? '',
  };
  await postMail(ctx, { to: payload.to, words: await renderMail(template, facts), template, username: values.username, job: payload });
}

/**
 * Hands one mail to the mail server, or writes it as a file.
 * @param mail.job what makes it this mail: the same job run twice makes the same id, so that mail programs show it once
 * @throws DeliveryError permanent when the receiver's server refuses it for good
 */
export async function postMail(ctx: Context, mail: { to: string; words: RenderedMail; template: string; username: string; job: object; headers?: Record<string, string> }): Promise<void> {
  const { config } = ctx;
  const { template } = mail;
  const digest = createHash('sha256').update(JSON.stringify(mail.job)).digest('hex').slice(0, 32);
  const message = {
    from: { name: FRAME.sender, address: config.mailFrom },
    to: { name: '', address: parseEmail(mail.to) },
    ...mail.words,
    date: new Date(ctx.now()),
    messageId: `<${digest}@${config.domain}>`,
    headers: { 'Auto-Submitted': 'auto-generated', ...mail.headers }, // RFC 3834 §5: no "out of office" in return
    disableFileAccess: true,
    disableUrlAccess: true,
  };
  const transport = await transportOf(config);
  if (config.mailUrl.startsWith('file:')) {
    const { message: eml } = await transport.sendMail(message);
    const file = await writeMail(config.mailUrl.slice('file:'.length), `${template}-${mail.username}-${digest.slice(0, 6)}`, eml as Buffer, ctx.now());
    ctx.log.info({ template, path: file }, 'mail written');
    return;
  }
  try {
    await transport.sendMail(message);
  } catch (error) {
    const { code, responseCode } = error as Refusal;
    // Only a refusal of this very receiver or message is for good; a wrong password for our mail server is mended by the operator.
    const permanent = (code === 'EENVELOPE' || code === 'EMESSAGE') && (responseCode ?? 0) >= 500;
    throw new DeliveryError(`the mail server did not take it: ${inCodes(error as Refusal)}`, permanent);
  }
  ctx.log.info({ template }, 'mail sent');
}

/** What nodemailer throws. `command` is its name, like `RCPT TO`, without what follows. */
type Refusal = Error & { code?: string; originalCode?: string; command?: string; responseCode?: number; response?: string };

/** The words of a mail server repeat addresses and more, and this goes into the log and the queue: so codes alone (RFC 3463), e.g. `EENVELOPE RCPT TO 550 5.1.1`. */
const inCodes = ({ code, originalCode, command, responseCode, response }: Refusal): string =>
  [code, originalCode, command, responseCode, /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(response ?? '')?.[1]].filter(Boolean).join(' ') || 'no code';

/** Writes beside its place, then renames: whoever looks into the folder sees whole mails only. */
async function writeMail(folder: string, slug: string, eml: Buffer, now: number): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 }); // the links in it open accounts
  const time = new Date(now).toISOString().replace(/[-:.]/g, '');
  const file = path.join(folder, `${time}-${slug.replace(/[^a-z0-9-]+/g, '-')}.eml`);
  await writeFile(`${file}.part`, eml, { mode: 0o600 });
  await rename(`${file}.part`, file);
  return file;
}

const transports = new WeakMap<Config, Promise<Transporter>>();

// biome-ignore lint/suspicious/noExplicitAny: nodemailer's types differ by transport; what we use is the same in both
function transportOf(config: Config): Promise<Transporter<any, any>> {
  let transport = transports.get(config);
  if (!transport) transports.set(config, (transport = openTransport(config.mailUrl)));
  return transport;
}

// biome-ignore lint/suspicious/noExplicitAny: as above
async function openTransport(mailUrl: string): Promise<Transporter<any, any>> {
  const { createTransport } = await import('nodemailer');
  if (mailUrl.startsWith('file:')) return createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  return createTransport({ url: mailUrl, connectionTimeout: 15_000, greetingTimeout: 15_000, socketTimeout: 60_000 } as object);
}

/**
 * Can mail be sent? For `dx doctor`.
 * @throws Error that says what is wrong
 */
export async function checkMail(config: Config): Promise<void> {
  if (config.mailUrl.startsWith('file:')) {
    await mkdir(config.mailUrl.slice('file:'.length), { recursive: true, mode: 0o700 });
    const probe = path.join(config.mailUrl.slice('file:'.length), '.probe');
    const { unlink } = await import('node:fs/promises');
    await writeFile(probe, '');
    await unlink(probe);
    return;
  }
  await (await openTransport(config.mailUrl)).verify();
}
