import type { AspectView } from '../../services/aspects.js';
import { useVisit } from '../visit.js';
import { Icon, PostForm } from './parts.js';

/** Aspects to tick, as fields `aspect` of the form around them. */
export function AspectChips({ aspects, ticked, legend }: { aspects: AspectView[]; ticked: readonly number[]; legend: string }) {
  const { t } = useVisit();
  return (
    <fieldset>
      <legend class="small quiet">{legend}</legend>
      <div class="aspects">
        {aspects.map(({ id, name }) => (
          <label class="chip" key={id}>
            <input type="checkbox" name="aspect" value={id} checked={ticked.includes(id)} />
            <Icon name="check" />
            {name}
          </label>
        ))}
        <a class="btn btn--quiet small" href="/aspects">
          {t.aspects.new}
        </a>
      </div>
    </fieldset>
  );
}

/** May they see what was posted before? */
export const OlderChoice = ({ words, help }: { words: string; help?: string }) => (
  <label class="choice">
    <input type="checkbox" name="older" value="yes" />
    {words}
    {help && <small>{help}</small>}
  </label>
);

/** The form that says in which aspects a contact is. @param from where to go afterwards */
export function AspectsForm({ id, name, aspects, ticked, from }: { id: number; name: string; aspects: AspectView[]; ticked: readonly number[]; from: 'person' | 'contact' }) {
  const { t } = useVisit();
  return (
    <PostForm action={`/contacts/${id}/aspects`} class="person__follow">
      <input type="hidden" name="from" value={from} />
      <AspectChips aspects={aspects} ticked={ticked} legend={t.aspects.legend(name)} />
      {aspects.length > 0 && (
        <>
          <OlderChoice words={t.aspects.olderNew} />
          <p>
            <button class="btn">{t.aspects.save}</button>
          </p>
        </>
      )}
    </PostForm>
  );
}
