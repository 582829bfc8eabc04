import type { Guid } from './guid.js';

/** What someone is told about. `also-commented`: somebody else commented where she has commented. `undelivered`: servers did not take a post of hers. */
export type NotificationKind = 'request' | 'accepted' | 'comment' | 'also-commented' | 'like' | 'reshare' | 'mention' | 'undelivered';
export const NOTIFICATION_KINDS = ['request', 'accepted', 'comment', 'also-commented', 'like', 'reshare', 'mention', 'undelivered'] as const satisfies NotificationKind[];

/** How a kind goes out by mail. digest: once a day at most, together with others. */
export type NotificationMail = 'off' | 'digest' | 'now';
export const DEFAULT_NOTIFICATION_MAIL: NotificationMail = 'digest';

/** `ownerId`: the actor who is told; `byId`: who did it, of what nobody did herself. */
export interface Notification {
  id: number;
  ownerId: number;
  kind: NotificationKind;
  byId: number;
  postGuid: Guid | null;
  commentGuid: Guid | null;
  createdAt: number;
  readAt: number | null;
  mailedAt: number | null;
}
