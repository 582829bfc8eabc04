import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import PostalMime, { type Email } from 'postal-mime';

/** The mails of a `file:` folder, oldest first, as a mail program reads them. */
export async function readMails(folder: string): Promise<Email[]> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.eml')).sort();
  return Promise.all(files.map((file) => PostalMime.parse(readFileSync(path.join(folder, file)))));
}
