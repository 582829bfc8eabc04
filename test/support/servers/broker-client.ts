// How a test gets the servers that all tests of a run share: it asks the broker in jest's main process (broker.ts).

/** What the broker can start. */
export type SharedServer = 'postgres' | 'prosody' | 'ejabberd';

/**
 * Asks for a shared server; the first to ask waits for its start.
 * @throws Error with the server's log when it does not start
 */
export async function ask<T>(what: SharedServer): Promise<T> {
  const broker = process.env.DX_TEST_BROKER;
  if (!broker) throw new Error('Shared test servers exist only under jest: node scripts/jest.mjs …');
  const response = await fetch(`${broker}/${what}`);
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as T;
}
