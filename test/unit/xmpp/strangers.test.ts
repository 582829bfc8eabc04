import { findActorByAddress } from '../../../src/store/actors.js';
import { openStage, type Stage } from '../../support/xmpp-stage.js';

const SUBSCRIBE = (n: number) =>
  `<iq type='set' id='s${n}' from='p${n}@flood.test/x' to='alice@social.test'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='urn:xmpp:microblog:0' jid='p${n}@flood.test'/></pubsub></iq>`;

describe('a server that makes up people', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage({ DX_RATE_LIMITS: 'on' });
    await stage.account('alice');
    for (let n = 0; n < 2_000; n++) await stage.receive(SUBSCRIBE(n));
    stage.take();
  }, 120_000);
  afterAll(() => stage.close());

  test('is told to wait, by its subscriptions', async () => {
    const [reply] = await stage.receive(SUBSCRIBE(2_000));
    expect(reply!.attrs.type).toBe('error');
    expect(reply!.getChild('error')!.attrs.type).toBe('wait');
    expect(await findActorByAddress(stage.ctx.store, 'xmpp', 'p2000@flood.test')).toBeNull();
  });

  test('is not listened to, by its presence', async () => {
    await stage.receive(`<presence type='subscribe' from='q@flood.test' to='alice@social.test'/>`);
    expect(await findActorByAddress(stage.ctx.store, 'xmpp', 'q@flood.test')).toBeNull();
  });

  test('does not keep people of other servers out', async () => {
    const replies = await stage.receive(SUBSCRIBE(1).replaceAll('flood.test', 'good.test'));
    expect(replies.find((reply) => reply.is('iq'))!.attrs.type).toBe('result');
  });

  test('still lets those act who are known', async () => {
    const [reply] = await stage.receive(SUBSCRIBE(7));
    expect(reply!.attrs.type).toBe('result');
  });
});
