import type { Audience } from '../../domain/activity.js';
import type { PostView } from '../../services/stream.js';
import { useVisit } from '../visit.js';
import { Mark } from './parts.js';

export const deliveriesPath = (guid: string): string => `/posts/${guid}/deliveries`;

/** Where an own post has arrived. */
export function Delivery({ delivery: { total, arrived, failed }, audience, open }: { delivery: NonNullable<PostView['delivery']>; audience: Audience; open: boolean }) {
  const { t } = useVisit();
  const words = total === 0 ? (audience.to === 'public' ? t.post.deliveryNone : t.post.deliveryNoneClosed) : arrived === total ? t.post.deliveryAll(total) : t.post.delivery(arrived, total);
  const waiting = total - arrived - failed;
  return (
    <details class="delivery" open={open && total > 0}>
      <summary>
        <svg class="gauge" viewBox="0 0 96 6" aria-hidden="true">
          <rect class="rest" width="96" height="6" rx="3" fill="currentColor" />
          <rect width={total === 0 ? 96 : Math.round((96 * arrived) / total)} height="6" rx="3" fill="currentColor" />
        </svg>
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
            </li>
          )}
          <li>
            <Mark name="net-web" />
            <div>
              <strong>{t.post.yourPage}</strong>
              <p class="quiet">
                {audience.to === 'public' ? t.post.pageThere : t.post.pageClosed}
                {total === 0 && ` ${t.post.deliveryNoneMore}`}
              </p>
            </div>
            <span class="good">{t.post.there}</span>
          </li>
        </ul>
      </div>
    </details>
  );
}
