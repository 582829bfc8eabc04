import type { AspectView } from '../../services/aspects.js';
import { type Faults, faultOf } from '../forms.js';
import { useVisit } from '../visit.js';
import { Address, Field, Help, Icon, Mark } from './parts.js';

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

interface LookUpProps {
  aspects?: AspectView[];
  /** The aspect that is chosen. */
  into?: number | undefined;
  faults?: Faults | undefined;
}

/** The one field for any address: it leads to the person's page, where one decides. */
export function LookUp({ aspects = [], into, faults }: LookUpProps) {
  const { t } = useVisit();
  return (
    <form method="get" action="/people" class={aspects.length > 0 ? 'inline-form inline-form--3' : 'inline-form'}>
      <Field name="address" label={t.contacts.address} help={t.contacts.addressHelp} faults={faults} autocomplete="off" plain inline />
      {aspects.length > 0 && <AspectField aspects={aspects} into={into} error={faultOf(faults, 'aspect')} />}
      <button class="btn btn--main">{t.contacts.addButton}</button>
      <Help of="address">{t.contacts.addressHelp}</Help>
    </form>
  );
}

const AspectField = ({ aspects, into, error }: { aspects: AspectView[]; into: number | undefined; error: string | undefined }) => {
  const { t } = useVisit();
  return (
    <div class={error ? 'field field--bad' : 'field'}>
      <label for="aspect">{t.contacts.aspect}</label>
      {error && (
        <p class="field__error" id="aspect-error">
          <Icon name="warning" />
          <span>{error}</span>
        </p>
      )}
      <select id="aspect" name="aspect" aria-describedby={error ? 'aspect-error' : undefined}>
        <option value="">{t.contacts.noAspect}</option>
        {aspects.map(({ id, name }) => (
          <option key={id} value={id} selected={id === into}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
};

/** The same, beside a page. */
export function FindSomeone() {
  const { t } = useVisit();
  return (
    <section aria-labelledby="s-find">
      <h2 id="s-find">{t.stream.find}</h2>
      <form method="get" action="/people" class="find">
        <label class="sr" for="find">
          {t.stream.findLabel}
        </label>
        <input class="input" id="find" name="address" placeholder={t.stream.findPlaceholder} autocomplete="off" autocapitalize="none" spellcheck={false} required />
        <button class="btn btn--icon" title={t.stream.findButton}>
          <Icon name="search" />
          <span class="sr">{t.stream.findButton}</span>
        </button>
      </form>
    </section>
  );
}
