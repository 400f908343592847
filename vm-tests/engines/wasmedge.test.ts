/** crun with WasmEdge, both as Debian builds them. */
import t from 'tap';
import { wasmedge } from '../../testbed/artifacts/engines.ts';
import { lifeOf, platforms, skip } from './life.ts';

for (const [name, platform] of Object.entries(platforms))
  t.test(
    `${name}: crun with WasmEdge runs a module, and its libraries are nowhere else`,
    { skip },
    async (t) => lifeOf(t, platform, await wasmedge((line) => t.comment(line))),
  );
