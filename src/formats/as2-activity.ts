// Activity Streams 2.0 activities as clients post them to an outbox (ActivityPub §6, client to server). Read by hand, as activitystreams2.ts does:
// no context that a stranger names is ever fetched.
import { DomainError } from '../domain/errors.js';
import { type DecodedNote, decodeNote, type JsonObject } from './activitystreams2.js';

/** What a client wants done. Objects are named by their IRI, as they stand in our own documents. */
export type Wish =
  | { do: 'create'; note: DecodedNote }
  | { do: 'update'; object: string; note: DecodedNote }
  | { do: 'delete' | 'like' | 'announce' | 'follow' | 'unlike' | 'unannounce' | 'unfollow'; object: string };

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const one = (value: unknown): unknown => (Array.isArray(value) ? value[0] : value);

/** ActivityPub §6.2.1: a bare object is the Create of it. */
const NOTES = new Set(['Note', 'Article']);
const ON_OBJECT = { Delete: 'delete', Like: 'like', Announce: 'announce', Follow: 'follow' } as const;
const UNDO = { Like: 'unlike', Announce: 'unannounce', Follow: 'unfollow' } as const;

const typeOf = (value: JsonObject): string => {
  const type = one(value.type);
  if (typeof type !== 'string') throw new DomainError('invalid', 'Say what it is: the member “type” is missing.', 'type');
  return type;
};

/** @throws DomainError invalid (field) */
function iriOf(value: unknown, field: string): string {
  const first = one(value);
  const iri = typeof first === 'string' ? first : isObject(first) ? first.id : undefined;
  if (typeof iri !== 'string' || iri.trim() === '' || iri.length > 4_096) throw new DomainError('invalid', 'Name one object here, by its id.', field);
  return iri.trim();
}

/** @throws DomainError invalid (field) */
function noteIn(value: unknown): DecodedNote {
  try {
    return decodeNote(one(value));
  } catch (error) {
    if (error instanceof DomainError && error.field === undefined) throw new DomainError(error.code, error.message, 'object');
    throw error;
  }
}

/**
 * Reads what was posted to an outbox: a Note or Article, or an activity with it or about something.
 * @throws DomainError invalid, too-large; the field names the member at fault
 */
export function decodeActivity(json: unknown): Wish {
  if (!isObject(json)) throw new DomainError('invalid', 'Send one Activity Streams object.');
  const type = typeOf(json);
  if (NOTES.has(type)) return { do: 'create', note: noteIn(json) };
  if (type === 'Create') return { do: 'create', note: noteIn(json) };
  if (type === 'Update') return { do: 'update', object: iriOf(json.object, 'object'), note: noteIn(json) };
  if (Object.hasOwn(ON_OBJECT, type)) return { do: ON_OBJECT[type as keyof typeof ON_OBJECT], object: iriOf(json.object, 'object') };
  if (type === 'Undo') {
    const undone = one(json.object);
    // ActivityPub wants the activity's id; clients that keep none send the activity itself.
    if (!isObject(undone)) throw new DomainError('invalid', 'Send the whole activity that shall be undone, with its type and object.', 'object');
    const undoneType = typeOf(undone);
    if (!Object.hasOwn(UNDO, undoneType)) throw new DomainError('invalid', 'Only a Like, an Announce or a Follow can be undone.', 'object');
    return { do: UNDO[undoneType as keyof typeof UNDO], object: iriOf(undone.object, 'object') };
  }
  throw new DomainError('invalid', 'This type of activity is not taken here: send a Note, Create, Update, Delete, Like, Announce, Follow or Undo.', 'type');
}
