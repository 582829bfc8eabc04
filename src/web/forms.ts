import type { Request } from 'express';
import { z } from 'zod';
import { checkWebPassword, parseEmail, parseUsername } from '../domain/account.js';
import type { Audience } from '../domain/activity.js';
import { parseAspectName } from '../domain/aspect.js';
import { DomainError } from '../domain/errors.js';
import { NOTIFICATION_KINDS, type NotificationKind } from '../domain/notification.js';
import { problemOf, retryAfter, STATUS, wantsJson } from './problem.js';
import { type Strings, stringsFor } from './strings.js';

/** What is wrong with a form, where, and what was typed (never passwords): enough to show it again. */
export interface Faults {
  status: number;
  list: { field?: string; text: string }[];
  values: Record<string, string>;
}

export const faultOf = (faults: Faults | undefined, field: string): string | undefined => faults?.list.find((fault) => fault.field === field)?.text;

const t: Strings = stringsFor();

/** A field that must have something in it. A field that comes twice is refused: which one would count? */
const text = (message = t.faults.required) => z.string({ error: (issue) => (issue.input === undefined ? t.faults.missing : t.faults.twice) }).min(1, message);
const optional = z.string({ error: t.faults.twice }).optional();

/** A field whose rule stands in the domain. */
const checked = (check: (value: string) => string | undefined) =>
  text().transform((value, context) => {
    try {
      return check(value) ?? value;
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });

const newPassword = checked((value) => void checkWebPassword(value));
const oneLine = (most: number, message: string) =>
  z
    .string({ error: t.faults.twice })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
    .transform((value) => value.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffe\uffff]/g, ' ').trim())
    .refine((value) => [...value].length <= most, message);

export const signUpForm = z.object({ username: checked(parseUsername), email: checked(parseEmail), password: newPassword });
export const emailForm = z.object({ email: checked(parseEmail) });
export const loginForm = z.object({ login: text(), password: text(), next: optional });
export const forgotForm = z.object({ login: text() });
/** A box that is ticked or not. */
const box = z.string({ error: t.faults.twice }).optional().transform((value) => value === 'yes');
export const resetForm = z.object({ password: newPassword, revoke: box });
export const passwordForm = z.object({ current: text(), password: newPassword, revoke: box });
export const everywhereForm = z.object({ revoke: box.catch(false) });
export const ownPasswordForm = z.object({ password: text() });
export const newEmailForm = z.object({ password: text(), email: checked(parseEmail) });
export const labelForm = z.object({ label: oneLine(60, t.faults.label).refine((value) => value !== '', t.faults.label), from: optional });

/** The ID of a row in a form or an address; PostgreSQL refuses to compare with greater numbers. null: it is none. */
export function rowId(value: string): number | null {
  const id = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  return id <= 2_147_483_647 ? id : null;
}

const values = z.union([z.string(), z.array(z.string())]).optional();
const sent = (value: string | string[] | undefined): string[] => [...new Set([value ?? []].flat())];
/** `aspect` may come many times; empty, it names none. */
const aspectIds = values.transform((value, context) => {
  const ids = sent(value).filter((one) => one !== '').map(rowId);
  if (!ids.includes(null)) return ids as number[];
  context.addIssue({ code: 'custom', message: t.faults.aspect });
  return z.NEVER;
});
const older = z.literal('yes', t.faults.missing).optional().transform((value) => value !== undefined);

export const addressForm = z.object({ address: text(), from: optional, aspect: aspectIds, older });
export const contactAspectsForm = z.object({ aspect: aspectIds, older, from: optional });
export const memberForm = z.object({ address: text(), older });
export const aspectForm = z.object({ name: checked(parseAspectName) });
export const switchForm = z.object({ on: z.enum(['yes', 'no'], t.faults.missing), next: optional });
export const themeForm = z.object({ theme: z.enum(['light', 'dark']).catch('dark'), next: optional.catch(undefined) });
export const profileForm = z.object({
  displayName: oneLine(60, t.faults.displayName),
  summary: z
    .string({ error: t.faults.twice })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what XML 1.0 forbids; a profile travels as XML
    .transform((value) => value.toWellFormed().replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '').trim())
    .refine((value) => [...value].length <= 500, t.faults.summary),
});

/**
 * `audience` may come many times: `public`, `contacts`, or one `aspect:ID` for each aspect. The empty value of the radio "Some aspects" is
 * ignored; alone it means aspects of which none was ticked. Missing: the form does not say.
 */
const audience = values.transform((value, context): Audience | undefined => {
  if (value === undefined) return undefined;
  const named = sent(value).filter((one) => one !== '');
  if (named.length === 1 && (named[0] === 'public' || named[0] === 'contacts')) return { to: named[0] };
  const ids = named.map((one) => (one.startsWith('aspect:') ? rowId(one.slice('aspect:'.length)) : null));
  if (!ids.includes(null)) return { to: 'aspects', aspectIds: ids as number[] };
  const isMixed = named.every((one) => /^(public|contacts|aspect:\d+)$/.test(one)) && named.length > 1;
  context.addIssue({ code: 'custom', message: isMixed ? t.faults.audienceMixed : t.faults.audience });
  return z.NEVER;
});

/** What was chosen in a form that comes back, as far as it makes sense; of several, the narrowest. */
export function audienceTyped(body: unknown): Audience | undefined {
  const parsed = values.safeParse((body as { audience?: unknown } | undefined)?.audience);
  const named = parsed.success ? sent(parsed.data) : [];
  const ids = named.flatMap((one) => (one.startsWith('aspect:') ? (rowId(one.slice('aspect:'.length)) ?? []) : []));
  if (ids.length > 0) return { to: 'aspects', aspectIds: ids };
  if (named.includes('contacts')) return { to: 'contacts' };
  if (named.includes('public')) return { to: 'public' };
  return named.includes('') ? { to: 'aspects', aspectIds: [] } : undefined;
}

const once = z.string().regex(/^[\w-]{1,64}$/, t.faults.missing).optional();
export const postForm = z.object({ text: z.string({ error: t.faults.twice }), audience, once });
export const editForm = z.object({ text: z.string({ error: t.faults.twice }) });
export const commentForm = z.object({ text: z.string({ error: t.faults.twice }), once });
/** The one field for any address. `aspect`: the one that is to be ticked then. */
export const lookUpForm = z.object({ address: text(), aspect: optional });
export const actForm = z.object({ next: optional.catch(undefined) });
/** What the buttons at servers say; nothing in them is typed. */
export const retryDeliveryForm = z.object({ network: z.enum(['xmpp', 'diaspora', 'activitypub']), server: z.string().min(1).max(255) });
export const serverForm = z.object({ server: text() });
export const readForm = z.object({ upTo: z.string().transform(rowId).nullish().catch(null) });
const mail = z.enum(['off', 'digest', 'now'], t.faults.mail);
export const notificationMailForm = z.object({
  ...(Object.fromEntries(NOTIFICATION_KINDS.map((kind) => [kind, mail])) as Record<NotificationKind, typeof mail>),
  undelivered: mail.optional(), // younger than the form: who does not know it leaves it as it is
});
export const defaultAudienceForm = z.object({
  audience: audience.transform((chosen, context) => {
    if (chosen) return chosen;
    context.addIssue({ code: 'custom', message: t.faults.audience });
    return z.NEVER;
  }),
});

/** These are never sent back. */
const SECRET_FIELDS = new Set(['password', 'current', 'csrf']);

function typed(body: unknown): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries((body ?? {}) as Record<string, unknown>)) {
    if (typeof value === 'string' && !SECRET_FIELDS.has(name)) values[name] = value;
  }
  return values;
}

/**
 * Reads a form and does what it asks. What the visitor can mend comes back as faults, to be shown beside the fields;
 * programs that asked for JSON get the first fault as a problem instead.
 * @param body the fields, when they came in the address
 * @throws DomainError what a form cannot mend (not-found, gone …), and every fault for programs
 */
export async function submit<S extends z.ZodType>(req: Request, schema: S, work: (form: z.output<S>) => Promise<void>, body: unknown = req.body ?? {}): Promise<Faults | null> {
  const faults = await faultsOf(req, schema, work, body);
  if (faults && wantsJson(req)) throw faults.error;
  return faults;
}

async function faultsOf<S extends z.ZodType>(req: Request, schema: S, work: (form: z.output<S>) => Promise<void>, body: unknown): Promise<(Faults & { error: DomainError }) | null> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const list = parsed.error.issues.map((issue) => ({ field: String(issue.path[0] ?? ''), text: issue.message }));
    const error = new DomainError('invalid', list[0]!.text, list[0]!.field || undefined);
    return { status: STATUS.invalid, list: list.filter((fault, at) => list.findIndex((other) => other.field === fault.field) === at), values: typed(body), error };
  }
  try {
    await work(parsed.data);
    return null;
  } catch (error) {
    if (!(error instanceof DomainError) || (error.field === undefined && !MENDABLE.has(error.code))) throw error;
    if (error.code === 'too-many') req.res?.set('Retry-After', retryAfter(error));
    return { status: problemOf(error).status, list: [{ field: error.field, text: error.message }], values: typed(body), error };
  }
}

/** What the visitor can mend, or send once more after a while: the form comes back with what was typed. */
const MENDABLE = new Set(['invalid', 'conflict', 'too-large', 'too-many']);
