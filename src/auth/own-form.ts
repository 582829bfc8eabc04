// Questions in the very form in which our program for ejabberd sends them (ejabberd-auth/client.ts), answered without node:http, which takes half
// of the CPU that an answer costs, in the moment in which everyone logs in. It is HTTP all the same: a connection on which anything else comes, even
// one blank more, is node:http's from there on.
import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Context } from '../services/context.js';
import { type Answer, type Answered, answerQuestion, type OperationName } from './questions.js';

/** A whole request in one piece. The body is percent-encoded as encodeURIComponent does it, so a character is a byte and a blank is no plus. */
const QUESTION =
  /^POST \/auth\/(check_password|user_exists) HTTP\/1\.1\r\nhost: [!-~]{1,255}\r\nauthorization: ([ -~]{1,1000})\r\ncontent-type: application\/x-www-form-urlencoded\r\ncontent-length: (\d{1,6})\r\n\r\n(user=([!-%'-*,-~]*)&server=([!-%'-*,-~]*)(?:&pass=([!-%'-*,-~]*))?)$/;

interface Question {
  name: OperationName;
  authorization: string;
  fields: Map<string, string>;
}

/** null: it has another form. */
function readQuestion(chunk: Buffer): Question | null {
  const [, name, authorization, length, body, user, server, pass] = QUESTION.exec(chunk.toString('latin1')) ?? [];
  if (body === undefined || body.length !== Number(length)) return null;
  try {
    const fields = new Map([
      ['user', decodeURIComponent(user!)],
      ['server', decodeURIComponent(server!)],
    ]);
    if (pass !== undefined) fields.set('pass', decodeURIComponent(pass));
    return { name: name as OperationName, authorization: authorization!, fields };
  } catch {
    return null; // not UTF-8
  }
}

/** A program that asks nothing for so long connects again when it has to. */
const IDLE_MS = 60_000;

// No more than the program reads.
const write = ({ status, text }: Answer): string => `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}\r\n\r\n${text}`;

/**
 * Looks at the connections of a server before node:http does.
 * @param mayAsk whether an Authorization header has the secret
 * @param stopping aborted when the service ends: kept connections close, those that wait for an answer after it
 */
export function answerOwnForm(server: Server, ctx: Context, mayAsk: (header: string) => boolean, stopping: AbortSignal, answered: Answered): void {
  const asHttp = server.listeners('connection') as ((socket: Socket) => void)[];
  const kept = new Set<Socket>();
  server.removeAllListeners('connection').on('connection', (socket) => keep(socket));
  stopping.addEventListener('abort', () => {
    for (const socket of kept) socket.destroy();
  });

  function keep(socket: Socket): void {
    /** What came while an answer was on its way: it is nobody's who asks one question at a time. */
    let early: Buffer | null = null;
    let asked = false;
    const forget = () => kept.delete(socket);
    const fail = () => socket.destroy();
    const leave = () => {
      forget();
      socket.off('data', take).off('end', fail).off('error', fail).off('close', forget).setTimeout(0, fail);
    };
    const toHttp = (chunk: Buffer) => {
      leave();
      socket.pause();
      socket.unshift(chunk);
      for (const listener of asHttp) listener.call(server, socket);
      socket.resume();
    };
    const take = (chunk: Buffer) => {
      if (asked) {
        early = early ? Buffer.concat([early, chunk]) : chunk;
        socket.pause();
        return;
      }
      const question = readQuestion(chunk);
      if (!question || !mayAsk(question.authorization)) return toHttp(chunk);
      asked = true;
      kept.delete(socket);
      void tell(question);
    };
    const tell = async ({ name, fields }: Question) => {
      const from = performance.now();
      const answer = await answerQuestion(ctx, name, fields);
      answered(name, answer, performance.now() - from);
      asked = false;
      socket.write(write(answer), 'latin1');
      if (socket.destroyed) return;
      if (early) toHttp(early);
      else if (stopping.aborted) socket.end();
      else kept.add(socket);
    };
    kept.add(socket);
    socket.on('data', take).on('end', fail).on('error', fail).on('close', forget).setTimeout(IDLE_MS, fail);
  }
}
