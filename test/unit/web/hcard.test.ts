// A person's page is an h-card (microformats.org/wiki/h-card): read as such a reader does, by its classes alone.
import type { Element, Nodes } from 'hast';
import { fromHtml } from 'hast-util-from-html';
import sharp from 'sharp';
import { setPicture } from '../../../src/services/media.js';
import { changeProfile } from '../../../src/services/profiles.js';
import { type Site, startSite } from '../../support/web.js';
import { remotePerson, remotePost } from '../../support/remote.js';

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site.stop());

const HOST = 'http://social.localhost:3000';
const classesOf = (element: Element): string[] => (element.properties.className as string[] | undefined) ?? [];
const all = (node: Nodes): Element[] => ('children' in node ? node.children.flatMap((child) => [...(child.type === 'element' ? [child] : []), ...all(child)]) : []);
const textOf = (node: Nodes): string => ('children' in node ? node.children.map(textOf).join('') : node.type === 'text' ? node.value : '');
/** What a property of kind u- is: an address in an attribute, or else whatever text stands there. */
const addressOf = ({ tagName, properties, ...rest }: Element): string => String({ a: properties.href, img: properties.src, data: properties.value }[tagName] ?? textOf({ ...rest, tagName, properties }));

/** The one card of the page: its properties, in both vocabularies (microformats2, and vCard's older one). */
async function cardOf(path: string): Promise<Record<string, string[]>> {
  const cards = all(fromHtml((await site.browser().get(path)).text)).filter((element) => classesOf(element).includes('h-card'));
  expect(cards).toHaveLength(1);
  expect(classesOf(cards[0]!)).toContain('vcard');
  const found: Record<string, string[]> = {};
  for (const element of all(cards[0]!)) {
    for (const [, kind, name] of classesOf(element).map((one) => /^([pu])-([a-z-]+)$/.exec(one) ?? [])) {
      if (!kind || !name) continue;
      (found[name] ??= []).push(kind === 'u' ? new URL(addressOf(element), `${HOST}${path}`).href : textOf(element).trim());
      expect(classesOf(element)).toContain(name === 'name' ? 'fn' : name);
    }
  }
  return found;
}

test('says name, handle, text, page and picture of somebody of ours', async () => {
  const alice = await site.account('alice');
  await changeProfile(site.ctx, alice, { displayName: 'Alice <of> the garden', summary: 'likes tea\nand rain' });
  await setPicture(site.ctx, alice, 'avatar', await sharp({ create: { width: 64, height: 64, channels: 3, background: '#2a8' } }).png().toBuffer());
  const { photo, ...card } = await cardOf('/u/alice');
  expect(card).toEqual({ name: ['Alice <of> the garden'], nickname: ['alice@social.localhost'], note: ['likes teaand rain'], url: [`${HOST}/u/alice`], uid: [`${HOST}/u/alice`] });
  expect((await site.browser().get(new URL(photo![0]!).pathname)).type).toBe('image/png');
});

test('names no picture and no text where there is none', async () => {
  await site.account('bob');
  expect(await cardOf('/u/bob')).toEqual({ name: ['bob'], nickname: ['bob@social.localhost'], url: [`${HOST}/u/bob`], uid: [`${HOST}/u/bob`] });
});

test('of somebody elsewhere it does not claim that their page is here', async () => {
  await remotePost(site.ctx, await remotePerson(site.ctx, 'romeo@else.test'), 'hello'); // without one, strangers are shown nobody
  expect(await cardOf('/people/romeo@else.test')).toEqual({ name: ['romeo'], nickname: ['romeo@else.test'] });
});
