// Every word that goes out by mail (English first). Facts that a text does not use may be ''.
import type { NotificationKind } from '../domain/notification.js';

/** What the texts speak about. Plain text; the page escapes it. */
export interface Facts {
  /** The social domain. */
  site: string;
  username: string;
  /** `alice@social.example.org` */
  handle: string;
  /** The link of the button. */
  url: string;
  /** `Sunday, 22 November, 10:40 UTC` */
  until: string;
  /** Another e-mail address than the receiver's. */
  email: string;
}

/** A paragraph: what is in `strong` stands out. */
export type Words = (string | { strong: string })[];

export interface MailText {
  subject: string;
  /** What mail programs show beside the subject. */
  preview: string;
  title: string;
  lead: Words;
  button?: string;
  notes: string[];
  foot: string;
  /** Ends mails of this kind; with a link of its own. */
  unsubscribe?: { text: string; url: string };
}

export const MAIL_TEXTS = {
  confirm: ({ handle, username, until }) => ({
    subject: `Confirm your address - ${handle}`,
    preview: `One press, and ${handle} is yours.`,
    title: `Is this you, ${username}?`,
    lead: ['Someone, we think you, has asked for the address ', { strong: handle }, '. Press the button, and it is yours.'],
    button: 'Yes, this is me',
    notes: [`It works for 48 hours, until ${until}.`],
    foot: 'It was not you? Then do nothing. Without the button there is no account, and we will not write again.',
  }),
  'address-taken': ({ site, handle }) => ({
    subject: `You have an account on ${site} already`,
    preview: `Your handle there is ${handle}.`,
    title: 'You are here already',
    lead: ['Someone, perhaps you, wanted to use this e-mail address for an account on ', { strong: site }, '. It belongs to your account ', { strong: handle }, ' already, so nothing was changed.'],
    button: 'Log in',
    notes: ['The password is lost? The log-in page has a link for that.'],
    foot: 'It was not you? Then do nothing. Nobody was told that this address is known here.',
  }),
  reset: ({ handle, until }) => ({
    subject: `A new password for ${handle}`,
    preview: 'Press the button to choose a new password.',
    title: 'Choose a new password',
    lead: ['Someone, we think you, has forgotten the password of ', { strong: handle }, '. Press the button to choose a new one.'],
    button: 'Choose a password',
    notes: [`It works once, for one hour, until ${until}.`, 'Your chat apps go on with their own app passwords.'],
    foot: 'It was not you? Then do nothing: the old password stays.',
  }),
  'confirm-email': ({ handle, until }) => ({
    subject: `Confirm the new e-mail address of ${handle}`,
    preview: 'One press, and we write to this address from now on.',
    title: 'Is this your address?',
    lead: ['Someone, we think you, wants mail for ', { strong: handle }, ' to come to this address. Press the button if that is right.'],
    button: 'Yes, use this address',
    notes: [`It works for 24 hours, until ${until}.`],
    foot: 'It was not you? Then do nothing, and we will not write again.',
  }),
  'email-changed': ({ site, handle, email }) => ({
    subject: `The e-mail address of ${handle} was changed`,
    preview: 'From now on we write to another address.',
    title: 'Your e-mail address was changed',
    lead: ['Mail for ', { strong: handle }, ' goes to ', { strong: email }, ' from now on. This is the last one that comes here.'],
    notes: [`It was not you? Then someone else is in your account: write to the people who run ${site} at once.`],
    foot: 'It was you? Then all is well.',
  }),
  'password-changed': ({ handle }) => ({
    subject: `The password of ${handle} was changed`,
    preview: 'All other browsers were logged out.',
    title: 'Your password was changed',
    lead: ['The web password of ', { strong: handle }, ' is a new one now, and other browsers were logged out. App passwords were not changed.'],
    notes: ['It was not you? Then choose a new password with the link on the log-in page, and revoke the app passwords in the settings.'],
    foot: 'It was you? Then all is well.',
  }),
  'guessing-chat': ({ site, handle }) => ({
    subject: `Someone guesses chat passwords of ${handle}`,
    preview: 'None was right, and further tries are turned away.',
    title: 'Someone guesses your chat passwords',
    lead: ['Many wrong passwords were tried in a chat app for ', { strong: handle }, '. None of them was right, and for a while further ones are turned away.'],
    notes: ['Your own chat apps go on. App passwords are made of so many random characters that nobody finds one by guessing.', `Does one of your apps have an old password? Then give it a new one, under Settings, App passwords on ${site}.`],
    foot: 'You need not do anything. We write about this at most once a day.',
  }),
  'guessing-web': ({ site, handle }) => ({
    subject: `Someone guesses the password of ${handle}`,
    preview: 'None was right, and further tries are turned away for a while.',
    title: 'Someone guesses your password',
    lead: ['Many wrong passwords were tried on the log-in page for ', { strong: handle }, '. None of them was right, and for a while further ones are turned away.'],
    notes: ['Where you have logged in of late, you still can.', `Is your password short, or used elsewhere too? Then change it, under Settings, Account on ${site}.`],
    foot: 'We write about this at most once a day.',
  }),
} satisfies Record<string, (facts: Facts) => MailText>;

export type MailTemplate = keyof typeof MAIL_TEXTS;

/** What is said of each kind of notification. `title` and `comment` may be ''. */
export const SENTENCES: Record<NotificationKind, (who: string, title: string, comment: string) => string> = {
  request: (who) => `${who} would like to follow you.`,
  accepted: (who) => `${who} lets you follow.`,
  comment: (who, title, comment) => `${who} commented on ${ofTitle('your post', title)}: ${comment}`,
  'also-commented': (who, title, comment) => `${who} also commented on ${ofTitle('a post', title)}: ${comment}`,
  like: (who, title) => `${who} likes ${ofTitle('your post', title)}.`,
  reshare: (who, title) => `${who} reshared ${ofTitle('your post', title)}.`,
  mention: (who, title, comment) => (comment === '' ? `${who} mentioned you in ${ofTitle('a post', title)}.` : `${who} mentioned you: ${comment}`),
  undelivered: (_who, title) => `${title === '' ? 'Your post' : `Your post “${title}”`} did not reach every server.`,
};
const ofTitle = (what: string, title: string): string => (title === '' ? what : `${what} “${title}”`);

/** Notifications by mail: a digest of several, or one at once. @param more how many are not among the lines */
export function notificationMailText({ site, handle, lines, more, isDigest, unsubscribeUrl }: { site: string; handle: string; lines: string[]; more: number; isDigest: boolean; unsubscribeUrl: string }): MailText {
  const [first = ''] = lines;
  const count = lines.length + more;
  return {
    subject: isDigest && count > 1 ? `${count} new notifications - ${handle}` : first,
    preview: first,
    title: isDigest ? 'What happened' : 'Something new',
    lead: isDigest ? ['New for ', { strong: handle }, ' since the last mail:'] : [first],
    button: 'See all notifications',
    notes: [...(isDigest ? lines : []), ...(more > 0 ? [`And ${more} more.`] : [])],
    foot: isDigest ? 'You get this mail once a day at most, and only when there is something.' : `You have asked ${site} for a mail at once when this happens.`,
    unsubscribe: { text: isDigest ? 'Stop all such mails' : 'Stop mails of this kind', url: unsubscribeUrl },
  };
}

/** Words around every mail. */
export const FRAME = {
  sender: 'diaspora-x',
  buttonFails: 'The button does nothing? Open this in a browser:',
  openThis: 'Open this in a browser:',
};
