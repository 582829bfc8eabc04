// jest calls this once, in its main process, before the first test. Nothing but a small listener is started here:
// servers start when the first test asks for one (broker.ts), so unit tests alone start none.
import { register } from 'node:module';

export default async function setUp() {
  register('./ts-loader.mjs', import.meta.url);
  const { startBroker } = await import('./broker.ts');
  const broker = await startBroker();
  process.env.DX_TEST_BROKER = broker.url;
  globalThis.stopTestServers = broker.stop;
}
