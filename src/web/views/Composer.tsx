import type { Audience } from '../../domain/activity.js';
import { type Faults, faultOf } from '../forms.js';
import type { Member } from '../visit.js';
import { useVisit } from '../visit.js';
import { Avatar, Icon, PostForm, startingBreak } from './parts.js';

export interface ComposerProps {
  /** Idempotency token of this form. */
  once: string;
  followers: number;
  contacts: number;
  text?: string;
  audience?: Audience['to'];
  faults?: Faults;
  /** The first post of all. */
  first?: boolean;
}

export function Composer({ once, followers, contacts, text = '', audience, faults, first = false }: ComposerProps) {
  const { t, account, actor } = useVisit() as Member;
  const chosen = audience ?? account.defaultAudience.to;
  const error = faultOf(faults, 'text') ?? faultOf(faults, 'audience');
  return (
    <PostForm action="/posts" class="composer" label={t.composer.label}>
      <input type="hidden" name="once" value={once} />
      <div class="composer__text">
        <Avatar actor={actor} />
        <div>
          <label class="sr" for="text">
            {t.composer.text}
          </label>
          {error && (
            <p class="field__error" id="text-error">
              <Icon name="warning" />
              <span>{error}</span>
            </p>
          )}
          <textarea
            id="text"
            name="text"
            rows={2}
            placeholder={first ? t.composer.placeholderFirst : t.composer.placeholder}
            required
            data-draft={`${account.username}:new`}
            aria-invalid={error ? 'true' : undefined}
            aria-describedby={error ? 'text-error' : undefined}
          >
            {startingBreak(text)}
          </textarea>
        </div>
      </div>
      <div class="composer__bar">
        <details class="audience">
          <summary>
            <Icon name="globe" />
            <span>
              {t.composer.who}{' '}
              <strong>
                <span data-for="public">{t.composer.publicWord}</span>
                <span data-for="contacts">{t.composer.contactsWord}</span>
              </strong>
            </span>
            <Icon name="down" />
          </summary>
          <fieldset class="audience__panel">
            <legend class="sr">{t.composer.whoLegend}</legend>
            <label class="choice">
              <input type="radio" name="audience" value="public" checked={chosen === 'public'} />
              {t.composer.public}
              <small>{t.composer.publicHelp}</small>
            </label>
            <label class="choice">
              <input type="radio" name="audience" value="contacts" checked={chosen !== 'public'} />
              {t.composer.contacts}
              <small>{t.composer.contactsHelp(contacts)}</small>
            </label>
          </fieldset>
        </details>
        <div class="end">
          <button class="btn btn--quiet" formAction="/posts/preview">
            {t.composer.preview}
          </button>
          <button class="btn btn--main">{t.composer.post}</button>
        </div>
      </div>
      <p class="reach">
        <span data-for="public">
          <b>{t.composer.reachPublic(followers)}</b> {t.composer.reachPublicMore(followers)}
        </span>
        <span data-for="contacts">
          <b>{t.composer.reachContacts(contacts)}</b> {t.composer.reachContactsMore(contacts)}
        </span>
      </p>
    </PostForm>
  );
}
