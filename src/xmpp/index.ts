import { handleOf } from '../domain/actor.js';
import type { Job } from '../domain/job.js';
import type { Protocol } from '../domain/protocol.js';
import type { Context } from '../services/context.js';
import { noteMulticast } from '../store/limits.js';
import { type Connector, type ConnectorOptions, createConnector } from './connector.js';
import { discoHandlers } from './disco.js';
import type { Handlers, IqHandler } from './dispatch.js';
import { Feeds } from './feeds.js';
import { Inbound } from './inbound/index.js';
import { decodeBounce, refuseChat } from './messages.js';
import { Linking } from './linking.js';
import { Multicast } from './multicast.js';
import { InterestsOf } from './presence/interests.js';
import { KnownPresence } from './presence/known.js';
import { Presence } from './presence/subscriptions.js';
import { WarmUp } from './presence/warm-up.js';
import { hostsFor, isKeptElsewhere } from './pubsub/post-events.js';
import { FEED_NODES, PROFILE_NODES } from './pubsub/rules.js';
import { pubsubHandlers } from './pubsub/stanzas.js';
import { RemoteComments } from './remote-comments.js';
import { RemoteNodes } from './remote-nodes.js';
import { smallHandlers } from './small-requests.js';
import { Sources } from './sources.js';
import type { Transport } from './transport.js';

export type { Connector } from './connector.js';

type JobOf<K extends Job['kind']> = Extract<Job, { kind: K }>;

/** XMPP: a component that is the PEP service of every account (docs/architecture.md). */
export interface Xmpp {
  protocol: Protocol;
  connector: Connector;
  /** For the worker of the queue `xmpp`; its `deliver` calls `protocol.deliver`. */
  handlers: {
    'reconcile-presence': (job: JobOf<'reconcile-presence'>) => Promise<void>;
    'profile-changed': (job: JobOf<'profile-changed'>, signal?: AbortSignal) => Promise<void>;
    'fetch-person': (job: JobOf<'fetch-person'>) => Promise<void>;
    'fetch-feed': (job: JobOf<'fetch-feed'>) => Promise<void>;
    'fetch-comments': (job: JobOf<'fetch-comments'>) => Promise<void>;
    'send-link-code': (job: JobOf<'send-link-code'>) => Promise<void>;
    'follow-source': (job: JobOf<'follow-source'>) => Promise<void>;
    'mirror-item': (job: JobOf<'mirror-item'>) => Promise<void>;
  };
}

/** All of this folder behind the connection. */
interface Parts extends Omit<Xmpp, 'connector'> {
  stanzas: Handlers;
  inbound: Inbound;
  on: { online(): void; offline(): void };
}

/** Puts together what handles stanzas and jobs. @param transport anything that sends (tests have none to a server) */
export function assemble(ctx: Context, transport: Transport): Parts {
  const known = new KnownPresence();
  const interests = new InterestsOf([...FEED_NODES, ...PROFILE_NODES], (iq, timeoutMs) => transport.request(iq, timeoutMs), ctx.log, ctx.now);
  const warmUp = new WarmUp();
  const learned = (host: string, multiplies: boolean) =>
    void ctx.store.transaction((tx) => noteMulticast(tx, host, multiplies, ctx.now()), { mayBeLost: true }).catch((err) => ctx.log.debug({ err, host }, 'not noted whether a host multiplies'));
  const multicast = new Multicast({ transport, domain: ctx.config.domain, log: ctx.log, now: ctx.now, learned });
  const feeds = new Feeds(ctx, { transport, known, interests, warmUp, multicast });
  const inbound = new Inbound(ctx, transport);
  const remoteNodes = new RemoteNodes(ctx, transport);
  const remoteComments = new RemoteComments(ctx, { asking: inbound.asking, intake: inbound.intake, isOnline: () => transport.online });
  inbound.read(remoteComments);
  const presence = new Presence(ctx, { transport, known, interests, warmUp, feeds, following: inbound.following });

  const sources = new Sources(ctx, { asking: inbound.asking, access: inbound.access, following: inbound.following, isOnline: () => transport.online });
  inbound.read(sources);
  const linking = new Linking(ctx, transport);

  const requests = Object.entries({ ...pubsubHandlers(ctx), ...discoHandlers(ctx), ...smallHandlers(ctx) });
  const showingUp =
    (handler: IqHandler): IqHandler =>
    async (request) => {
      await feeds.seen(request.to, request.from);
      return handler(request);
    };
  return {
    inbound,
    stanzas: {
      event: (message, to, from) => inbound.take(message, to, from),
      iq: Object.fromEntries(requests.map(([name, handler]) => [name, showingUp(handler)])),
      presence: async (stanza, to, from) => {
        await presence.handle(stanza, to, from);
        if (stanza.attrs.type !== 'error') await feeds.seen(to, from);
      },
      message: async (stanza, to, from) => {
        const bounce = decodeBounce(stanza);
        if (bounce) return feeds.bounced(bounce, to, from);
        if (await linking.take(stanza, to, from)) return;
        const answer = refuseChat(stanza, to, from);
        if (answer) transport.send(answer);
      },
    },
    on: {
      online: () => {
        void presence.rejoin().catch((error) => ctx.log.error({ err: error }, 'could not ask who is online'));
        void sources
          .load()
          .then(() => inbound.online())
          .catch((error) => ctx.log.error({ err: error }, 'could not read which feeds are sources'));
      },
      offline: () => {
        presence.lost();
        inbound.offline();
      },
    },
    protocol: {
      name: 'xmpp',
      addressOf: handleOf,
      hostsFor: (activity) => hostsFor(ctx, activity),
      deliver: async (activity, host, signal) =>
        (await isKeptElsewhere(ctx, activity)) ? { recipients: await remoteNodes.deliver(activity), resting: 0 } : feeds.deliver(activity, host, signal),
    },
    handlers: {
      'reconcile-presence': (job) => presence.reconcile(job.payload),
      'profile-changed': async ({ payload: { actorId, picture } }, signal) => {
        if (picture) await presence.pictureChanged(actorId);
        await feeds.profileChanged(actorId, signal);
      },
      'fetch-person': (job) => inbound.profiles.run(job.payload),
      'fetch-feed': (job) => inbound.following.run(job.payload),
      'fetch-comments': (job) => remoteComments.run(job.payload),
      'send-link-code': (job) => linking.send(job.payload),
      'follow-source': (job) => sources.follow(job.payload),
      'mirror-item': (job) => sources.mirror(job.payload),
    },
  };
}

/**
 * The protocol XMPP and its connection; connects to nothing before `connector.start()`.
 * @throws TypeError when the configuration names no component
 */
export function createXmpp(ctx: Context, options: ConnectorOptions = {}): Xmpp {
  const { connector, transport, attach } = createConnector(ctx, options);
  const { stanzas, on, protocol, handlers, inbound } = assemble(ctx, transport);
  attach(stanzas, on);
  const stop = async () => {
    await connector.stop();
    await inbound.stop();
  };
  return { protocol, connector: { ...connector, stop }, handlers };
}
