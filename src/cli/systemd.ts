import { runTool } from '../store/backup.js';

/**
 * Tells systemd how the service is, when systemd has started it (Type=notify). By the program systemd-notify, because Node has no
 * datagram sockets of the kind AF_UNIX; so the unit needs NotifyAccess=all. Never throws: the service runs, whoever knows of it.
 * @param state as sd_notify(3) has it, such as `READY=1`
 * @param say hears why it did not work
 */
export async function tellSystemd(env: NodeJS.ProcessEnv, state: string, say: (line: string) => void): Promise<void> {
  const { NOTIFY_SOCKET, PATH } = env;
  if (!NOTIFY_SOCKET) return;
  await runTool('systemd-notify', state === 'READY=1' ? ['--ready'] : [state], { env: { NOTIFY_SOCKET, ...(PATH ? { PATH } : {}) } }).catch((error: Error) =>
    say(`systemd was not told ${state}: ${error.message}`),
  );
}
