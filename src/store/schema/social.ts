import { EntitySchema } from 'typeorm';
import type { Comment } from '../../domain/comment.js';
import type { Guid } from '../../domain/guid.js';
import type { Notification } from '../../domain/notification.js';
import type { ProtocolName } from '../../domain/actor.js';
import { type Columns, id, integer, key, nullable, text, time, varchar } from './columns.js';

const ofActor = { ...integer, foreignKey: { target: 'Actor', onDelete: 'CASCADE' } } as const;
const ofPost = { ...varchar, foreignKey: { target: 'Post', onDelete: 'CASCADE' } } as const;

/** `once` is the token of the form that made the comment. */
export interface CommentRow extends Comment {
  once: string | null;
}

export const CommentSchema = new EntitySchema<CommentRow>({
  name: 'Comment',
  tableName: 'comments',
  columns: {
    guid: key,
    postGuid: ofPost,
    authorId: { ...integer, foreignKey: { target: 'Actor' } },
    itemId: varchar,
    markdown: text,
    html: text,
    createdAt: time,
    editedAt: nullable(time),
    deletedAt: nullable(time),
    once: nullable(varchar),
  } satisfies Columns<CommentRow>,
  indices: [
    // Covers what counting asks of a comment.
    { name: 'comments_by_post', columns: ['postGuid', 'guid', 'deletedAt', 'authorId'] },
    { name: 'comments_item', columns: ['postGuid', 'itemId'], unique: true },
    { name: 'comments_by_author', columns: ['authorId', 'guid'] },
    { name: 'comments_once', columns: ['authorId', 'once'], unique: true, where: 'once is not null' },
  ],
});

/** One for each person and post. `itemId`: the ♥ comment that says so in the post's comments node; null: it has none. */
export interface LikeRow {
  postGuid: Guid;
  actorId: number;
  itemId: string | null;
  createdAt: number;
}

export const LikeSchema = new EntitySchema<LikeRow>({
  name: 'Like',
  tableName: 'likes',
  columns: { postGuid: { ...ofPost, primary: true }, actorId: { ...ofActor, primary: true }, itemId: nullable(varchar), createdAt: time } satisfies Columns<LikeRow>,
  indices: [{ name: 'likes_by_actor', columns: ['actorId', 'createdAt'] }],
});

/**
 * XEP-0470: what one person has attached to a post, as it came, each part an `<attachments/>` of its own. `known`: what says that they like it, and
 * is gone with the like; null: nothing but that. `others`: what we do not know, and keep; null: nothing.
 */
export interface AttachmentsRow {
  postGuid: Guid;
  actorId: number;
  known: string | null;
  others: string | null;
  updatedAt: number;
}

export const AttachmentsSchema = new EntitySchema<AttachmentsRow>({
  name: 'Attachments',
  tableName: 'post_attachments',
  columns: { postGuid: { ...ofPost, primary: true }, actorId: { ...ofActor, primary: true }, known: nullable(text), others: nullable(text), updatedAt: time } satisfies Columns<AttachmentsRow>,
});

/** `tag` without `#`, in small letters. By `postGuid` downwards this is the tag's page. */
export interface PostTag {
  tag: string;
  postGuid: Guid;
}

export const PostTagSchema = new EntitySchema<PostTag>({
  name: 'PostTag',
  tableName: 'post_tags',
  columns: { tag: key, postGuid: { ...ofPost, primary: true } } satisfies Columns<PostTag>,
  indices: [{ name: 'post_tags_by_post', columns: ['postGuid'] }],
});

/**
 * Where a post that came from elsewhere stands: the item of a node of a service (for PEP: a bare JID). This is its identity, atom:id is only a
 * hint (xmpp-social.md §6). `updatedAt`: of the newest version seen, so that a late old edit changes nothing.
 */
export interface PostOrigin {
  postGuid: Guid;
  protocol: ProtocolName;
  service: string;
  node: string;
  itemId: string;
  updatedAt: number;
  /** Its comments node, as its entry says. */
  commentsService: string | null;
  commentsNode: string | null;
}

export const PostOriginSchema = new EntitySchema<PostOrigin>({
  name: 'PostOrigin',
  tableName: 'post_origins',
  columns: {
    postGuid: { ...ofPost, primary: true },
    protocol: varchar,
    service: varchar,
    node: varchar,
    itemId: varchar,
    updatedAt: time,
    commentsService: nullable(varchar),
    commentsNode: nullable(varchar),
  } satisfies Columns<PostOrigin>,
  indices: [
    { name: 'post_origins_item', columns: ['service', 'node', 'itemId'], unique: true },
    { name: 'post_origins_comments', columns: ['commentsService', 'commentsNode'], where: 'comments_node is not null' },
  ],
});

/** Audience `people`: the people of ours to whom a post from elsewhere was brought. */
export interface PostRecipient {
  postGuid: Guid;
  actorId: number;
}

export const PostRecipientSchema = new EntitySchema<PostRecipient>({
  name: 'PostRecipient',
  tableName: 'post_recipients',
  columns: { postGuid: { ...ofPost, primary: true }, actorId: { ...ofActor, primary: true } } satisfies Columns<PostRecipient>,
  indices: [{ name: 'post_recipients_by_actor', columns: ['actorId'] }],
});

/** An item that was retracted before, or after, it arrived: it does not come (back). */
export interface RetractedItem {
  service: string;
  node: string;
  itemId: string;
  at: number;
}

export const RetractedItemSchema = new EntitySchema<RetractedItem>({
  name: 'RetractedItem',
  tableName: 'retracted_items',
  columns: { service: key, node: key, itemId: key, at: time } satisfies Columns<RetractedItem>,
});

/** An explicit subscription of ours to a node elsewhere: `actorId` (local) follows `personId`. `caughtUpAt`: when what was missed was last fetched. */
export interface FollowedFeed {
  actorId: number;
  service: string;
  node: string;
  personId: number;
  state: 'asked' | 'subscribed' | 'refused';
  subid: string | null;
  caughtUpAt: number | null;
}

export const FollowedFeedSchema = new EntitySchema<FollowedFeed>({
  name: 'FollowedFeed',
  tableName: 'followed_feeds',
  columns: { actorId: { ...ofActor, primary: true }, service: key, node: key, personId: ofActor, state: varchar, subid: nullable(varchar), caughtUpAt: nullable(time) } satisfies Columns<FollowedFeed>,
  indices: [
    { name: 'followed_feeds_by_service', columns: ['service', 'node'] },
    { name: 'followed_feeds_by_person', columns: ['personId'] },
  ],
});

/** `key`: what makes two of them the same, so that a repeat tells nobody twice. */
export interface NotificationRow extends Notification {
  key: string;
}

export const NotificationSchema = new EntitySchema<NotificationRow>({
  name: 'Notification',
  tableName: 'notifications',
  columns: {
    id,
    ownerId: ofActor,
    kind: varchar,
    byId: ofActor,
    postGuid: nullable(ofPost),
    commentGuid: nullable(varchar),
    createdAt: time,
    readAt: nullable(time),
    mailedAt: nullable(time),
    key: varchar,
  } satisfies Columns<NotificationRow>,
  indices: [
    { name: 'notifications_of', columns: ['ownerId', 'id'] },
    { name: 'notifications_key', columns: ['ownerId', 'key'], unique: true },
    { name: 'notifications_by_post', columns: ['postGuid'] },
    { name: 'notifications_unmailed', columns: ['ownerId', 'createdAt'], where: 'mailed_at is null' },
  ],
});

/**
 * A bare JID that speaks for an account over XMPP, beside the one of the chat domain. asked: it has yet to answer the code that it was sent, until
 * `expiresAt`, and has so far answered with `attempts` wrong ones. `error`: why the code did not reach it.
 */
export interface OwnerAddress {
  jid: string;
  actorId: number;
  state: 'asked' | 'linked';
  attempts: number;
  error: string | null;
  expiresAt: number | null;
  createdAt: number;
}

export const OwnerAddressSchema = new EntitySchema<OwnerAddress>({
  name: 'OwnerAddress',
  tableName: 'owner_addresses',
  columns: { actorId: { ...ofActor, primary: true }, jid: key, state: varchar, attempts: integer, error: nullable(varchar), expiresAt: nullable(time), createdAt: time } satisfies Columns<OwnerAddress>,
  // One account may have asked for an address that another one asks for, too; only one gets it.
  indices: [{ name: 'owner_addresses_linked', columns: ['jid'], unique: true, where: "state = 'linked'" }],
});

/** An owner address (bare JID) whose own PEP feed becomes posts of the account. */
export interface Source {
  jid: string;
  actorId: number;
  since: number;
}

export const SourceSchema = new EntitySchema<Source>({
  name: 'Source',
  tableName: 'sources',
  columns: { jid: key, actorId: ofActor, since: time } satisfies Columns<Source>,
  indices: [{ name: 'sources_by_actor', columns: ['actorId'] }],
});

/** A picture, kept as a file `media/ID` in the state directory. `id`: SHA-1 of its bytes, small hex (XEP-0084 wants that one). */
export interface Media {
  id: string;
  actorId: number;
  kind: 'avatar' | 'banner';
  mime: string;
  width: number;
  height: number;
  bytes: number;
  createdAt: number;
}

export const MediaSchema = new EntitySchema<Media>({
  name: 'Media',
  tableName: 'media',
  columns: { id: key, actorId: { ...ofActor, primary: true }, kind: varchar, mime: varchar, width: integer, height: integer, bytes: integer, createdAt: time } satisfies Columns<Media>,
  indices: [{ name: 'media_by_actor', columns: ['actorId'] }],
});

export const socialSchemas = [CommentSchema, LikeSchema, AttachmentsSchema, PostTagSchema, PostOriginSchema, PostRecipientSchema, RetractedItemSchema, FollowedFeedSchema, NotificationSchema, OwnerAddressSchema, SourceSchema, MediaSchema];
