// RFC 6121 §5. Nobody chats at a social address; a message that a person wrote is answered, never dropped in silence.
import { NS } from '../formats/namespaces.js';
import { type Element, xml } from '../xml.js';
import type { Jid } from './addresses.js';
import { encodeError, StanzaError } from './errors.js';

const NOTICE = 'Chat messages are not read at this address.';

/** Whether anybody lives at the address or not, the answer is the same. */
export const refuseChat = (stanza: Element, to: Jid, from: Jid): Element | null => {
  const { type = 'normal', id } = stanza.attrs;
  // Events, receipts and chat states have no body; headlines and errors are never answered (RFC 6121 §5.2.2). Forwarded copies
  // (XEP-0280, XEP-0297) and what claims to come with privileges (XEP-0356) is nothing to us, whoever sends it.
  if (type === 'error' || type === 'headline' || !stanza.getChild('body')) return null;
  const error = encodeError(new StanzaError('cancel', 'service-unavailable', null, NOTICE));
  return xml('message', { type: 'error', id, from: to.full, to: from.full }, error);
};

// Our events carry the activity's id: `e-ACTIVITY`, and one more part for each group that goes to a multicast service.
const EVENT_ID = /^e-([0-9a-f]{32})(?:\.[0-9a-z]+)?$/;
export const eventId = (activityId: string): string => `e-${activityId}`;

/** The condition of a stanza of type error (RFC 6120 §8.3.2). */
export const conditionOf = (stanza: Element): string =>
  stanza.getChild('error')?.getChildElements().find((child) => child.getNS() === NS.STANZAS && child.name !== 'text')?.getName() ?? 'undefined-condition';

const NOT_NOW = new Set(['remote-server-timeout', 'remote-server-not-found', 'internal-server-error', 'resource-constraint', 'recipient-unavailable', 'undefined-condition']);
/** Does the condition say nothing of what was asked for, because the way there, or the server, is at fault? */
export const isNotNow = (condition: string): boolean => NOT_NOW.has(condition);

/** RFC 6120 §8.3.3. What a stranger makes up is none of them. */
const CONDITIONS = new Set(
  (
    'bad-request conflict feature-not-implemented forbidden gone internal-server-error item-not-found jid-malformed not-acceptable not-allowed not-authorized policy-violation ' +
    'recipient-unavailable redirect registration-required remote-server-not-found remote-server-timeout resource-constraint service-unavailable subscription-required unexpected-request'
  ).split(' '),
);

/** The condition, if it is one: for what counts them, or shows them. */
export const knownConditionOf = (stanza: Element): string => {
  const condition = conditionOf(stanza);
  return CONDITIONS.has(condition) ? condition : 'undefined-condition';
};

/** An event of ours that came back. null: it is something else. */
export function decodeBounce(stanza: Element): { activityId: string; condition: string } | null {
  const match = stanza.attrs.type === 'error' ? EVENT_ID.exec(stanza.attrs.id ?? '') : null;
  return match && { activityId: match[1]!, condition: knownConditionOf(stanza) };
}
