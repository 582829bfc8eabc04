import type { Response } from 'express';
import type { VNode } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { type Visit, VisitProvider, visitOf } from './visit.js';

/** The text of a page. */
export const renderPage = (visit: Visit, page: VNode): string => `<!doctype html>\n${renderToString(<VisitProvider value={visit}>{page}</VisitProvider>)}\n`;

/** Answers with a page. `secret`: it shows something that must not be kept anywhere. */
export function sendPage(res: Response, page: VNode, { status = 200, secret = false } = {}): void {
  res
    .status(status)
    .set('Cache-Control', secret ? 'no-store' : 'private, no-cache')
    .type('html')
    .send(renderPage(visitOf(res), page));
}
