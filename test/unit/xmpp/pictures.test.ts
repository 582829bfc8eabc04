// XEP-0084 User Avatar, XEP-0054, XEP-0292: the picture of someone of ours as XMPP clients set and read it.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { changeProfile } from '../../../src/services/profiles.js';
import { removePicture, setPicture } from '../../../src/services/media.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

let stage: Stage;
let alice: Awaited<ReturnType<Stage['account']>>;
beforeEach(async () => {
  stage = await openStage();
  alice = await stage.account('alice');
});
afterEach(() => stage.close());

const OWNER = 'alice@chat.test/phone';
const iq = (from: string, type: string, payload: string) => `<iq type='${type}' id='i' from='${from}' to='alice@social.test'>${payload}</iq>`;
const pubsub = (payload: string) => `<pubsub xmlns='http://jabber.org/protocol/pubsub'>${payload}</pubsub>`;
const publish = (node: string, payload: string) => iq(OWNER, 'set', pubsub(`<publish node='${node}'><item id='hers'>${payload}</item></publish>`));
const items = async (node: string) => (await stage.receive(iq('bob@far.test/x', 'get', pubsub(`<items node='${node}'/>`))))[0]!.getChild('pubsub')!.getChild('items')!.getChildren('item');
const DATA = 'urn:xmpp:avatar:data';
const METADATA = 'urn:xmpp:avatar:metadata';

test('what its owner publishes from a chat app is read by everyone, by its own hash, and taken away again', async () => {
  const bytes = await sharp({ create: { width: 90, height: 60, channels: 3, background: '#c33' } }).png().toBuffer();
  const [answer] = await stage.receive(publish(DATA, `<data xmlns='${DATA}'>${bytes.toString('base64')}</data>`));
  const id = answer!.getChild('pubsub')!.getChild('publish')!.getChild('item')!.attrs.id!;
  expect((await stage.receive(publish(METADATA, `<metadata xmlns='${METADATA}'><info id='hers' type='image/png' bytes='${bytes.length}'/></metadata>`)))[0]!.attrs.type).toBe('result');

  const [item] = await items(DATA);
  const read = Buffer.from(item!.getChildText('data')!, 'base64');
  expect([item!.attrs.id, createHash('sha1').update(read).digest('hex')]).toEqual([id, id]);
  const [metadata] = await items(METADATA);
  expect(metadata!.getChild('metadata')!.getChild('info')!.attrs).toMatchObject({ id, type: 'image/png', width: '256', height: '256', bytes: String(read.length) });
  const [vcard] = await stage.receive(iq('bob@far.test/x', 'get', `<vCard xmlns='vcard-temp'/>`));
  expect(vcard!.getChild('vCard')!.getChild('PHOTO')!.getChildText('BINVAL')).toBe(read.toString('base64'));

  await stage.receive(publish(METADATA, `<metadata xmlns='${METADATA}'/>`));
  expect(await items(DATA)).toEqual([]);
  expect((await items(METADATA))[0]!.getChild('metadata')!.getChildElements()).toEqual([]);
});

test('a picture whose file is missing is not said to be none: followers keep theirs, and the log says what to do', async () => {
  await setPicture(stage.ctx, alice, 'avatar', await sharp({ create: { width: 90, height: 60, channels: 3, background: '#c33' } }).png().toBuffer());
  await stage.runJobs();
  await stage.receive(iq('bob@far.test/x', 'set', pubsub(`<subscribe node='${METADATA}' jid='bob@far.test'/>`)));
  const announced = () => stage.take().filter((stanza) => stanza.getChild('event')?.getChild('items')?.attrs.node === METADATA);
  const folder = path.join(stage.ctx.config.stateDir, 'media');
  const [id] = readdirSync(folder) as [string];
  const bytes = readFileSync(path.join(folder, id));
  const changed = async () => {
    await stage.handlers['profile-changed']!({ kind: 'profile-changed', payload: { actorId: alice.actorId, picture: true } } as never);
    return announced().length;
  };

  rmSync(path.join(folder, id));
  expect(await changed()).toBe(0);
  expect(await items(METADATA)).toEqual([]);
  expect(stage.ctx.logged()).toMatch(/"level":50.*"id":"[0-9a-f]{40}".*all processes must share the folder media/);
  writeFileSync(path.join(folder, id), 'something else');
  expect(await changed()).toBe(0);

  writeFileSync(path.join(folder, id), bytes);
  expect(await changed()).toBe(1);
  await removePicture(stage.ctx, alice, 'avatar');
  await stage.runJobs();
  expect(announced()[0]!.getChild('event')!.getChild('items')!.getChild('item')!.getChild('metadata')!.getChildElements()).toEqual([]);
});

describe('presence (XEP-0153)', () => {
  const red = () => sharp({ create: { width: 90, height: 60, channels: 3, background: '#c33' } }).png().toBuffer();
  const photos = (sent: { is(name: string): boolean; attrs: Record<string, string | undefined>; getChild(name: string, xmlns: string): { getChildText(name: string): string | null } | undefined }[]) =>
    sent.filter((stanza) => stanza.is('presence') && stanza.attrs.type === undefined).map((stanza) => `${stanza.attrs.from} ${stanza.attrs.to} ${stanza.getChild('x', 'vcard-temp:x:update')!.getChildText('photo')}`);

  test('says whether there is a picture and which, to those who follow and again when it is another', async () => {
    const followed = await stage.receive(`<presence type='subscribe' from='bob@far.test' to='alice@social.test'/>`);
    expect(photos(followed)).toEqual(['alice@social.test/social bob@far.test ']);

    await setPicture(stage.ctx, alice, 'avatar', await red());
    await stage.runJobs();
    const [vcard] = (await stage.receive(iq('bob@far.test/x', 'get', `<vCard xmlns='vcard-temp'/>`))).slice(-1);
    const hash = createHash('sha1').update(Buffer.from(vcard!.getChild('vCard')!.getChild('PHOTO')!.getChildText('BINVAL')!, 'base64')).digest('hex');
    expect(photos(await stage.receive(`<presence type='probe' from='bob@far.test' to='alice@social.test'/>`))).toEqual([`alice@social.test/social bob@far.test ${hash}`]);

    await removePicture(stage.ctx, alice, 'avatar');
    await stage.runJobs();
    expect(photos(stage.take())).toEqual(['alice@social.test/social bob@far.test ']);
  });

  test('is not sent again for anything else, nor to strangers', async () => {
    await stage.receive(`<presence type='subscribe' from='bob@far.test' to='alice@social.test'/>`);
    await changeProfile(stage.ctx, alice, { displayName: 'Alice M.' });
    await setPicture(stage.ctx, alice, 'banner', await red());
    await stage.runJobs();
    expect(photos(stage.take())).toEqual([]);
    expect(photos(await stage.receive(`<presence type='probe' from='eve@far.test' to='alice@social.test'/>`))).toEqual([]);
  });
});
