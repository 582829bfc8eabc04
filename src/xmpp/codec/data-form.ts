// XEP-0004 Data Forms, version 2.13.1.
import { NS } from '../../formats/namespaces.js';
import { type Element, xml } from '../../xml.js';

export interface Field {
  name: string;
  type: 'hidden' | 'boolean' | 'text-single' | 'list-single' | 'jid-multi' | 'text-multi';
  values: string[];
  label?: string;
  options?: string[];
}

/** A form to fill in (`form`) or to read (`result`). */
export const encodeForm = (type: 'form' | 'result', formType: string, fields: Field[]): Element =>
  xml(
    'x',
    { xmlns: NS.DATA, type },
    xml('field', { var: 'FORM_TYPE', type: 'hidden' }, xml('value', null, formType)),
    fields.map(({ name, type: fieldType, values, label, options }) =>
      xml(
        'field',
        { var: name, type: fieldType, label: label ?? null },
        values.map((value) => xml('value', null, value)),
        options?.map((value) => xml('option', null, xml('value', null, value))),
      ),
    ),
  );

/** Field names to their values, of a form that was filled in. A field given twice counts once: the last. FORM_TYPE is one of them. */
export function decodeForm(form: Element): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const field of form.getChildren('field')) {
    const name = field.attrs.var;
    if (name) fields.set(name, field.getChildren('value').map((value) => value.getText().trim()));
  }
  return fields;
}

/** XEP-0004 §3.3: both forms of a boolean. null: neither. */
export const booleanOf = (value: string): boolean | null => (value === '1' || value === 'true' ? true : value === '0' || value === 'false' ? false : null);
