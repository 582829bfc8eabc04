import express from 'express';
import { AboutPage, KeysPage, SectionsPage } from '../pages/texts.js';
import { sendPage } from '../render.js';

/** Pages that only say something. */
export function textRoutes(): express.Router {
  const router = express.Router();
  router.get('/about', (_req, res) => sendPage(res, <AboutPage />));
  router.get('/about/privacy', (_req, res) => sendPage(res, <SectionsPage which="privacy" />));
  router.get('/help', (_req, res) => sendPage(res, <SectionsPage which="help" />));
  router.get('/help/keys', (_req, res) => sendPage(res, <KeysPage />));
  return router;
}
