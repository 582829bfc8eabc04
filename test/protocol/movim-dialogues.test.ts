// What Movim 0.34 sends for each thing that people do with it, word for word, on real servers (test/fixtures/wire/movim-0.34).
import { readdirSync, readFileSync } from 'node:fs';
import type { NotificationKind } from '../../src/domain/notification.js';
import { listNotifications } from '../../src/services/notifications.js';
import { addContact } from '../../src/services/relationships.js';
import { eventually } from '../support/eventually.js';
import { SERVERS } from '../support/servers/index.js';
import { type Element, matches, parse, StanzaError } from '../support/xmpp-client.js';
import { openScene } from '../support/xmpp-scene.js';

const FOLDER = new URL('../fixtures/wire/movim-0.34/', import.meta.url);
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.xml'));
const text = (name: string): string => readFileSync(new URL(name, FOLDER), 'utf8');

describe.each(SERVERS)('on %s', (name) => {
  const scene = openScene(name);

  test.each(FILES.map((file) => [file, parse(text(file)).attrs.about!]))('%s: %s', async (file) => {
    const { account: alice, owner } = await scene.author();
    const post = await scene.app.posts(alice, 'a post', { to: 'public' });
    const dialogue = parse(text(file));
    const client = dialogue.attrs.who === 'owner' ? owner : await scene.reader();
    if (dialogue.attrs.follows) {
      await addContact(scene.app.ctx, alice, client.bareJid);
      await client.receives(`<presence type='subscribe' from='${alice.jid}'/>`);
      await client.send(`<presence type='subscribed' to='${alice.jid}'/>`);
    }
    const steps = parse(text(file).replaceAll('{ALICE}', alice.jid).replaceAll('{POST}', post.guid).replaceAll('{READER}', client.bareJid)).getChildElements();
    let answer: Element | null = null;
    for (const step of steps) {
      if (step.name === 'told') {
        await eventually(scene.app, () => listNotifications(scene.app.ctx, alice, { kind: step.attrs.kind as NotificationKind, limit: 5 }), (views) => views.length === Number(step.attrs.times) && views.every((view) => view.post?.guid === post.guid));
        continue;
      }
      const stanza = step.getChildElements()[0]!;
      if (step.name === 'send') {
        answer = await client.request(stanza).catch((error) => {
          if (error instanceof StanzaError) return error.stanza;
          throw error;
        });
      } else if (step.name === 'answer') {
        // Compared as text when it does not match, so that one sees both.
        if (!matches(answer!, stanza)) expect(String(answer)).toBe(String(stanza));
      } else await client.receives(stanza, String(stanza));
    }
    expect(steps.length).toBeGreaterThan(5);
  });
});
