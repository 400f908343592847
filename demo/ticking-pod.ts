/** A Pod that never ends, with its log and the process that runs its module: what an update must not disturb. */
import { type Pod, runPod } from '../testbed/node/pods.ts';
import { type Using, usersOfStore } from './stage/mapped.ts';
import { type Stage, show, until } from './stage/stage.ts';
import { tickingLine } from './ticking.ts';
import { annotations, handler } from './stage/shim-files.ts';

export type TickingPod = { readonly pod: Pod; readonly using: Using; readonly log: string };

const logs = async ({ node }: Stage): Promise<readonly string[]> =>
  (await node.run(['find', '/var/log/pods', '-name', '0.log'])).split('\n').filter(Boolean);

export const linesOf = async ({ node }: Stage, { log }: TickingPod): Promise<number> =>
  (await node.readFile(log)).split(tickingLine).length - 1;

/** The library that the Pod's process has mapped, shown and returned. */
export const showMapped = async (stage: Stage, { pid }: Using): Promise<string> => {
  const words = ['grep', '-m1', '-o', '/opt/rcm-node/store/.*libwasmedge.*', `/proc/${pid}/maps`];
  return (await show(stage, words)).stdout;
};

/** Starts a Pod and returns it with what is new then: one log, one process that uses the store. */
export const startTicking = async (stage: Stage, image: string): Promise<TickingPod> => {
  const { node, screen } = stage;
  const known = usersOfStore(node).map(({ pid }) => pid);
  const knownLogs = await logs(stage);
  screen.call(
    `CRI: RunPodSandbox(runtime_handler "${handler}"), CreateContainer(image "${image}"), StartContainer`,
  );
  const pod = await runPod(node, { handler, image, annotations, wait: 'running' });
  const fresh = (): Using | undefined => usersOfStore(node).find(({ pid }) => !known.includes(pid));
  await until(
    'a process that runs the module with WasmEdge from the store',
    20,
    () => fresh() !== undefined,
    () => pod,
  );
  const using = fresh();
  const log = (await logs(stage)).find((path) => !knownLogs.includes(path));
  if (using === undefined || log === undefined) throw new Error('the Pod ended at once');
  await showMapped(stage, using);
  return { pod, using, log };
};
