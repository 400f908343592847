/** Many shim files at once: one restart for all of them, and a bad one does not stop the others. */
import t from 'tap';
import {
  bootWithRcmNode,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  served,
  shimToml,
  startsOf,
  untilReport,
  untilServing,
} from '../testbed/node/service.ts';
import { makeStandInShim } from '../testbed/artifacts/shim.ts';

const progress = (line: string): void => t.comment(line);

for (const suite of ['trixie', 'forky'] as const)
  t.test(`ten shims dropped at once into a ${suite} node`, async (t) => {
    const shim = await makeStandInShim(suite, '1', progress);
    const node = await bootWithRcmNode(suite, { progress });
    t.teardown(() => node.stop());
    const before = await census(node);
    await node.run(['systemctl', 'start', 'rcm-node']);
    await untilServing(node, []);
    const started = await startsOf(node);

    const names = Array.from({ length: 10 }, (_, at) => `spin-${at}`);
    const stage = '/etc/rcm-node/stage';
    const shimFile = (name: string): string =>
      `${shimToml('spin-v2', shim)}\n[runtimeClass]\nhandler = "${name}"\n`;
    for (const name of names) await node.writeFile(`${stage}/${name}.toml`, shimFile(name));
    await node.writeFile(`${stage}/half.toml`, shimFile('half').slice(0, 60));
    await node.writeFile(`${stage}/wrong.toml`, shimFile('wrong').replace(shim.sha256, 'ab'.repeat(32)));

    await t.test('ten are served after one restart, and both invalid ones are named', async (t) => {
      await node.run(['sh', '-c', `mv ${stage}/*.toml /etc/rcm-node/shims.d/`]);
      const report = await untilReport(node, 'ten of them served', (one) => served(one).length === 10);
      t.same(served(report), names);
      t.same(
        (await handlersOverCri(node)).filter((name) => name.startsWith('spin-')),
        names,
      );
      t.equal(await startsOf(node), started + 1);
      const status = await rcmNode(node, 'status');
      t.equal(status.code, 1, 'what is missing is exit code 1');
      t.match(status.stdout, /\/etc\/rcm-node\/shims\.d\/half\.toml:\d+:\d+: /);
      t.match(status.stdout, /wrong +failed/);
      t.match(status.stdout, /sha256/i);
      const store = await node.run(['ls', '/opt/rcm-node/store']);
      t.equal(store.split('\n').filter((line) => line !== '').length, 1, 'one artifact is stored once');
    });

    await t.test('the corrected ones are added with one more restart', async (t) => {
      for (const name of ['half', 'wrong']) await node.writeFile(`${stage}/${name}.toml`, shimFile(name));
      await node.run(['sh', '-c', `mv ${stage}/*.toml /etc/rcm-node/shims.d/`]);
      await untilServing(node, [...names, 'half', 'wrong']);
      t.equal(await startsOf(node), started + 2);
      t.match(await rcmNode(node, 'status'), { code: 0 });
    });

    await t.test('uninstall removes all twelve with one restart', async (t) => {
      t.match(await rcmNode(node, 'uninstall'), { code: 0 });
      t.equal(await startsOf(node), started + 3);
      t.same(censusDifference(before, await census(node)), []);
    });
  });
