// The XMPP folder without a server, for unit tests: a stanza goes in, what would be sent comes out.
//
//   const stage = await openStage();
//   const alice = await stage.account('alice');
//   const [reply] = await stage.receive(`<iq type='get' id='1' from='bob@chat.test/x' to='alice@social.test'>…</iq>`);
import type { Account } from '../../src/domain/account.js';
import { DeliveryError } from '../../src/domain/errors.js';
import type { Job } from '../../src/domain/job.js';
import type { Protocol } from '../../src/domain/protocol.js';
import { createAccount } from '../../src/services/accounts.js';
import type { Store } from '../../src/store/database.js';
import { type Element, parseStanza } from '../../src/xml.js';
import { Dispatcher } from '../../src/xmpp/dispatch.js';
import type { Inbound } from '../../src/xmpp/inbound/index.js';
import { assemble, type Xmpp } from '../../src/xmpp/index.js';
import { StanzaErrorReply, type Transport } from '../../src/xmpp/transport.js';
import { type TestContext, testContext } from './context.js';

export interface Stage {
  ctx: TestContext;
  dispatcher: Dispatcher;
  protocol: Protocol;
  handlers: Xmpp['handlers'];
  inbound: Inbound;
  /** Everything sent so far, as text; `take` empties it. */
  sent: string[];
  take(): Element[];
  account(username: string): Promise<Account & { jid: string }>;
  /** Hands a stanza in, waits until it is handled and the jobs that it left have run; what was sent meanwhile. */
  receive(stanza: string | Element): Promise<Element[]>;
  /** Runs the waiting XMPP jobs `reconcile-presence` and `profile-changed`. */
  runJobs(): Promise<void>;
  /** The connection is there, or there again. */
  online(): void;
  /** How a request of ours to someone (disco#info) is answered; by default nobody answers. */
  answer(respond: (iq: Element) => Element | null): void;
  /** An error for a message of ours whose sender waits for one, by that message's id. */
  refuse(id: string, condition: string): void;
  close(): Promise<void>;
}

/** @param store of another database, which the test closes itself */
export async function openStage(env: Record<string, string> = {}, store?: Store): Promise<Stage> {
  const ctx = await testContext(env, store);
  const sent: string[] = [];
  let respond: (iq: Element) => Element | null = () => null;
  const watched = new Map<string, (condition: string) => void>();
  const { serialize, xml } = await import('../../src/xml.js');
  const transport = {
    online: true,
    crowded: false,
    isPaused: false,
    bytesRead: 0,
    pause: () => {},
    resume: () => {},
    send: (stanza: Element) => void sent.push(serialize(stanza)),
    sendRaw: (text: string) => void sent.push(text),
    roomy: async () => {},
    barrier: async () => {},
    watch: (id: string, from: string, heard: (stanza: Element) => void) => {
      watched.set(id, (condition) => heard(xml('message', { type: 'error', id, from }, xml('error', { type: 'cancel' }, xml(condition, { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' })))));
      return () => void watched.delete(id);
    },
    request: async (iq: Element) => {
      const answer = respond(iq);
      if (!answer) throw new Error('nobody answers');
      if (answer.attrs.type === 'error') throw new StanzaErrorReply(answer);
      return answer;
    },
  } as unknown as Transport;
  const { stanzas, protocol, handlers, inbound, on } = assemble(ctx, transport);
  const dispatcher = new Dispatcher(ctx.config.domain, stanzas, (stanza) => transport.send(stanza), ctx.log);
  const stage: Stage = {
    ctx,
    dispatcher,
    protocol,
    handlers,
    inbound,
    sent,
    take: () => sent.splice(0).map(parseStanza),
    account: async (username) => {
      const { account } = await createAccount(ctx, { username, email: `${username}@mail.test` });
      return { ...account, jid: `${username}@${ctx.config.domain}` };
    },
    receive: async (stanza) => {
      dispatcher.take(typeof stanza === 'string' ? parseStanza(stanza) : stanza);
      await dispatcher.settled();
      await inbound.settled();
      await stage.runJobs();
      // What follows presence is not waited for by its sender.
      await new Promise((resolve) => setImmediate(resolve));
      return stage.take();
    },
    runJobs: async () => {
      for (;;) {
        const rows = await ctx.store.query<{ id: number; kind: Job['kind']; payload: string }>("select id, kind, payload from jobs where queue = 'xmpp' and kind <> 'deliver' order by id");
        if (rows.length === 0) return;
        for (const { id, kind, payload } of rows) {
          await ctx.store.transaction((tx) => tx.query('delete from jobs where id = ?', [id]));
          await handlers[kind as keyof Xmpp['handlers']]({ kind, payload: JSON.parse(payload) } as never).catch((error) => {
            if (!(error instanceof DeliveryError)) throw error; // the worker would try again later
          });
        }
      }
    },
    online: () => on.online(),
    answer: (next) => {
      respond = next;
    },
    refuse: (id, condition) => watched.get(id)!(condition),
    close: () => ctx.close(),
  };
  return stage;
}
