// Answers every question of a chat server with true, without looking: `node yes-endpoint.mjs PORT`. What Prosody and our module for it can do is the baseline.
import { createServer } from 'node:http';

createServer((request, response) => {
  request.resume();
  request.on('end', () => response.writeHead(200, { 'content-type': 'text/plain' }).end('true'));
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
