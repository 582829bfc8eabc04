import express from 'express';
import { DomainError } from '../../domain/errors.js';
import { authenticate, peekToken, requestPasswordReset, resetPassword } from '../../services/accounts.js';
import type { Context } from '../../services/context.js';
import { addressKey, takeLimits } from '../../services/limits.js';
import { forgotForm, loginForm, resetForm, submit } from '../forms.js';
import { DeadLinkPage, ForgotPage, LoginPage, ResetPage } from '../pages/account.js';
import { STATUS } from '../problem.js';
import { sendPage } from '../render.js';
import { logIn, logOut } from '../sessions.js';
import { localPath, queryText, visitOf } from '../visit.js';
import { chatNote } from './settings.js';

/** Log-in, log-out, forgotten password. */
export function sessionRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.get('/login', async (req, res) => {
    const { t } = visitOf(res);
    const next = localPath(queryText(req, 'next'));
    if (visitOf(res).account) return res.redirect(303, next);
    const notices: Record<string, string> = { reset: t.forgot.done, out: t.settings.loggedOut, everywhere: t.settings.everywhereDone, closed: t.settings.closeDone };
    const done = queryText(req, 'done') ?? '';
    const notice = Object.hasOwn(notices, done) ? notices[done] : next === '/' ? undefined : t.login.first;
    const more = done === 'everywhere' ? await chatNote(ctx, t) : '';
    sendPage(res, <LoginPage next={next} notice={notice && notice + more} />);
  });

  router.post('/login', async (req, res) => {
    let next = '/';
    const faults = await submit(req, loginForm, async (form) => {
      const account = await authenticate(ctx, form.login, form.password, req.ip);
      // One answer for a wrong name, a wrong password, and an account that may not log in.
      if (!account) throw new DomainError('invalid', visitOf(res).t.login.wrong, 'login');
      await logIn(ctx, req, account);
      next = localPath(form.next);
    });
    if (faults) return sendPage(res, <LoginPage next={localPath(faults.values['next'])} faults={faults} />, { status: faults.status });
    res.redirect(303, next);
  });

  router.post('/logout', async (req, res) => {
    await logOut(ctx, req, res);
    res.redirect(303, '/login?done=out');
  });

  router.get('/password/forgot', (req, res) => sendPage(res, <ForgotPage sent={queryText(req, 'done') === 'sent'} />));

  router.post('/password/forgot', async (req, res) => {
    const faults = await submit(req, forgotForm, ({ login }) => requestPasswordReset(ctx, login, req.ip));
    if (faults) return sendPage(res, <ForgotPage faults={faults} />, { status: faults.status });
    res.redirect(303, '/password/forgot?done=sent');
  });

  router.get('/password/reset/:token', async (req, res) => {
    await takeLimits(ctx, { 'link-address': addressKey(req.ip) });
    if (!(await peekToken(ctx, req.params.token, 'reset'))) return sendPage(res, <DeadLinkPage kind="reset" />, { status: STATUS.gone });
    sendPage(res, <ResetPage token={encodeURIComponent(req.params.token)} />, { secret: true });
  });

  router.post('/password/reset/:token', async (req, res) => {
    await takeLimits(ctx, { 'link-address': addressKey(req.ip) });
    let faults: Awaited<ReturnType<typeof submit>>;
    try {
      faults = await submit(req, resetForm, async ({ password, revoke }) => void (await resetPassword(ctx, req.params.token, password, { revokeAppPasswords: revoke })));
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'gone') throw error;
      return sendPage(res, <DeadLinkPage kind="reset" />, { status: STATUS.gone });
    }
    if (faults) return sendPage(res, <ResetPage token={encodeURIComponent(req.params.token)} faults={faults} />, { status: faults.status, secret: true });
    res.redirect(303, '/login?done=reset');
  });

  return router;
}
