/** Everything before the curtain: this machine, the executable, the artifacts, the node. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Progress } from '../../testbed/machine/command.ts';
import { cacheDir, prepareImage } from '../../testbed/artifacts/images.ts';
import { MachineLacks, prepareMachine, providePackages } from '../../testbed/machine/machine.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { bootDemoNode } from './boot.ts';
import { buildIfNeeded } from './build.ts';
import { makeBundles } from './bundles.ts';
import { missing, networkTrouble } from '../requirements.ts';
import type { Screen } from '../screen.ts';
import { takeSnapshot } from './snapshot.ts';
import type { Stage } from './stage.ts';

/** What tools say of their own work is of interest only while it happens; what the harness says stays. */
const progressTo =
  (screen: Screen, detail: (text: string) => void): Progress =>
  (line) => {
    // The harness begins small and without a colon; `I: …`, `Get:1 …`, `Unpacking …`, `dpkg: …` are others.
    if (/^[a-z][^:]* /.test(line)) screen.remark(line, 'close');
    else detail(line.replace(/^\w: /, ''));
  };

const prepared = async (screen: Screen): Promise<Stage> => {
  const waiting = <T>(what: string, work: (progress: Progress) => Promise<T>): Promise<T> =>
    screen.during(what, (detail) => work(progressTo(screen, detail)));
  await waiting('packages of this machine', async (progress) => {
    await prepareMachine(progress);
    await providePackages([['openssl', '/usr/bin/openssl']], 'the simulated fleet', progress);
  });
  await buildIfNeeded(screen);
  await waiting('image of the node', (progress) => prepareImage('trixie', 'containerd', progress));
  const bundles = await waiting('two versions of crun with WasmEdge', makeBundles);
  const breaking = await waiting('a shim to break containerd with', (progress) =>
    makeStandInShim('trixie', '1', progress),
  );
  const node = await waiting('boot of the node', (progress) => bootDemoNode(bundles, breaking, progress));
  const before = await takeSnapshot(node, '/etc', '/etc/rcm-node');
  const version = (await node.run(['containerd', '--version'])).split(' ')[2] ?? '';
  screen.proven(
    `${node.name} runs: Debian 13, systemd as PID 1, D-Bus, containerd ${version}; no network, no Wasm.`,
  );
  return { node, screen, bundles, breaking, before, figures: [] };
};

/** Throws `MachineLacks` where the demo cannot run, with all that is missing in its message. */
export const prepare = async (screen: Screen): Promise<Stage> => {
  const lacks = missing(!existsSync(join(cacheDir(), 'images')));
  if (lacks.length > 0) throw new MachineLacks(lacks.map((lack) => `  ✗ ${lack}`).join('\n'));
  try {
    return await prepared(screen);
  } catch (error) {
    const said = networkTrouble(error);
    if (said === '') throw error;
    throw new MachineLacks(
      `  ✗ network: a download from the Debian mirrors or the npm registry failed. Proxies are taken from the environment\n` +
        `    and from apt's configuration. What was said:\n${said.replace(/^/gm, '      ')}`,
    );
  }
};
