/**
 * Unpacks artifacts in a process of its own and says what each took: `unpack.ts FOLDER ARTIFACT...`, one line of JSON for
 * each. Idle is before the code that unpacks is even loaded, as in a service that has all it wants.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** In kB: VmRSS is now, VmHWM the most since the process began or since `forget`. */
const memory = (field: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
/** proc_pid_clear_refs(5): the peak begins anew. */
const forget = (): void => writeFileSync('/proc/self/clear_refs', '5');

const [folder = '', ...artifacts] = process.argv.slice(2);
await sleep(50);
const idle = memory('VmRSS');
const { pickAndRelease } = await import('../../../host/artifact/archive.ts');
// Those of a node that says nothing else (settings.ts, artifacts.ts).
const limits = { maxBytes: 4 * 1024 ** 3, maxEntries: 10_000 };
for (const artifact of artifacts) {
  mkdirSync(folder);
  forget();
  const error = await pickAndRelease(artifact, { kind: 'shim', name: 'spin-v2' }, folder, limits).then(
    () => undefined,
    (reason: unknown) => String(reason),
  );
  console.log(JSON.stringify({ error, tookKb: memory('VmHWM') - idle }));
  rmSync(folder, { recursive: true });
}
