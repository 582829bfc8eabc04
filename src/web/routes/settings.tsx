import express from 'express';
import { DomainError } from '../../domain/errors.js';
import { changePassword, checkOwnPassword, closeAccount, confirmEmailChange, logOutEverywhere, peekToken, requestEmailChange } from '../../services/accounts.js';
import { changeDefaultAudience, listAspectViews } from '../../services/aspects.js';
import { createAppPassword, listAppPasswords, revokeAllAppPasswords, revokeAppPassword } from '../../services/app-passwords.js';
import { endsChatSessions } from '../../services/chat-sessions.js';
import type { Context } from '../../services/context.js';
import { addressKey, takeLimits } from '../../services/limits.js';
import { changeProfile } from '../../services/profiles.js';
import { setAskFirst } from '../../services/relationships.js';
import { audienceTyped, defaultAudienceForm, everywhereForm, labelForm, newEmailForm, ownPasswordForm, passwordForm, profileForm, submit, switchForm, themeForm } from '../forms.js';
import { DeadLinkPage, PressPage } from '../pages/account.js';
import { AccountPage, AppPasswordsPage, ProfilePage } from '../pages/settings.js';
import { WelcomePage } from '../pages/welcome.js';
import { STATUS } from '../problem.js';
import { sendPage } from '../render.js';
import { cookieOptions } from '../security.js';
import { cookieName, logOut, sessionHash } from '../sessions.js';
import type { Strings } from '../strings.js';
import { localPath, memberOf, queryText, visitOf } from '../visit.js';
import { idOf } from './contacts.js';
import { startOf } from './stream.js';

const YEAR_MS = 365 * 86_400_000;

/** What became of open chats, to be said after what ends them; '' where there are none. */
export async function chatNote(ctx: Context, t: Strings): Promise<string> {
  if (ctx.config.chatDomain === '') return '';
  return ` ${(await endsChatSessions(ctx)) ? t.appPasswords.chatEnds : t.appPasswords.chatStays}`;
}

/** What one may set about oneself. */
export function settingsRoutes(ctx: Context): express.Router {
  const router = express.Router();

  // Light or dark, for browsers without scripts; with one, theme.js keeps it in the browser.
  router.post('/settings/theme', (req, res) => {
    const { theme, next } = themeForm.parse(req.body);
    res.cookie(cookieName(ctx, 'theme'), theme, { ...cookieOptions(ctx), maxAge: YEAR_MS });
    res.redirect(303, localPath(next));
  });

  router.get('/settings', (_req, res) => res.redirect(303, '/settings/profile'));

  router.get('/settings/profile', (req, res) => {
    const { t } = memberOf(res);
    sendPage(res, <ProfilePage notice={queryText(req, 'done') === 'saved' ? t.settings.saved : undefined} />);
  });
  router.post('/settings/profile', async (req, res) => {
    const { account } = memberOf(res);
    const faults = await submit(req, profileForm, (profile) => changeProfile(ctx, account, profile));
    if (faults) return sendPage(res, <ProfilePage faults={faults} />, { status: faults.status });
    res.redirect(303, '/settings/profile?done=saved');
  });

  router.get('/settings/account', async (req, res) => {
    const { t } = memberOf(res);
    const notices: Record<string, string> = {
      saved: t.settings.saved,
      password: t.settings.passwordDone,
      passwordAll: t.settings.passwordAllDone,
      email: t.settings.emailSent,
      emailDone: t.settings.emailDone,
      askOn: String(t.contacts.done['askOn']),
      askOff: String(t.contacts.done['askOff']),
    };
    const done = queryText(req, 'done') ?? '';
    const more = done === 'passwordAll' ? await chatNote(ctx, t) : '';
    sendPage(res, <AccountPage aspects={await listAspectViews(ctx, memberOf(res).account)} notice={Object.hasOwn(notices, done) ? notices[done] + more : undefined} />);
  });

  router.post('/settings/audience', async (req, res) => {
    const { account } = memberOf(res);
    const faults = await submit(req, defaultAudienceForm, ({ audience }) => changeDefaultAudience(ctx, account, audience));
    if (faults) return sendPage(res, <AccountPage aspects={await listAspectViews(ctx, account)} audience={audienceTyped(req.body)} faults={faults} form="audience" />, { status: faults.status });
    res.redirect(303, '/settings/account?done=saved');
  });

  router.post('/settings/ask-first', async (req, res) => {
    const { account } = memberOf(res);
    let path = '/settings/account';
    const faults = await submit(req, switchForm, async ({ on, next }) => {
      await setAskFirst(ctx, account, on === 'yes');
      path = `${next === '/contacts' ? '/contacts' : '/settings/account'}?done=${on === 'yes' ? 'askOn' : 'askOff'}`;
    });
    if (faults) return sendPage(res, <AccountPage aspects={await listAspectViews(ctx, account)} faults={faults} form="audience" />, { status: faults.status });
    res.redirect(303, path);
  });

  router.post('/settings/password', async (req, res) => {
    const { account } = memberOf(res);
    let done = 'password';
    const faults = await submit(req, passwordForm, async ({ current, password, revoke }) => {
      await changePassword(ctx, account, current, password, { keepSession: sessionHash(req.sessionID), revokeAppPasswords: revoke });
      if (revoke) done = 'passwordAll';
    });
    if (faults) return sendPage(res, <AccountPage aspects={await listAspectViews(ctx, account)} faults={faults} form="password" />, { status: faults.status });
    res.redirect(303, `/settings/account?done=${done}`);
  });

  router.post('/settings/email', async (req, res) => {
    const { account } = memberOf(res);
    const faults = await submit(req, newEmailForm, ({ password, email }) => requestEmailChange(ctx, account, password, email));
    if (faults) return sendPage(res, <AccountPage aspects={await listAspectViews(ctx, account)} faults={faults} form="email" />, { status: faults.status });
    res.redirect(303, '/settings/account?done=email');
  });

  // Works in any browser: the mail may be read on another device than the one where the change was asked for.
  router.get('/settings/email/:token', async (req, res) => {
    const { t } = visitOf(res);
    await takeLimits(ctx, { 'link-address': addressKey(req.ip) });
    if (!(await peekToken(ctx, req.params.token, 'email'))) return sendPage(res, <DeadLinkPage kind="email" />, { status: STATUS.gone });
    const action = `/settings/email/${encodeURIComponent(req.params.token)}`;
    sendPage(res, <PressPage title={t.settings.emailConfirmTitle} text={t.settings.emailConfirmText} button={t.settings.emailConfirmButton} action={action} />, { secret: true });
  });
  router.post('/settings/email/:token', async (req, res) => {
    await takeLimits(ctx, { 'link-address': addressKey(req.ip) });
    try {
      await confirmEmailChange(ctx, req.params.token);
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'gone') throw error;
      return sendPage(res, <DeadLinkPage kind="email" />, { status: STATUS.gone });
    }
    res.redirect(303, visitOf(res).account ? '/settings/account?done=emailDone' : '/login');
  });

  router.post('/settings/log-out-everywhere', async (req, res) => {
    const { account } = memberOf(res);
    await logOutEverywhere(ctx, account, { revokeAppPasswords: everywhereForm.parse(req.body ?? {}).revoke });
    await logOut(ctx, req, res);
    res.redirect(303, '/login?done=everywhere');
  });

  router.post('/settings/account/close', async (req, res) => {
    const { account } = memberOf(res);
    const faults = await submit(req, ownPasswordForm, async ({ password }) => {
      await checkOwnPassword(ctx, account, password);
      await closeAccount(ctx, account);
      await logOut(ctx, req, res);
    });
    if (faults) return sendPage(res, <AccountPage aspects={await listAspectViews(ctx, account)} faults={faults} form="close" />, { status: faults.status });
    res.redirect(303, '/login?done=closed');
  });

  router.get('/settings/app-passwords', async (req, res) => {
    const { account, t } = memberOf(res);
    const notices: Record<string, string> = { revoked: t.appPasswords.revoked, revokedAll: t.appPasswords.revokedAll };
    const done = queryText(req, 'done') ?? '';
    const notice = Object.hasOwn(notices, done) ? notices[done] + (await chatNote(ctx, t)) : undefined;
    sendPage(res, <AppPasswordsPage rows={await listAppPasswords(ctx, account)} notice={notice} />);
  });

  // The password is shown in the answer itself, never kept in a session: a reload makes another one, as the browser warns.
  router.post('/settings/app-passwords', async (req, res) => {
    const member = memberOf(res);
    const fromWelcome = (req.body as { from?: unknown }).from === 'welcome';
    const faults = await submit(req, labelForm, async ({ label }) => {
      const fresh = await createAppPassword(ctx, member.account, label);
      const page = fromWelcome ? (
        <WelcomePage {...await startOf(ctx, member)} password={fresh.password} />
      ) : (
        <AppPasswordsPage rows={await listAppPasswords(ctx, member.account)} fresh={fresh} />
      );
      sendPage(res, page, { secret: true });
    });
    if (!faults) return;
    const page = fromWelcome ? <WelcomePage {...await startOf(ctx, member)} faults={faults} /> : <AppPasswordsPage rows={await listAppPasswords(ctx, member.account)} faults={faults} />;
    sendPage(res, page, { status: faults.status });
  });

  router.post('/settings/app-passwords/:id/revoke', async (req, res) => {
    const { account } = memberOf(res);
    await revokeAppPassword(ctx, account, idOf(req.params.id));
    res.redirect(303, '/settings/app-passwords?done=revoked');
  });

  router.post('/settings/app-passwords/revoke-all', async (_req, res) => {
    await revokeAllAppPasswords(ctx, memberOf(res).account);
    res.redirect(303, '/settings/app-passwords?done=revokedAll');
  });

  return router;
}
