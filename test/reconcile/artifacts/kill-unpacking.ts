/**
 * Runs one tick on the node in a folder and is killed, by SIGKILL, in the middle of unpacking: `kill-unpacking.ts ROOT`; at the
 * Nth change that unpacking makes to its folder: `kill-unpacking.ts ROOT N`. It ends by itself where there are fewer.
 */
import { watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../../../host/host.ts';
import { openNode } from '../../../testbed/simulated/node.ts';

const [root = '', nth] = process.argv.slice(2);
const node = openNode(root, { version: '2.1.4' });
const die = (): never => {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('it goes on after SIGKILL');
};
const inTheMiddle: Host['pick'] = async (_artifact, _wanted, folder) => {
  writeFileSync(join(folder, 'half'), 'half of it');
  return die();
};
const atChange: Host['pick'] = async (...given) => {
  let left = Number(nth);
  const watcher = watch(given[2], () => {
    left -= 1;
    if (left === 0) die();
  });
  const picked = await node.fake.host.pick(...given);
  watcher.close();
  return picked;
};
await node.once({}, { ...node.fake.host, pick: nth === undefined ? inTheMiddle : atChange });
