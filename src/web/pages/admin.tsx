import type { QueueCount, ServerQueue } from '../../services/queue.js';
import type { Faults } from '../forms.js';
import { useVisit } from '../visit.js';
import { AppPage } from '../views/Layout.js';
import { Ago, Back, FaultSummary, Field, Help, Icon, In, Notice, PostForm } from '../views/parts.js';

interface QueueProps {
  kinds: QueueCount[];
  servers: ServerQueue[];
  notice?: string | undefined;
  faults?: Faults;
}

/** Servers on the page: what is wrong with more of them is wrong with us. */
const MOST = 200;

/** What waits, for the operator. */
export function QueuePage({ kinds, servers, notice, faults }: QueueProps) {
  const { t } = useVisit();
  const words = t.admin;
  const others = kinds.filter(({ kind, waiting, running, failed }) => kind !== 'deliver' && waiting + running + failed > 0);
  return (
    <AppPage title={words.title} faulty={!!faults} tab={null}>
      <div class="page-head">
        <h1>{words.title}</h1>
        <p>{words.lead}</p>
      </div>
      {notice && <Notice>{notice}</Notice>}
      <FaultSummary faults={faults} />
      {servers.length === 0 ? (
        <section class="sheet empty" aria-labelledby="h-none">
          <h2 id="h-none">{words.nothing}</h2>
          <p>{words.nothingText}</p>
        </section>
      ) : (
        <section class="sheet" aria-labelledby="h-servers">
          <h2 id="h-servers">{words.servers}</h2>
          <ul class="people people--plain">
            {servers.slice(0, MOST).map((server) => (
              <Server key={`${server.protocol} ${server.host}`} server={server} />
            ))}
          </ul>
          {servers.length > MOST && <p class="small quiet">{words.moreServers(MOST)}</p>}
        </section>
      )}
      {others.length > 0 && (
        <section class="sheet" aria-labelledby="h-kinds">
          <h2 id="h-kinds">{words.kinds}</h2>
          <table class="rows">
            <thead>
              <tr>
                <th scope="col">{words.kind}</th>
                <th scope="col">{words.states}</th>
              </tr>
            </thead>
            <tbody>
              {others.map(({ queue, kind, waiting, running, failed }) => (
                <tr key={`${queue} ${kind}`}>
                  <td>{words.kindNames[kind] ?? kind}</td>
                  <td>{[waiting > 0 && words.waiting(waiting), running > 0 && words.running(running), failed > 0 && words.failed(failed)].filter(Boolean).join(', ')}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <p class="small quiet">{words.kindsNote}</p>
        </section>
      )}
      <section class="sheet" aria-labelledby="h-pause">
        <h2 id="h-pause">{words.pauseAny}</h2>
        <PostForm action="/admin/queue/pause" class="inline-form">
          <Field name="server" label={words.server} help={words.pauseHelp} value="" faults={faults} autocomplete="off" plain inline />
          <button class="btn">{words.pause}</button>
          <Help of="server">{words.pauseHelp}</Help>
        </PostForm>
      </section>
    </AppPage>
  );
}

function Server({ server: { host, waiting, failed, oldestAgeMs, tries, nextTryAt, lastError, pausedSince } }: { server: ServerQueue }) {
  const { t, now } = useVisit();
  const words = t.admin;
  const counts = [waiting > 0 && words.waiting(waiting), failed > 0 && words.failed(failed)].filter(Boolean).join(', ');
  return (
    <li>
      <div class="people__who">
        <strong>
          <bdi>{host}</bdi>
        </strong>
        {counts !== '' && <p class="small">{counts}</p>}
        {waiting > 0 && (
          <p class="small quiet">
            {words.oldest} <Ago at={now - oldestAgeMs} clock />
            {tries > 0 && `, ${words.tries(tries)}`}
            {nextTryAt !== null && pausedSince === null && (
              <>
                , {words.next} <In at={nextTryAt} />
              </>
            )}
          </p>
        )}
        {pausedSince !== null && (
          <p class="people__state">
            <span class="tag tag--on">
              {words.paused} <Ago at={pausedSince} clock />
            </span>
          </p>
        )}
        {lastError !== null && <p class="small quiet">{lastError}</p>}
      </div>
      <div class="people__acts">
        {waiting + failed > 0 && pausedSince === null && (
          <Act name="retry" host={host} words={words.retry} icon="retry" />
        )}
        {pausedSince === null ? <Act name="pause" host={host} words={words.pause} /> : <Act name="resume" host={host} words={words.resume} />}
        {waiting + failed > 0 && (
          <a class="btn btn--quiet bad" href={`/admin/queue/drop?server=${encodeURIComponent(host)}`}>
            {words.drop}
            <span class="sr">{words.forServer(host)}</span>
          </a>
        )}
      </div>
    </li>
  );
}

const Act = ({ name, host, words, icon }: { name: string; host: string; words: string; icon?: string }) => (
  <PostForm action={`/admin/queue/${name}`}>
    <input type="hidden" name="server" value={host} />
    <button class="btn">
      {icon && <Icon name={icon} />}
      {words}
      <span class="sr">{useVisit().t.admin.forServer(host)}</span>
    </button>
  </PostForm>
);

/** Asks once more. */
export function DropServerPage({ server: { host, waiting, failed } }: { server: ServerQueue }) {
  const { t } = useVisit();
  const words = t.admin;
  return (
    <AppPage title={words.dropTitle(host)} tab={null}>
      <Back href="/admin/queue" words={words.back} />
      <div class="page-head">
        <h1>{words.dropTitle(host)}</h1>
        <p>{words.dropText(waiting, failed)}</p>
      </div>
      <PostForm action="/admin/queue/drop">
        <input type="hidden" name="server" value={host} />
        <p class="row">
          <button class="btn btn--bad">
            <Icon name="trash" />
            {words.dropButton}
          </button>
          <a class="btn btn--quiet" href="/admin/queue">
            {words.keep}
          </a>
        </p>
      </PostForm>
    </AppPage>
  );
}
