import express from 'express';
import { DomainError } from '../../domain/errors.js';
import { confirmAccount, peekToken, resendConfirmation, signUp } from '../../services/accounts.js';
import type { Context } from '../../services/context.js';
import { addressKey, takeLimits } from '../../services/limits.js';
import { emailForm, signUpForm, submit } from '../forms.js';
import { DeadLinkPage, PressPage, SentPage, SignUpPage } from '../pages/account.js';
import { STATUS } from '../problem.js';
import { sendPage } from '../render.js';
import { cookieOptions } from '../security.js';
import { cookieName, logIn } from '../sessions.js';
import { visitOf } from '../visit.js';

/** Sign-up, until the welcome page. */
export function signUpRoutes(ctx: Context): express.Router {
  const router = express.Router();
  // The address that was written to stands on the next page: in a cookie, because no session is made for someone unknown.
  const sentCookie = cookieName(ctx, 'sent');
  const remember = (res: express.Response, email: string) => res.cookie(sentCookie, email, { ...cookieOptions(ctx), maxAge: 3_600_000 });

  router.get('/signup', (_req, res) => {
    if (visitOf(res).account) return res.redirect(303, '/');
    sendPage(res, <SignUpPage />);
  });

  router.post('/signup', async (req, res) => {
    const faults = await submit(req, signUpForm, async (form) => {
      await signUp(ctx, form, req.ip);
      remember(res, form.email);
    });
    if (faults) return sendPage(res, <SignUpPage faults={faults} />, { status: faults.status });
    res.redirect(303, '/signup/sent');
  });

  router.get('/signup/sent', (req, res) => sendPage(res, <SentPage email={req.cookies[sentCookie]} />));

  router.post('/signup/resend', async (req, res) => {
    const faults = await submit(req, emailForm, async ({ email }) => {
      await resendConfirmation(ctx, email, req.ip);
      remember(res, email);
    });
    if (faults) return sendPage(res, <SentPage email={faults.values['email']} faults={faults} />, { status: faults.status });
    res.redirect(303, '/signup/sent');
  });

  router.get('/confirm/:token', async (req, res) => {
    const { t, account } = visitOf(res);
    await takeLimits(ctx, { 'link-address': addressKey(req.ip) });
    if (await peekToken(ctx, req.params.token, 'confirm')) {
      return sendPage(res, <PressPage title={t.signup.confirmTitle} text={t.signup.confirmText} button={t.signup.confirmButton} action={`/confirm/${encodeURIComponent(req.params.token)}`} />, { secret: true });
    }
    // The link was used a moment ago, here: a second click, or "back".
    if (account) return res.redirect(303, '/welcome');
    sendPage(res, <DeadLinkPage kind="signup" />, { status: STATUS.gone });
  });

  router.post('/confirm/:token', async (req, res) => {
    await takeLimits(ctx, { 'link-address': addressKey(req.ip) });
    try {
      await logIn(ctx, req, await confirmAccount(ctx, req.params.token));
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'gone') throw error;
      if (!visitOf(res).account) return sendPage(res, <DeadLinkPage kind="signup" />, { status: STATUS.gone });
    }
    res.clearCookie(sentCookie, cookieOptions(ctx));
    res.redirect(303, '/welcome');
  });

  return router;
}
