import { readFileSync } from 'node:fs';
import { attachedItem, attachmentsNode, ATTACHMENTS_MAX_BYTES, decodeAttachments, encodeNoticed, encodeSummary, isAttachmentsName, isLike, joined, partsOf, summarize, SUMMARY_NODE } from '../../../src/formats/attachments.js';
import { NS } from '../../../src/formats/namespaces.js';
import { type Element, parseUntrusted, serialize } from '../../../src/xml.js';

const fixture = (path: string): Element => parseUntrusted(readFileSync(new URL(`../../fixtures/wire/${path}`, import.meta.url), 'utf8'));
const AT = Date.UTC(2026, 10, 21, 9);
const of = (inside: string, ns: string = NS.ATTACHMENTS): Element => parseUntrusted(`<attachments xmlns='${ns}'>${inside}</attachments>`);

test('the node has the very name that Libervia makes', () => {
  const name = 'urn:xmpp:pubsub-attachments:1/xmpp:alice@social.test?;node=urn%3Axmpp%3Amicroblog%3A0;item=0a';
  expect(attachmentsNode('alice@social.test', NS.MICROBLOG, '0a')).toBe(name);
  expect(attachedItem(name)).toEqual({ jid: 'alice@social.test', node: NS.MICROBLOG, item: '0a' });
  expect(attachedItem('urn:xmpp:pubsub-attachments:1/xmpp:alice@social.test?;node=urn:xmpp:microblog:0;item=0a')).toEqual({ jid: 'alice@social.test', node: NS.MICROBLOG, item: '0a' });
  expect(SUMMARY_NODE).toBe('urn:xmpp:pubsub-attachments:summary:1/urn:xmpp:microblog:0');
});

test.each(['urn:xmpp:pubsub-attachments:1/', 'urn:xmpp:pubsub-attachments:1/x', 'urn:xmpp:pubsub-attachments:1/xmpp:a@b?;node=n', 'urn:xmpp:microblog:0', ''])('%j names no item', (name) => {
  expect(attachedItem(name)).toBeNull();
});

test('only names of such nodes are kept for the service', () => {
  expect(['urn:xmpp:pubsub-attachments:1/x', `${NS.ATTACHMENTS_SUMMARY}/urn:x`, NS.ATTACHMENTS, NS.MICROBLOG].map(isAttachmentsName)).toEqual([true, true, false, false]);
});

describe('what one person attached', () => {
  test('Libervia’s is noticed and reactions', () => {
    expect(decodeAttachments(fixture('libervia-0.9/attachments.xml'))).toEqual({ noticed: true, reactions: ['🦖', '🥁'] });
  });
  test.each([
    ['<noticed/>', true],
    ['<reactions><reaction>🦖</reaction></reactions>', true],
    ['<reactions/>', false],
    ['', false],
    ['<rating xmlns="urn:x">5</rating>', false],
    ['<noticed xmlns="urn:x"/>', false],
  ])('%j is a like: %s', (inside, expected) => {
    expect(isLike(decodeAttachments(of(inside)))).toBe(expected);
  });
  test('a reaction counts once, and long ones and more than twenty are none', () => {
    const many = Array.from({ length: 30 }, (_, n) => `<reaction>${n}</reaction>`).join('');
    expect(decodeAttachments(of(`<reactions><reaction>a</reaction><reaction>a</reaction><reaction>${'x'.repeat(40)}</reaction></reactions>`)).reactions).toEqual(['a']);
    expect(decodeAttachments(of(`<reactions>${many}</reactions>`)).reactions).toHaveLength(20);
  });
  test('another root, another namespace, too much of it or too deep is refused', () => {
    for (const bad of [of('', 'urn:x'), parseUntrusted(`<attachment xmlns='${NS.ATTACHMENTS}'/>`)]) expect(() => decodeAttachments(bad)).toThrow(expect.objectContaining({ code: 'invalid' }));
    expect(() => decodeAttachments(of(`<x xmlns='urn:x'>${'y'.repeat(ATTACHMENTS_MAX_BYTES)}</x>`))).toThrow(expect.objectContaining({ code: 'too-large' }));
  });
  test('its parts keep their namespaces, apart and together', () => {
    const { known, others } = partsOf(parseUntrusted(`<attachments xmlns='${NS.ATTACHMENTS}' xmlns:r='urn:rate'><noticed/><reactions><reaction>a</reaction></reactions><r:rating>5</r:rating><own/></attachments>`));
    expect(known!.getChildElements().map((child) => child.getName())).toEqual(['noticed', 'reactions']);
    expect(others!.getChildElements().map((child) => [child.getName(), child.getNS(), child.getText()])).toEqual([
      ['rating', 'urn:rate', '5'],
      ['own', NS.ATTACHMENTS, ''],
    ]);
    expect(parseUntrusted(serialize(joined(known, others))).getChild('rating', 'urn:rate')!.getText()).toBe('5');
    expect(decodeAttachments(joined(known, others))).toEqual({ noticed: true, reactions: ['a'] });
    expect(partsOf(of('<noticed/>')).others).toBeNull();
    expect(partsOf(of('')).known).toBeNull();
  });
  test('a like alone is noticed', () => {
    expect(serialize(encodeNoticed(AT))).toBe(`<attachments xmlns="${NS.ATTACHMENTS}"><noticed timestamp="2026-11-21T09:00:00.000Z"/></attachments>`);
  });
});

describe('the summary', () => {
  test('counts people, and gives a count only where a reaction stands more than once', () => {
    const summary = summarize([
      { noticed: true, reactions: ['💃', '🩰'] },
      { noticed: true, reactions: ['💃'] },
      { noticed: false, reactions: ['🎉'] },
    ]);
    expect(serialize(encodeSummary(summary))).toBe(
      `<summary xmlns="${NS.ATTACHMENTS_SUMMARY}"><noticed count="2"/><reactions><reaction count="2">💃</reaction><reaction>🎉</reaction><reaction>🩰</reaction></reactions></summary>`,
    );
  });
  test('of nothing is empty', () => {
    expect(serialize(encodeSummary(summarize([])))).toBe(`<summary xmlns="${NS.ATTACHMENTS_SUMMARY}"/>`);
  });
  test('stays short whatever strangers choose', () => {
    const reactions = (n: number) => Array.from({ length: 20 }, (_, m) => `r${n}-${m}`);
    expect(encodeSummary(summarize(Array.from({ length: 50 }, (_, n) => ({ noticed: false, reactions: reactions(n) })))).getChild('reactions')!.children).toHaveLength(100);
  });
});
