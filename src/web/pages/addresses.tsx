import type { OwnerAddressView } from '../../services/owner-addresses.js';
import type { SourceState } from '../../services/sources.js';
import type { Faults } from '../forms.js';
import { useVisit } from '../visit.js';
import { Field, PostForm } from '../views/parts.js';
import { SettingsPage } from './settings.js';

interface Props {
  addresses: OwnerAddressView[];
  /** Those whose own feed becomes posts, and how it stands. */
  sources: Map<string, SourceState>;
  notice?: string | undefined;
  faults?: Faults;
}

/** The chat addresses that speak for the account. */
export function AddressesPage({ addresses, sources, notice, faults }: Props) {
  const { t } = useVisit();
  const words = t.addresses;
  return (
    <SettingsPage place="addresses" text={words.text} notice={notice} faults={faults}>
      <section class="sheet" aria-labelledby="h-addresses">
        <h2 id="h-addresses">{words.heading}</h2>
        {addresses.length === 0 && <p class="quiet">{words.none}</p>}
        <ul class="people people--plain">
          {addresses.map((one) => ({ ...one, source: sources.get(one.jid) })).map(({ source, ...one }) => (
            <li key={one.jid}>
              <div class="people__who">
                <strong>{one.jid}</strong>
                {source && <p class="small">{words.sourceStates[source]}</p>}
                <p class="small quiet">{one.error && one.state === 'asked' ? words.failed(one.error) : words.states[one.state]}</p>
              </div>
              <div class="people__acts">
                {source && source !== 'on' && <SourceForm jid={one.jid} on="yes" label={words.sourceAgain} />}
                {(one.state === 'chat' || one.state === 'linked') && <SourceForm jid={one.jid} on={source ? 'no' : 'yes'} label={source ? words.sourceOff : words.sourceOn} />}
                {(one.state === 'expired' || (one.state === 'asked' && one.error)) && (
                  <PostForm action="/settings/addresses">
                    <input type="hidden" name="address" value={one.jid} />
                    <button class="btn">{words.again}</button>
                  </PostForm>
                )}
                {one.state !== 'chat' && (
                  <PostForm action="/settings/addresses/remove">
                    <input type="hidden" name="address" value={one.jid} />
                    <button class="btn btn--quiet bad">
                      {words.remove}
                      <span class="sr"> {one.jid}</span>
                    </button>
                  </PostForm>
                )}
              </div>
            </li>
          ))}
        </ul>
        <p class="small quiet">{words.sourceHelp}</p>
      </section>
      <section class="sheet" aria-labelledby="h-link">
        <h2 id="h-link">{words.link}</h2>
        <PostForm action="/settings/addresses" class="form">
          <Field name="address" label={words.address} help={words.help} faults={faults} value={faults?.values['address'] ?? ''} autocomplete="off" />
          <p>
            <button class="btn btn--main">{words.send}</button>
          </p>
        </PostForm>
      </section>
    </SettingsPage>
  );
}

const SourceForm = ({ jid, on, label }: { jid: string; on: 'yes' | 'no'; label: string }) => (
  <PostForm action="/settings/addresses/source">
    <input type="hidden" name="address" value={jid} />
    <input type="hidden" name="on" value={on} />
    <button class="btn">
      {label}
      <span class="sr"> {jid}</span>
    </button>
  </PostForm>
);
