// Runs the command that the process was started with.
import { main } from './program.js';

// `dx queue list | head` ends reading early: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await main(process.argv.slice(2));
// The process ends by itself when nothing is open any more. Should something be left open, it ends all the same.
setTimeout(() => process.exit(), 1_000).unref();
