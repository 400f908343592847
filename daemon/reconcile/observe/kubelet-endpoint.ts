/**
 * The socket that the running kubelet asks. A process is believed by its unit, by the kernel, and by root as its owner
 * (main-process.ts), never by its name alone; its files count only if root alone can write them.
 */
import { resolve } from 'node:path/posix';
import type { Host } from '../../../host/host.ts';
import type { Running } from '../../../host/processes/main-process.ts';
import { fields } from '../../../protocol/json.ts';
import { namesIn } from './names.ts';
import { flagIn, runningKubelet } from './running-kubelet.ts';

/** Of the last kubelet that ran. */
const remembered = new WeakMap<Host, string | undefined>();

/** Undefined: no kubelet ran yet, or it does not say it. One that is being restarted asks where it asked before. */
export const endpointOfKubelet = async (host: Host): Promise<string | undefined> => {
  const running = await runningKubelet(host);
  if (running) remembered.set(host, await endpointOf(host, running));
  return remembered.get(host);
};

const endpointOf = async (host: Host, running: Running): Promise<string | undefined> => {
  const flag = flagIn(running.argv, '--container-runtime-endpoint');
  if (flag !== undefined) return flag;
  const config = flagIn(running.argv, '--config');
  const folder = flagIn(running.argv, '--config-dir');
  const files = config === undefined ? [] : [resolve(running.cwd, config)];
  if (folder !== undefined) files.push(...(await dropInsOf(host, resolve(running.cwd, folder))));
  let found: string | undefined;
  for (const path of files) {
    const fact = await host.files.lookTrusted(path);
    found = (fact.kind === 'regular' ? await endpointIn(fact.text) : undefined) ?? found;
  }
  return found;
};

/** The kubelet reads those that end so, in the order of their names. */
const dropInsOf = async ({ files }: Host, folder: string): Promise<readonly string[]> =>
  (await namesIn(files, folder)).filter((name) => name.endsWith('.conf')).map((name) => `${folder}/${name}`);

/** In YAML or JSON, in any layout. A kubelet does not start with a file that cannot be parsed. */
const endpointIn = async (text: string): Promise<string | undefined> => {
  const { parse } = await import('yaml');
  try {
    const said = fields(parse(text, { logLevel: 'error' })).containerRuntimeEndpoint;
    return typeof said === 'string' && said !== '' ? said : undefined;
  } catch {
    return undefined;
  }
};
