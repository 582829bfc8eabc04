// Reshares in a stream: whatever they show stands on a page once, with all who have shared it above it.
import type { Guid } from '../domain/guid.js';
import type { PostView } from '../services/stream.js';

/** A place in a stream. */
export interface Place {
  view: PostView;
  /** Further reshares of the same post, newest first. */
  via: PostView[];
}

/** A reshare of what was deleted, or is not for the viewer. (Of what was never known here it has a text of its own.) */
export const showsNothing = ({ post, root }: PostView): boolean => post.reshareOf !== null && root === null;

/**
 * The posts of one page, in their order. A reshare of a post of the same page joins that one, a further reshare of the same post the first one; what shows
 * nothing is left out. So a page may have fewer places than posts: where the next one begins is told by the posts.
 */
export function foldReshares(views: readonly PostView[]): Place[] {
  const places = new Map<Guid, Place>();
  for (const view of views) if (view.post.reshareOf === null) places.set(view.post.guid, { view, via: [] });
  return views.flatMap((view) => {
    const root = view.post.reshareOf;
    if (root === null) return places.get(view.post.guid)!;
    if (showsNothing(view)) return [];
    const there = places.get(root);
    if (there) {
      there.via.push(view);
      return [];
    }
    const place = { view, via: [] };
    places.set(root, place);
    return place;
  });
}
