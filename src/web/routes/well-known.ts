import { readFileSync } from 'node:fs';
import path from 'node:path';
import express, { type Response } from 'express';
import { DomainError } from '../../domain/errors.js';
import {
  encodeHostMeta,
  encodeHostMetaJson,
  encodeNodeinfo,
  encodeNodeinfoLinks,
  encodeWebfinger,
  JRD_MEDIA_TYPE,
  NODEINFO_VERSIONS,
  nodeinfoMediaType,
  parseResource,
} from '../../formats/webfinger.js';
import type { Context } from '../../services/context.js';
import { findPerson } from '../../services/stream.js';
import { listUsernames } from '../../store/accounts.js';
import { countPublicPosts } from '../../store/posts.js';
import { serialize } from '../../xml.js';

/** The version of this program, from the package.json above this file (in the source tree or above dist/). */
function programVersion(): string {
  for (let folder = import.meta.dirname; folder !== path.dirname(folder); folder = path.dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { name?: string; version?: string };
      if (name === 'diaspora-x' && version) return version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return '0.0.0';
}

/** Counting goes through all posts: not for each asker anew. */
const COUNTED_FOR_MS = 600_000;

/** What tells other servers about this one and its people. For everyone, from any page's script, too (RFC 7033 §5). */
export function wellKnownRoutes(ctx: Context): express.Router {
  const router = express.Router();
  const { domain, publicUrl, registration } = ctx.config;
  const send = (res: Response, type: string, body: string) => void res.set('Cache-Control', 'public, max-age=600').type(type).send(body);
  router.use(['/.well-known', '/nodeinfo'], (_req, res, next) => {
    res.set({ 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' });
    next();
  });

  router.get('/.well-known/webfinger', async (req, res) => {
    const username = parseResource(req.query['resource'], domain, publicUrl);
    if (username === null) throw new DomainError('not-found', 'There is nobody of this address here.', 'resource');
    const { actor } = await findPerson(ctx, username);
    const rels = [req.query['rel'] ?? []].flat().filter((rel) => typeof rel === 'string');
    send(res, JRD_MEDIA_TYPE, JSON.stringify(encodeWebfinger(actor, publicUrl, rels)));
  });

  router.get('/.well-known/host-meta', (req, res) => {
    res.vary('Accept');
    if (req.accepts(['application/xrd+xml', 'application/json', JRD_MEDIA_TYPE]) === 'application/xrd+xml') {
      return send(res, 'application/xrd+xml', `<?xml version="1.0" encoding="utf-8"?>\n${serialize(encodeHostMeta(publicUrl))}\n`);
    }
    send(res, JRD_MEDIA_TYPE, JSON.stringify(encodeHostMetaJson(publicUrl)));
  });
  router.get('/.well-known/host-meta.json', (_req, res) => send(res, JRD_MEDIA_TYPE, JSON.stringify(encodeHostMetaJson(publicUrl))));

  router.get('/.well-known/nodeinfo', (_req, res) => send(res, JRD_MEDIA_TYPE, JSON.stringify(encodeNodeinfoLinks(publicUrl))));

  const softwareVersion = programVersion();
  let counted: { at: number; users: number; localPosts: number } | null = null;
  router.get('/nodeinfo/:version', async (req, res) => {
    const version = NODEINFO_VERSIONS.find((known) => known === req.params.version);
    if (!version) throw new DomainError('not-found', 'There is no such version of this document.');
    const now = ctx.now();
    if (counted === null || now - counted.at > COUNTED_FOR_MS) {
      counted = { at: now, users: (await listUsernames(ctx.store)).length, localPosts: await countPublicPosts(ctx.store) };
    }
    const { users, localPosts } = counted;
    send(res, nodeinfoMediaType(version), JSON.stringify(encodeNodeinfo(version, { softwareVersion, openRegistrations: registration === 'open', users, localPosts })));
  });

  return router;
}
