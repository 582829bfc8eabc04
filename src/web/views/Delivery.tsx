import type { Audience } from '../../domain/activity.js';
import { MAX_AGE_MS } from '../../domain/job.js';
import type { DeliveryLine } from '../../services/own-deliveries.js';
import type { PostView } from '../../services/stream.js';
import { useVisit } from '../visit.js';
import { Ago, dateOf, Icon, In, Mark, PostForm } from './parts.js';

export const deliveriesPath = (guid: string): string => `/posts/${guid}/deliveries`;

interface Props {
  view: Pick<PostView, 'post'> & { delivery: NonNullable<PostView['delivery']> };
  open: boolean;
  /** Some of the servers where it has not arrived. */
  late?: DeliveryLine[] | undefined;
}

/** Where an own post has arrived. */
export function Delivery({ view: { post, delivery }, open, late = [] }: Props) {
  const { t } = useVisit();
  const { total, arrived, failed } = delivery;
  const audience: Audience['to'] = post.audience.to;
  const words = total === 0 ? (audience === 'public' ? t.post.deliveryNone : t.post.deliveryNoneClosed) : arrived === total ? t.post.deliveryAll(total) : t.post.delivery(arrived, total);
  const waiting = total - arrived - failed;
  return (
    <details class="delivery" open={open && total > 0}>
      <summary>
        <Gauge arrived={total === 0 ? 1 : arrived} total={total === 0 ? 1 : total} />
        <span>{words}</span>
        <span class="delivery__more">
          <span class="is-closed">{t.post.details}</span>
          <span class="is-open">{t.post.close}</span>
        </span>
      </summary>
      <div class="delivery__body">
        <ul class="ways">
          {total > 0 && (
            <li>
              <Mark name="net-chat" />
              <div>
                <strong>{t.post.chat}</strong>
                {arrived === total && <p class="quiet">{t.post.chatAll}</p>}
                {waiting > 0 && <p class="quiet">{t.post.chatWaiting(waiting)}</p>}
                {failed > 0 && <p class="bad">{t.post.chatFailed(failed)}</p>}
              </div>
              <span class={arrived === total ? 'num good' : 'num'}>{t.post.of(arrived, total)}</span>
              {late.length > 0 && <Late guid={post.guid} lines={late} />}
            </li>
          )}
          <li>
            <Mark name="net-web" />
            <div>
              <strong>{t.post.yourPage}</strong>
              <p class="quiet">
                {audience === 'public' ? t.post.pageThere : t.post.pageClosed}
                {total === 0 && ` ${t.post.deliveryNoneMore}`}
              </p>
            </div>
            <span class="good">{t.post.there}</span>
          </li>
        </ul>
        {total > 0 && (
          <p>
            <a href={deliveriesPath(post.guid)}>{t.post.deliveryEach}</a>
          </p>
        )}
      </div>
    </details>
  );
}

export const Gauge = ({ arrived, total }: { arrived: number; total: number }) => (
  <svg class="gauge" viewBox="0 0 96 6" aria-hidden="true">
    <rect class="rest" width="96" height="6" rx="3" fill="currentColor" />
    <rect width={Math.round((96 * arrived) / total)} height="6" rx="3" fill="currentColor" />
  </svg>
);

/** Servers where it has not arrived: why, and what becomes of it. */
export function Late({ guid, lines }: { guid: string; lines: DeliveryLine[] }) {
  const { t } = useVisit();
  return (
    <ul class="late">
      {lines.map((line) => (
        <li key={`${line.protocol} ${line.host}`}>
          <span>
            <bdi>{line.host}</bdi>
            <Fate line={line} />
          </span>
          {line.state === 'given-up' ? (
            <PostForm action={`${deliveriesPath(guid)}/retry`}>
              <input type="hidden" name="network" value={line.protocol} />
              <input type="hidden" name="server" value={line.host} />
              <button class="btn">
                <Icon name="retry" />
                {t.deliveries.retry}
                <span class="sr">{t.deliveries.retryFor(line.host)}</span>
              </button>
            </PostForm>
          ) : (
            <Icon name="clock" />
          )}
        </li>
      ))}
    </ul>
  );
}

function Fate({ line: { state, error, tries, at, since, nextTryAt, pausedSince } }: { line: DeliveryLine }) {
  const { t, now } = useVisit();
  const words = t.deliveries;
  // A sentence has spaces, a condition has none.
  const reason = error === null ? '' : (words.reasons[error] ?? (error.includes(' ') ? error : words.reasonUnknown));
  if (state === 'given-up') {
    return (
      <span class="bad">
        {reason} {words.givenUp} <Ago at={at} clock />.
      </span>
    );
  }
  if (pausedSince !== null) return <span class="quiet">{words.paused}</span>;
  if (tries === 0) return <span class="quiet">{words.underway}</span>;
  return (
    <span class="quiet">
      {reason} {words.tries(tries)}
      {nextTryAt !== null && nextTryAt > now ? (
        <>
          {words.next} <In at={nextTryAt} />
        </>
      ) : (
        words.nextNow
      )}
      . {words.until(dateOf(since + MAX_AGE_MS, t.locale))}
    </span>
  );
}
