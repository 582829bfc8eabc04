// The part of activitystrea.ms 3.1.0 that src/formats/activitystreams2.ts uses. Only that file may import it.
declare module 'activitystrea.ms' {
  export interface Builder {
    id(iri: string): this;
    name(text: string): this;
    summary(text: string): this;
    content(text: string): this;
    url(iri: string): this;
    attributedTo(iri: string): this;
    to(iri: string): this;
    cc(iri: string): this;
    actor(iri: string): this;
    object(value: unknown): this;
    published(time: Date): this;
    updated(time: Date): this;
    deleted(time: Date): this;
    inbox(iri: string): this;
    outbox(iri: string): this;
    followers(iri: string): this;
    preferredUsername(text: string): this;
    totalItems(count: number): this;
    first(iri: string): this;
    last(iri: string): this;
    next(iri: string): this;
    prev(iri: string): this;
    partOf(iri: string): this;
    export(): Promise<Record<string, unknown>>;
  }
  interface ActivityStreams {
    note(): Builder;
    announce(): Builder;
    person(): Builder;
    create(): Builder;
    update(): Builder;
    delete(): Builder;
    tombstone(): Builder;
    orderedCollection(): Builder;
    orderedCollectionPage(): Builder;
  }
  const as: ActivityStreams;
  export default as;
}
