import { useVisit } from '../visit.js';
import { Address, Mark } from './parts.js';

/** The own address, ready to be given away, beside a page. */
export function OwnAddress() {
  const { t, account, site } = useVisit();
  if (!account) return null;
  return (
    <section aria-labelledby="s-adr">
      <h2 id="s-adr">{t.stream.addressHeading}</h2>
      <div class="stack">
        <p class="address">
          <Address local={account.username} domain={site.domain} copy={t.person.copy} icon />
        </p>
        <ul class="three">
          <li>
            <Mark name="net-chat" />
            <p>{t.stream.anyChat}</p>
          </li>
          <li>
            <Mark name="net-web" />
            <p>
              {t.stream.publicPageBefore}
              <a href={`/u/${account.username}`}>{t.stream.publicPage}</a>
              {t.stream.publicPageAfter}
            </p>
          </li>
        </ul>
      </div>
    </section>
  );
}

export const SideText = ({ id, heading, children }: { id: string; heading: string; children: string }) => (
  <section aria-labelledby={id}>
    <h2 id={id}>{heading}</h2>
    <p class="small quiet">{children}</p>
  </section>
);
