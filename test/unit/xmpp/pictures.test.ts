// XEP-0084 User Avatar, XEP-0054, XEP-0292: the picture of someone of ours as XMPP clients set and read it.
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
  await stage.account('alice');
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
