import express, { type RequestHandler } from 'express';
import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import type { Context } from '../../services/context.js';
import { takeLimits } from '../../services/limits.js';
import { PICTURE_MAX_BYTES, readPicture, removePicture, setPicture } from '../../services/media.js';
import { submit } from '../forms.js';
import { ProfilePage } from '../pages/settings.js';
import { sendPage } from '../render.js';
import { memberOf, visitOf } from '../visit.js';

/** What a form adds around the file. */
const FORM_ROOM_BYTES = 16_384;
const YEAR_S = 31_536_000;

const kindForm = z.object({ kind: z.enum(['avatar', 'banner']) });

/** The pictures themselves: named by what is in them, so they never change. For everyone, and before cookies. */
export function pictureFiles(ctx: Context): express.Router {
  const router = express.Router();
  router.get('/media/:id', async (req, res) => {
    const found = await readPicture(ctx, req.params.id);
    if (!found) throw new DomainError('not-found', 'This picture is no longer there.');
    res.set({ 'Content-Type': found.media.mime, 'Cache-Control': `public, max-age=${YEAR_S}, immutable`, 'Content-Disposition': 'inline', 'Cross-Origin-Resource-Policy': 'cross-origin' });
    res.send(found.bytes);
  });
  return router;
}

/**
 * Reads the one form that has a file in it (multipart/form-data, RFC 7578), before the check against forgery looks for its field. Only someone who
 * is logged in may send us megabytes.
 */
export function pictureBody(): RequestHandler[] {
  const raw = express.raw({ type: 'multipart/form-data', limit: PICTURE_MAX_BYTES + FORM_ROOM_BYTES, inflate: false });
  return [
    (req, res, next) => (visitOf(res).account ? raw(req, res, next) : next()),
    async (req, res, next) => {
      if (!Buffer.isBuffer(req.body)) return next();
      const body = req.body;
      req.body = {};
      try {
        const form = await new Response(new Uint8Array(body), { headers: { 'content-type': req.get('content-type')! } }).formData();
        for (const [name, value] of form) {
          if (typeof value === 'string') req.body[name] = value;
          else if (name === 'picture') res.locals['picture'] = new Uint8Array(await value.arrayBuffer());
        }
      } catch {
        throw new DomainError('invalid', 'The form could not be read. Please choose the picture again.');
      }
      next();
    },
  ];
}

/** Choosing and removing one's pictures. */
export function pictureRoutes(ctx: Context): express.Router {
  const router = express.Router();

  router.post('/settings/pictures', async (req, res) => {
    const { account } = memberOf(res);
    const faults = await submit(req, kindForm, async ({ kind }) => {
      const picture = res.locals['picture'] as Uint8Array | undefined;
      if (!picture || picture.length === 0) throw new DomainError('invalid', 'Choose a picture first.', 'picture');
      await takeLimits(ctx, { 'picture-account': String(account.id) });
      await setPicture(ctx, account, kind, picture);
    });
    if (faults) return sendPage(res, <ProfilePage faults={faults} />, { status: faults.status });
    res.redirect(303, '/settings/profile?done=saved');
  });

  router.post('/settings/pictures/remove', async (req, res) => {
    const { account } = memberOf(res);
    const faults = await submit(req, kindForm, ({ kind }) => removePicture(ctx, account, kind));
    if (faults) return sendPage(res, <ProfilePage faults={faults} />, { status: faults.status });
    res.redirect(303, '/settings/profile?done=saved');
  });

  return router;
}
