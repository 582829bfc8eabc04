import { en, type Strings } from './strings/en.js';

export type { Strings } from './strings/en.js';

/** The words for a visitor. English is all there is; a second language is chosen here, by the account or by `Accept-Language`. */
export const stringsFor = (): Strings => en;
