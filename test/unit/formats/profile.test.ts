import fc from 'fast-check';
import type { Actor } from '../../../src/domain/actor.js';
import { decodeAvatarData, decodeHasAvatar, decodeNick, encodeAvatarData, encodeAvatarMetadata, encodeNick } from '../../../src/formats/profile-nodes.js';
import { encodeVcardTemp } from '../../../src/formats/vcard-temp.js';
import { decodeVcard4, encodeVcard4 } from '../../../src/formats/vcard4.js';
import { cleanText, parseUntrusted, serialize, xml } from '../../../src/xml.js';

const actor = (displayName: string, summary: string): Actor => ({ id: 1, isLocal: true, username: 'alice', domain: 'social.test', profile: { displayName, summary, avatar: null, banner: null } });
const args = ['alice@social.test', 'https://social.test/u/alice'] as const;

test('a vCard 4 tells name, page, address and summary', () => {
  expect(serialize(encodeVcard4(actor('Alice & Co.', 'Tea'), ...args))).toBe(
    '<vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0"><fn><text>Alice &amp; Co.</text></fn><nickname><text>alice</text></nickname><url><uri>https://social.test/u/alice</uri></url>' +
      '<impp><uri>xmpp:alice@social.test</uri></impp><note><text>Tea</text></note></vcard>',
  );
});

test('a vcard-temp tells the same', () => {
  expect(serialize(encodeVcardTemp(actor('Alice & Co.', 'Tea'), ...args))).toBe(
    '<vCard xmlns="vcard-temp"><FN>Alice &amp; Co.</FN><NICKNAME>alice</NICKNAME><URL>https://social.test/u/alice</URL><JABBERID>alice@social.test</JABBERID><DESC>Tea</DESC></vCard>',
  );
});

test('who has no display name goes by the username, and no summary is none', () => {
  expect(decodeVcard4(encodeVcard4(actor('', ''), ...args))).toEqual({ displayName: 'alice', summary: '' });
  expect(encodeVcard4(actor('', ''), ...args).getChild('note')).toBeUndefined();
  expect(encodeVcardTemp(actor('', ''), ...args).getChild('DESC')).toBeUndefined();
  expect(decodeNick(encodeNick(actor('', '')))).toBe('alice');
});

test('any profile is read back as it was written', () => {
  const text = fc.string({ unit: 'binary' }).map((value) => cleanText(value).trim());
  fc.assert(
    fc.property(text.filter((value) => value !== ''), text, (displayName, summary) => {
      expect(decodeVcard4(parseUntrusted(serialize(encodeVcard4(actor(displayName, summary), ...args))))).toEqual({ displayName, summary });
      expect(decodeNick(parseUntrusted(serialize(encodeNick(actor(displayName, summary)))))).toBe(displayName);
      expect(parseUntrusted(serialize(encodeVcardTemp(actor(displayName, summary), ...args))).getChildText('FN')!.trim()).toBe(displayName);
    }),
  );
});

test('no avatar is said by empty metadata', () => {
  expect(serialize(encodeAvatarMetadata(null))).toBe('<metadata xmlns="urn:xmpp:avatar:metadata"/>');
  expect(decodeHasAvatar(encodeAvatarMetadata(null))).toBe(false);
});

test('what is something else is refused', () => {
  const other = xml('x', { xmlns: 'urn:x' });
  for (const decode of [decodeVcard4, decodeNick]) expect(() => decode(other)).toThrow(expect.objectContaining({ code: 'invalid' }));
});

test('a picture is told of by its hash, and its bytes come back as they were', () => {
  const info = { id: 'a'.repeat(40), mime: 'image/png', bytes: 5, width: 256, height: 256 };
  const metadata = encodeAvatarMetadata(info);
  expect(metadata.getChild('info')!.attrs).toMatchObject({ id: info.id, type: 'image/png', bytes: '5', width: '256', height: '256' });
  expect(decodeHasAvatar(metadata)).toBe(true);
  const bytes = Buffer.from([0, 1, 2, 250, 255]);
  expect(decodeAvatarData(parseUntrusted(serialize(encodeAvatarData(bytes))))).toEqual(bytes);
  for (const bad of ['', 'not base64!', '=aa']) expect(() => decodeAvatarData(parseUntrusted(`<data xmlns="urn:xmpp:avatar:data">${bad}</data>`))).toThrow('base64');
});

test('a vCard shows the picture: by its address, or, in the old form, whole', () => {
  const photo = { mime: 'image/png', url: 'https://social.test/media/a', data: Buffer.from('png') };
  expect(String(encodeVcard4(actor('Alice', ''), ...args, photo).getChild('photo')!.getChildText('uri'))).toBe(photo.url);
  const old = encodeVcardTemp(actor('Alice', ''), ...args, photo).getChild('PHOTO')!;
  expect([old.getChildText('TYPE'), old.getChildText('BINVAL')]).toEqual(['image/png', photo.data.toString('base64')]);
});
