/** Runs one tick on the node in a folder and is killed, by SIGKILL, in the middle of unpacking: `kill-unpacking.ts ROOT`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openNode } from '../../../testbed/simulated/node.ts';

const [root = ''] = process.argv.slice(2);
const node = openNode(root, { version: '2.1.4' });
await node.once(
  {},
  {
    ...node.fake.host,
    pick: async (_artifact, _wanted, folder) => {
      writeFileSync(join(folder, 'half'), 'half of it');
      process.kill(process.pid, 'SIGKILL');
      return new Promise(() => undefined);
    },
  },
);
