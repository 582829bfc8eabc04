// Fan-out of one post to N clients (500) of the other server, over server-to-server: by its multicast, one by one, raw component writes, the sending server's own PEP.
import { removeFolder } from '../test/support/servers/daemon.js';
import { planNetwork, type RunningServer, SERVERS, type ServerName } from '../test/support/servers/index.js';
import { startMulticast } from '../test/support/servers/multicast.js';
import { ADMITTED, COMPONENTS, HEADING, legend, measureFanOut, rowsOf } from './support/fan-out.js';
import { printMachine, printTable } from './support/figures.js';

const chatOf = (name: ServerName): string => `${name}.test`;
const ROUNDS = 15;

/** @param names the sending servers */
export async function run([count = '500', ...names]: string[]): Promise<void> {
  printMachine();
  for (const from of SERVERS.filter((one) => names.length === 0 || names.includes(one))) {
    const domains = (name: ServerName) => [chatOf(name), `multicast.${chatOf(name)}`, ...(name === from ? COMPONENTS : [])];
    const network = await planNetwork({ prosody: domains('prosody'), ejabberd: domains('ejabberd') });
    const servers = {} as Record<ServerName, RunningServer>;
    for (const name of SERVERS) {
      const options = { chatDomains: [chatOf(name)], componentDomains: name === from ? COMPONENTS : [], componentSecret: 'secret', network };
      servers[name] = await startMulticast(name, options, chatOf(name), ADMITTED);
    }
    const to: ServerName = from === 'prosody' ? 'ejabberd' : 'prosody';
    const taken = await measureFanOut({ sending: servers[from], sendingChat: chatOf(from), receiving: servers[to], receivingChat: chatOf(to), count: Number(count), rounds: ROUNDS });
    for (const name of SERVERS) await servers[name].destroy();
    await removeFolder(network.folder);
    console.log(legend(Number(count), ROUNDS, taken));
    printTable([HEADING, ...rowsOf(`${from} → ${to}`, taken, { multicast: '≤ 1.0 × PEP', single: '' })]);
  }
}
