import type { Guid } from '../../domain/guid.js';
import type { DeliveryLine, OwnDeliveries } from '../../services/own-deliveries.js';
import { useVisit } from '../visit.js';
import { deliveriesPath, Gauge, Late } from '../views/Delivery.js';
import { AppPage } from '../views/Layout.js';
import { Ago, Back, Mark, Notice } from '../views/parts.js';

interface Props {
  guid: Guid;
  deliveries: OwnDeliveries;
  notice?: string | undefined;
}

/** Each server of a post, for its author. */
export function DeliveriesPage({ guid, deliveries: { verb, summary, late, moreLate, arrived, next }, notice }: Props) {
  const { t } = useVisit();
  const words = t.deliveries;
  return (
    <AppPage title={words.title} tab={null}>
      {verb === 'delete' ? <Back href="/" words={t.post.back} /> : <Back href={`/posts/${guid}`} words={t.comments.back} />}
      <div class="page-head">
        <h1>{words.title}</h1>
        <p>
          {words.of[verb]}: {words.summary(summary.arrived, summary.total)}
        </p>
        <Gauge arrived={summary.arrived} total={summary.total} />
      </div>
      {notice && <Notice>{notice}</Notice>}
      {late.length > 0 && (
        <section class="sheet ways" aria-labelledby="h-late">
          <h2 id="h-late">{words.late}</h2>
          <Late guid={guid} lines={late} />
          {moreLate && <p class="small quiet">{words.moreLate(late.length)}</p>}
        </section>
      )}
      {arrived.length > 0 && (
        <section class="sheet ways" aria-labelledby="h-arrived">
          <h2 id="h-arrived">{words.arrived}</h2>
          <ul class="late">
            {arrived.map((line) => (
              <li key={`${line.protocol} ${line.host}`}>
                <span>
                  <bdi>{line.host}</bdi>
                  <Arrived line={line} />
                </span>
                <span class="net">
                  <Mark name="net-chat" />
                  <span>{words.network[line.protocol]}</span>
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {next !== null && (
        <div class="older">
          <a class="btn" href={`${deliveriesPath(guid)}?after=${encodeURIComponent(next)}`} rel="next">
            {words.more}
          </a>
        </div>
      )}
    </AppPage>
  );
}

function Arrived({ line: { recipients, refused, at } }: { line: DeliveryLine }) {
  const { t } = useVisit();
  if (!recipients) return <span class="quiet">{t.deliveries.nobody}</span>;
  return (
    <span class="quiet">
      {t.deliveries.people(recipients)} <Ago at={at} clock />. {refused > 0 && t.deliveries.refused(refused)}
    </span>
  );
}
