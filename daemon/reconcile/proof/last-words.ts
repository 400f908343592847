/** The error of a runtime that failed: the last error line of its journal, else its last line. Only for root. */
import type { Host } from '../../../host/host.ts';
import { runtimes } from '../../runtimes/table.ts';

const lines = 60;
const longest = 300;
const names = runtimes.map(({ name }) => name).join('|');
const isError = new RegExp(`\\blevel="?(error|fatal|panic)|^(${names}|panic|fatal error): `, 'i');

/** `since`: epoch milliseconds. Never throws; takes two seconds at most. */
export const lastWords = async (host: Host, unit: string, since: number): Promise<string | undefined> => {
  const argv = ['journalctl', '-q', '--no-pager', '-o', 'cat', '-n', `${lines}`, '-u', unit] as const;
  const given = [...argv, `--since=@${Math.floor(since / 1000)}`] as const;
  const result = await host.tools
    .run(given, { deadlineMs: 2_000, maxOutputBytes: 4 * 1024 * 1024 })
    .catch(() => undefined);
  if (result?.kind !== 'ran' || result.code !== 0) return undefined;
  const said = result.stdout.split('\n').filter((line) => line.trim() !== '');
  const line = said.findLast((one) => isError.test(one)) ?? said.at(-1);
  return line?.trim().slice(0, longest);
};
