import type { OwnerAddressView } from '../../services/owner-addresses.js';
import type { Faults } from '../forms.js';
import { useVisit } from '../visit.js';
import { Field, PostForm } from '../views/parts.js';
import { SettingsPage } from './settings.js';

interface Props {
  addresses: OwnerAddressView[];
  /** Those whose own feed becomes posts. */
  sources: string[];
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
        <ul class="people">
          {addresses.map((one) => (
            <li key={one.jid}>
              <div class="people__who">
                <strong>{one.jid}</strong>
                {sources.includes(one.jid) && <p class="small">{words.isSource}</p>}
                <p class="small quiet">{one.error && one.state === 'asked' ? words.failed(one.error) : words.states[one.state]}</p>
              </div>
              <div class="people__acts">
                {(one.state === 'chat' || one.state === 'linked') && (
                  <PostForm action="/settings/addresses/source">
                    <input type="hidden" name="address" value={one.jid} />
                    <input type="hidden" name="on" value={sources.includes(one.jid) ? 'no' : 'yes'} />
                    <button class="btn">{sources.includes(one.jid) ? words.sourceOff : words.sourceOn}</button>
                  </PostForm>
                )}
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
