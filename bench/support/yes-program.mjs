// An external authentication program for ejabberd that answers true without looking: what ejabberd itself can do is the baseline.
const YES = Buffer.from([0, 2, 0, 1]);
let rest = Buffer.alloc(0);
process.stdin.on('data', (chunk) => {
  rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
  while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
    rest = rest.subarray(2 + rest.readUInt16BE(0));
    process.stdout.write(YES);
  }
});
