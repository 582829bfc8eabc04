// Fan-out of one post to N clients (500; then prosody or ejabberd for one of them): by multicast, one by one, raw component writes, the server's own PEP.
import { SERVERS } from '../test/support/servers/index.js';
import { startMulticast } from '../test/support/servers/multicast.js';
import { ADMITTED, COMPONENTS, HEADING, legend, measureFanOut, rowsOf } from './support/fan-out.js';
import { printMachine, printTable } from './support/figures.js';

const CHAT = 'chat.test';
const ROUNDS = 60;

export async function run([count = '500', ...names]: string[]): Promise<void> {
  printMachine();
  for (const name of SERVERS.filter((one) => names.length === 0 || names.includes(one))) {
    const server = await startMulticast(name, { chatDomains: [CHAT], componentDomains: COMPONENTS, componentSecret: 'secret' }, CHAT, ADMITTED);
    const taken = await measureFanOut({ sending: server, sendingChat: CHAT, receiving: server, receivingChat: CHAT, count: Number(count), rounds: ROUNDS });
    await server.destroy();
    console.log(legend(Number(count), ROUNDS, taken));
    printTable([HEADING, ...rowsOf(name, taken, { multicast: name === 'prosody' ? '≤ 0.9 × PEP' : '≤ 1.2 × PEP', single: '≤ 1.1 × raw (≤ 1.2 at first)' })]);
  }
}
