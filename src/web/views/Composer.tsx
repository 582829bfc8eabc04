import type { Audience } from '../../domain/activity.js';
import type { AspectView } from '../../services/aspects.js';
import { type Faults, faultOf } from '../forms.js';
import type { Member } from '../visit.js';
import { useVisit } from '../visit.js';
import { AudienceChoice } from './AudienceChoice.js';
import { Avatar, Icon, PostForm, startingBreak } from './parts.js';

export interface ComposerProps {
  /** Idempotency token of this form. */
  once: string;
  followers: number;
  contacts: number;
  aspects: AspectView[];
  text?: string;
  audience?: Audience;
  faults?: Faults;
  /** The first post of all. */
  first?: boolean;
}

export function Composer({ once, followers, contacts, aspects, text = '', audience, faults, first = false }: ComposerProps) {
  const { t, account, actor } = useVisit() as Member;
  const chosen = audience ?? account.defaultAudience;
  const error = faultOf(faults, 'text');
  const audienceError = faultOf(faults, 'audience');
  /** Words for one choice. Which of them are seen follows the choice by CSS; `data-chosen` is for browsers that cannot do that. */
  const wordsFor = (to: Audience['to']) => ({ 'data-for': to, 'data-chosen': to === chosen.to ? '' : undefined });
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
        <details class="audience" open={audienceError !== undefined}>
          <summary>
            <Icon name="globe" />
            <span>
              {t.composer.who}{' '}
              <strong>
                <span {...wordsFor('public')}>{t.composer.publicWord}</span>
                <span {...wordsFor('contacts')}>{t.composer.contactsWord}</span>
                <span {...wordsFor('aspects')}>{t.composer.aspectsWord}</span>
              </strong>
            </span>
            <Icon name="down" />
          </summary>
          <fieldset class="audience__panel">
            <legend class="sr">{t.composer.whoLegend}</legend>
            <AudienceChoice chosen={chosen} aspects={aspects} error={audienceError} help={{ public: t.composer.publicHelp, contacts: t.composer.contactsHelp(contacts) }} />
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
        <span {...wordsFor('public')}>
          <b>{t.composer.reachPublic(followers)}</b> {t.composer.reachPublicMore(followers)}
        </span>
        <span {...wordsFor('contacts')}>
          <b>{t.composer.reachContacts(contacts)}</b> {t.composer.reachContactsMore(contacts)}
        </span>
        <span {...wordsFor('aspects')}>
          <b>{t.composer.reachAspects}</b> {t.composer.reachAspectsMore}
        </span>
      </p>
    </PostForm>
  );
}
