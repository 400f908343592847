/** A node that stays after the demo: handed over to its own supervisor, and how to enter and to remove it. */
import { readFileSync } from 'node:fs';
import { claim, estateOf, forget } from '../../testbed/machine/estate.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import type { Screen } from '../screen.ts';

export const keepNode = (node: TestNode, screen: Screen): void => {
  // While nspawn lives, no later run takes the node for a leftover of this one.
  const nspawn = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${node.leader}/status`, 'utf8'))?.[1];
  claim(estateOf(node.name), Number(nspawn));
  forget(node.name);
  screen.title(`The node ${node.name} is left running`);
  screen.say(`  enter it    nsenter -t ${node.leader} -a bash -l`);
  screen.say(`  its files   ${node.root}`);
  screen.say(`  remove it   npm run demo -- --remove ${node.name}`);
  screen.say('  Until then fs.inotify.max_user_instances stays as high as it needs.');
};
