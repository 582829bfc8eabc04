import type { Audience } from '../../domain/activity.js';
import type { AspectView } from '../../services/aspects.js';
import { useVisit } from '../visit.js';
import { Icon } from './parts.js';

/** The form's values of an audience, as `audience` says them (interface.md §5). */
export const ASPECT_VALUE = (id: number): string => `aspect:${id}`;

interface Props {
  chosen: Audience;
  aspects: AspectView[];
  error?: string;
  help: { public: string; contacts: string };
}

/**
 * The choice of who can see a post: everyone, all contacts, or some aspects, each of which can be ticked once "Some aspects" is chosen. That
 * radio's own value is empty: the ticked aspects count. (A script switches the hidden ones off; without it ticks beside another choice are an error.)
 */
export function AudienceChoice({ chosen, aspects, error, help }: Props) {
  const { t } = useVisit();
  const ticked = chosen.to === 'aspects' ? chosen.aspectIds : [];
  const describedBy = error ? 'audience-error' : undefined;
  return (
    <>
      {error && (
        <p class="field__error" id="audience-error">
          <Icon name="warning" />
          <span>{error}</span>
        </p>
      )}
      <label class="choice">
        <input type="radio" name="audience" value="public" id="audience" checked={chosen.to === 'public'} aria-describedby={describedBy} />
        {t.composer.public}
        <small>{help.public}</small>
      </label>
      <label class="choice">
        <input type="radio" name="audience" value="contacts" checked={chosen.to === 'contacts'} />
        {t.composer.contacts}
        <small>{help.contacts}</small>
      </label>
      {aspects.length > 0 || chosen.to === 'aspects' ? (
        <>
          <label class="choice">
            <input type="radio" name="audience" value="" checked={chosen.to === 'aspects'} />
            {t.composer.aspects}
            <small>{t.composer.aspectsHelp}</small>
          </label>
          <div class="audience__sub">
            {aspects.map(({ id, name, members }) => (
              <label class="choice" key={id}>
                <input type="checkbox" name="audience" value={ASPECT_VALUE(id)} checked={ticked.includes(id)} />
                <span>{t.composer.aspect(name, members)}</span>
              </label>
            ))}
            {aspects.length === 0 && <NewAspect />}
          </div>
        </>
      ) : (
        <NewAspect />
      )}
    </>
  );
}

const NewAspect = () => {
  const { t } = useVisit();
  return (
    <a class="btn btn--quiet small" href="/aspects">
      {t.composer.newAspect}
    </a>
  );
};
