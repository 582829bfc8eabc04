// Opens a page again and again, in a process of its own so that what is measured is the service and not us. Reads lines of JSON,
// { url, headers, rounds, expect }, and answers each with a line: how long the rounds took, in milliseconds, as a list.
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';

const agent = new Agent({ keepAlive: true });

const get = (url, headers, expect) =>
  new Promise((resolve, reject) => {
    request(url, { agent, headers }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part) => {
        body += part;
      });
      answer.on('end', () => (answer.statusCode === 200 && body.includes(expect) ? resolve() : reject(new Error(`${url} answered ${answer.statusCode}`))));
    })
      .once('error', reject)
      .end();
  });

for await (const line of createInterface({ input: process.stdin })) {
  const { url, headers, rounds, expect } = JSON.parse(line);
  const took = [];
  for (let round = 0; round < rounds; round++) {
    const from = performance.now();
    await get(url, headers, expect);
    took.push(performance.now() - from);
  }
  console.log(JSON.stringify(took));
}
process.exit(0);
