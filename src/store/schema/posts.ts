import { EntitySchema } from 'typeorm';
import type { Audience } from '../../domain/activity.js';
import type { Post, Reach } from '../../domain/post.js';
import { type Columns, id, integer, json, key, nullable, text, time, varchar } from './columns.js';

/**
 * The aspects of an audience stand in post_aspects. `once` is the token of the form that made the post. `reach` is null of a tombstone, of what
 * came from elsewhere, and of what was made before it was noted.
 */
export interface PostRow extends Omit<Post, 'audience'> {
  audience: Audience['to'];
  once: string | null;
  reach: Reach | null;
}

export const PostSchema = new EntitySchema<PostRow>({
  name: 'Post',
  tableName: 'posts',
  columns: {
    guid: key,
    authorId: { ...integer, foreignKey: { target: 'Actor' } },
    kind: varchar,
    atomId: varchar,
    title: varchar,
    markdown: text,
    html: text,
    language: varchar,
    tags: json,
    audience: varchar,
    createdAt: time,
    editedAt: nullable(time),
    deletedAt: nullable(time),
    once: nullable(varchar),
    reshareOf: nullable(varchar),
    reach: nullable(json),
  } satisfies Columns<PostRow>,
  indices: [
    // Covers all that the access check and the streams ask of a post, so that rows are read only for what is shown (store.md).
    { name: 'posts_by_author', columns: ['authorId', 'guid', 'audience', 'createdAt', 'deletedAt'] },
    // The same for those that lie next to each other in time.
    { name: 'posts_latest', columns: ['guid', 'authorId', 'audience', 'createdAt'], where: 'deleted_at is null' },
    { name: 'posts_once', columns: ['authorId', 'once'], unique: true, where: 'once is not null' },
    { name: 'posts_by_root', columns: ['reshareOf', 'authorId'], where: 'reshare_of is not null' },
  ],
});

/** A group of the owner's contacts. */
export interface Aspect {
  id: number;
  ownerId: number;
  name: string;
}

export const AspectSchema = new EntitySchema<Aspect>({
  name: 'Aspect',
  tableName: 'aspects',
  columns: {
    id,
    ownerId: { ...integer, foreignKey: { target: 'Actor', onDelete: 'CASCADE' } },
    name: varchar,
  } satisfies Columns<Aspect>,
  indices: [{ name: 'aspects_name', columns: ['ownerId', 'name'], unique: true }],
});

const ofAspect = { ...integer, primary: true, foreignKey: { target: 'Aspect', onDelete: 'CASCADE' } } as const;

/** `actorId` sees the aspect's posts that were made at `since` or later. */
export interface AspectMember {
  aspectId: number;
  actorId: number;
  since: number;
}

export const AspectMemberSchema = new EntitySchema<AspectMember>({
  name: 'AspectMember',
  tableName: 'aspect_members',
  columns: {
    aspectId: ofAspect,
    actorId: { ...integer, primary: true, foreignKey: { target: 'Actor', onDelete: 'CASCADE' } },
    since: time,
  } satisfies Columns<AspectMember>,
  indices: [{ name: 'aspect_members_by_actor', columns: ['actorId'] }],
});

/** An aspect that is removed takes its rows along: its posts are then seen by fewer, never by more. */
export interface PostAspect {
  postGuid: string;
  aspectId: number;
}

export const PostAspectSchema = new EntitySchema<PostAspect>({
  name: 'PostAspect',
  tableName: 'post_aspects',
  columns: {
    postGuid: { ...key, foreignKey: { target: 'Post', onDelete: 'CASCADE' } },
    aspectId: ofAspect,
  } satisfies Columns<PostAspect>,
  indices: [{ name: 'post_aspects_by_aspect', columns: ['aspectId'] }],
});
