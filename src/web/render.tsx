import type { Response } from 'express';
import type { VNode } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { type Visit, renderIn, visitOf } from './visit.js';

/** The text of a page. */
export const renderPage = (visit: Visit, page: VNode): string => `<!doctype html>\n${renderIn(visit, () => renderToString(page))}\n`;

/** Answers with a page. `secret`: it shows something that must not be kept anywhere. */
export function sendPage(res: Response, page: VNode, { status = 200, secret = false } = {}): void {
  res
    .status(status)
    .set('Cache-Control', secret ? 'no-store' : 'private, no-cache')
    .type('html')
    .send(renderPage(visitOf(res), page));
}
