// Which recipients go into which stanza, and what happens when the service will not have them.
import { NS } from '../../../src/formats/namespaces.js';
import { createLog } from '../../../src/log.js';
import { type Element, parseStanza, xml } from '../../../src/xml.js';
import { encodeEvent } from '../../../src/xmpp/codec/event.js';
import { decodeBounce, eventId } from '../../../src/xmpp/messages.js';
import { Multicast } from '../../../src/xmpp/multicast.js';
import { StanzaErrorReply, type Transport } from '../../../src/xmpp/transport.js';

const HOST = 'chat.test';
const SERVICE = 'multicast.chat.test';
const ACTIVITY = '019aa2f4c1d07b3e8f5a6c20d4e9b101';

const users = (count: number): string[] => Array.from({ length: count }, (_, index) => `u${index}@${HOST}`);
const event = (text = 'hello') => encodeEvent({ from: 'alice@social.test', id: eventId(ACTIVITY), node: NS.MICROBLOG, items: [{ id: 'a', payload: xml('entry', { xmlns: NS.ATOM }, text) }] });

const query = (xmlns: string, ...children: Element[]): Element => xml('iq', { type: 'result' }, xml('query', { xmlns }, ...children));
const feature = xml('feature', { var: NS.ADDRESS });
const limitForm = (value: string): Element =>
  xml(
    'x',
    { xmlns: NS.DATA, type: 'result' },
    xml('field', { var: 'FORM_TYPE', type: 'hidden' }, xml('value', null, NS.ADDRESS)),
    xml('field', { var: 'message' }, xml('value', null, value)),
  );
const failure = (condition: string): Element => xml('iq', { type: 'error' }, xml('error', { type: 'cancel' }, xml(condition, { xmlns: NS.STANZAS })));

/** A server as its questions are answered: by address and namespace. Who is not there says so. */
type Answers = Record<string, () => Element | Promise<Element>>;
const ejabberd = (limit?: string): Answers => ({
  [`${HOST} ${NS.DISCO_INFO}`]: () => query(NS.DISCO_INFO),
  [`${HOST} ${NS.DISCO_ITEMS}`]: () => query(NS.DISCO_ITEMS, ...['pubsub.chat.test', SERVICE, 'social.test', 'romeo@chat.test', 'multicast.elsewhere.test'].map((jid) => xml('item', { jid }))),
  [`${SERVICE} ${NS.DISCO_INFO}`]: () => query(NS.DISCO_INFO, feature, ...(limit === undefined ? [] : [limitForm(limit)])),
  [`multicast.elsewhere.test ${NS.DISCO_INFO}`]: () => query(NS.DISCO_INFO, feature),
});

function open(answers: Answers) {
  let now = 1_000;
  const sent: Element[] = [];
  const asked: string[] = [];
  const watched = new Map<string, { from: string; heard: (stanza: Element) => void }>();
  const transport = {
    online: true,
    crowded: false,
    sendRaw: (text: string) => void sent.push(parseStanza(text)),
    watch: (id: string, from: string, heard: (stanza: Element) => void) => {
      watched.set(id, { from, heard });
      return () => void watched.delete(id);
    },
    request: async (iq: Element) => {
      const key = `${iq.attrs.to} ${iq.getChildElements()[0]!.getNS()}`;
      asked.push(key);
      const answer = await (answers[key] ?? (() => failure('item-not-found')))();
      if (answer.attrs.type === 'error') throw new StanzaErrorReply(answer);
      return answer;
    },
  };
  const learned: string[] = [];
  const multicast = new Multicast({
    transport: transport as unknown as Transport,
    domain: 'social.test',
    log: createLog('silent'),
    now: () => now,
    learned: (host, multiplies) => void learned.push(`${host} ${multiplies}`),
  });
  const late: string[] = [];
  return {
    answers,
    sent,
    asked,
    late,
    learned,
    watched,
    multicast,
    transport,
    send: (recipients: string[], stanza = event()) => multicast.send(HOST, stanza, recipients, (some, condition) => late.push(...some, condition)),
    /** The service refuses what was sent at that place. */
    refuse: (index: number, condition = 'not-acceptable') => {
      const { id, to } = sent[index]!.attrs;
      const watch = watched.get(id!)!;
      expect(watch.from).toBe(to);
      watch.heard(xml('message', { type: 'error', id, from: to }, xml('error', { type: 'modify' }, xml(condition, { xmlns: NS.STANZAS }))));
    },
    later: (ms: number) => {
      now += ms;
    },
  };
}

const addressesOf = (stanza: Element): { type?: string; jid?: string }[] => stanza.getChild('addresses', NS.ADDRESS)!.getChildren('address').map(({ attrs }) => attrs);

describe('with a service that takes as many as one likes', () => {
  test('250 recipients go out in three stanzas of a hundred at most, each of them bcc, with the event and an id of its own', async () => {
    const { send, sent } = open(ejabberd('infinite'));
    expect(await send(users(250))).toEqual([]);
    expect(sent.map((stanza) => addressesOf(stanza).length)).toEqual([100, 100, 50]);
    expect(sent.flatMap(addressesOf)).toEqual(users(250).map((jid) => ({ type: 'bcc', jid })));
    expect(new Set(sent.map(({ attrs }) => attrs.id)).size).toBe(3);
    for (const stanza of sent) {
      expect(stanza.attrs).toMatchObject({ from: 'alice@social.test', to: SERVICE, type: 'headline' });
      expect(stanza.getChild('event', NS.PUBSUB_EVENT)!.toString()).toBe(parseStanza(event().toString()).getChild('event')!.toString());
    }
  });

  test('an error for one recipient is a bounce of that activity', async () => {
    const { send, sent } = open(ejabberd('infinite'));
    await send(users(3));
    const bounce = xml('message', { type: 'error', id: sent[0]!.attrs.id, from: 'u1@chat.test' }, xml('error', null, xml('gone', { xmlns: NS.STANZAS })));
    expect(decodeBounce(bounce)).toEqual({ activityId: ACTIVITY, condition: 'gone' });
  });

  test('two get single stanzas, and nobody is asked for them', async () => {
    const { send, sent, asked } = open(ejabberd('infinite'));
    expect(await send(users(2))).toEqual(users(2));
    expect([sent, asked]).toEqual([[], []]);
  });

  test('addresses with characters of XML arrive as they were', async () => {
    const { send, sent } = open(ejabberd('infinite'));
    const jids = [`a@${HOST}/<&"'>`, `b@${HOST}/ü\u{1F600}`, `c@${HOST}/x y`];
    await send(jids);
    expect(addressesOf(sent[0]!).map(({ jid }) => jid)).toEqual(jids);
  });

  test('a post that would be too large with the addresses goes out one by one', async () => {
    const { send, sent } = open(ejabberd('infinite'));
    expect(await send(users(5), event('x'.repeat(200_000)))).toEqual(users(5));
    expect(sent).toEqual([]);
  });

  test('it is found once, and looked for again after an hour, during which nobody waits', async () => {
    const { send, asked, later } = open(ejabberd('infinite'));
    await send(users(3));
    const first = asked.length;
    await send(users(3));
    expect(asked.slice(first)).toEqual([`${SERVICE} ${NS.DISCO_INFO}`]); // the barrier
    later(3_700_000);
    expect(await send(users(3))).toEqual([]);
    expect(asked.slice(first + 1)).toContain(`${HOST} ${NS.DISCO_INFO}`);
  });
});

test('a service that tells its limit gets no more, one that tells none gets twenty', async () => {
  for (const [limit, sizes] of [['7', [7, 7, 7, 4]], [undefined, [20, 5]], ['5000', [25]]] as const) {
    const { send, sent } = open(ejabberd(limit));
    await send(users(25));
    expect(sent.map((stanza) => addressesOf(stanza).length)).toEqual(sizes);
  }
});

test('the host itself may be the service', async () => {
  const { send, sent } = open({ [`${HOST} ${NS.DISCO_INFO}`]: () => query(NS.DISCO_INFO, feature, limitForm('1000')) });
  expect(await send(users(3))).toEqual([]);
  expect(sent[0]!.attrs.to).toBe(HOST);
});

test('a service of another domain that the host lists is not trusted with addresses', async () => {
  const answers = ejabberd();
  delete answers[`${SERVICE} ${NS.DISCO_INFO}`];
  const { send, asked } = open(answers);
  expect(await send(users(3))).toEqual(users(3));
  expect(asked.filter((key) => key.startsWith('multicast.elsewhere.test') || key.startsWith('social.test'))).toEqual([]);
});

test('what one stanza’s refusal leaves is returned, the others count as sent, and from then on the host gets single stanzas', async () => {
  const stage = open(ejabberd('infinite'));
  const inTime = stage.answers[`${SERVICE} ${NS.DISCO_INFO}`]!;
  await stage.send(users(3));
  stage.answers[`${SERVICE} ${NS.DISCO_INFO}`] = () => {
    stage.refuse(2); // the second of two that follow
    return inTime();
  };
  expect(await stage.send(users(150))).toEqual(users(150).slice(100));
  expect(stage.watched.size).toBe(0);
  expect(await stage.send(users(3))).toEqual(users(3));
  stage.later(3_700_000);
  stage.answers[`${SERVICE} ${NS.DISCO_INFO}`] = inTime;
  expect(await stage.send(users(3))).toEqual([]);
});

test('a service that does not answer in time counts as having it; an error after all says who has not got it', async () => {
  const stage = open(ejabberd('infinite'));
  await stage.send(users(3));
  stage.answers[`${SERVICE} ${NS.DISCO_INFO}`] = () => Promise.reject(new Error('no answer'));
  expect(await stage.send(users(4))).toEqual([]);
  expect(stage.late).toEqual([]);
  stage.refuse(1, 'remote-server-timeout');
  expect(stage.late).toEqual([...users(4), 'remote-server-timeout']);
});

test('of a host with many recipients it is told whether it multiplies: once an hour, when it refuses, and not when it was silent', async () => {
  const stage = open(ejabberd('infinite'));
  await stage.send(users(3));
  expect(stage.learned).toEqual([]);
  for (let i = 0; i < 3; i++) await stage.send(users(60));
  expect(stage.learned.splice(0)).toEqual([`${HOST} true`]);
  const { length } = stage.sent;
  await stage.send(users(60));
  stage.later(3_700_000);
  stage.answers[`${SERVICE} ${NS.DISCO_INFO}`] = () => {
    stage.refuse(length + 1);
    return query(NS.DISCO_INFO);
  };
  await stage.send(users(60));
  await stage.send(users(60));
  expect(stage.learned.splice(0)).toEqual([`${HOST} false`]);
  const silent = open({ [`${HOST} ${NS.DISCO_INFO}`]: () => failure('remote-server-timeout') });
  await silent.send(users(60));
  expect(silent.learned).toEqual([]);
});

test('a connection that is lost before the answer is an error, and nothing is watched any more', async () => {
  const stage = open(ejabberd('infinite'));
  await stage.send(users(3));
  stage.answers[`${SERVICE} ${NS.DISCO_INFO}`] = () => {
    stage.transport.online = false;
    return Promise.reject(new Error('lost'));
  };
  await expect(stage.send(users(3))).rejects.toThrow('lost');
  expect(stage.watched.size).toBe(0);
});

test('after a reconnect a host that had no service is asked again', async () => {
  const stage = open({});
  expect(await stage.send(users(3))).toEqual(users(3));
  stage.answers[`${HOST} ${NS.DISCO_INFO}`] = () => query(NS.DISCO_INFO, feature);
  expect(await stage.send(users(3))).toEqual(users(3));
  stage.multicast.lost();
  expect(await stage.send(users(3))).toEqual([]);
});
