// jest calls this once, after the last test.
export default async function tearDown() {
  await globalThis.stopTestServers?.();
}
