/**
 * The handlers of sandboxes, where the list of sandboxes has none. The runtime tells the handler of one sandbox at a time, and it
 * never changes: each sandbox is asked for once, a few at the same time.
 */
import type { Cri, Sandbox } from '../../../host/cri/cri.ts';
import type { Host } from '../../../host/host.ts';
import type { SandboxFact } from '../../runtimes/facts.ts';
import type { Runtime } from '../../runtimes/runtime.ts';

const atOnce = 8;
/** For all of them; the next look asks for the others. */
const longestMs = 10_000;

/** Of the sandboxes of the last list, by their ids. */
const remembered = new WeakMap<Host, ReadonlyMap<string, string>>();

/** A sandbox that is gone by now, or whose handler is not known yet, or was chosen by its Pod, may use any handler. */
export const withHandlers = async (
  host: Host,
  cri: Cri,
  { handlerOfSandbox }: Pick<Runtime, 'handlerOfSandbox'>,
  sandboxes: readonly Sandbox[],
): Promise<readonly SandboxFact[]> => {
  if (!handlerOfSandbox) return sandboxes.map(({ id, handler }) => ({ id, handler }));
  const before = remembered.get(host);
  const known = new Map<string, string>();
  const unknown: Sandbox[] = [];
  for (const sandbox of sandboxes) {
    const { id, handler } = sandbox;
    const name = handler === '' ? before?.get(id) : handler;
    if (name === undefined) unknown.push(sandbox);
    else known.set(id, name);
  }
  const started = host.clock.elapsed();
  const askAll = async (): Promise<void> => {
    for (let one = unknown.pop(); one !== undefined; one = unknown.pop()) {
      if (host.clock.elapsed() - started > longestMs) return;
      const name = handlerOfSandbox(await cri.sandboxInfo(one.id).catch(() => null), one);
      if (name !== undefined) known.set(one.id, name);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, askAll));
  remembered.set(host, known);
  return sandboxes.map(({ id }) => ({ id, handler: known.get(id) }));
};
