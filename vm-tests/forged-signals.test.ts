/**
 * A user of the node, with no right but a login, sends forged signals of systemd to every connection on the system bus.
 * Debian's own policy of the bus lets it; the runtime is restarted once, and nothing fails.
 */
import { dirname, join } from 'node:path';
import t from 'tap';
import {
  bootWithRcmNode,
  handlersOverCri,
  journalOf,
  rcmNode,
  startsOf,
  until,
  untilServing,
  writeShim,
} from '../testbed/node/service.ts';
import { makeStandInShim } from '../testbed/artifacts/shim.ts';

const progress = (line: string): void => t.comment(line);
const tree = '/srv/rcm-node';
const user = 'mallory';

t.test('a user of the node forges signals of systemd', async (t) => {
  const shim = await makeStandInShim('trixie', '1', progress);
  const second = await makeStandInShim('trixie', '1', progress, 'slight-v1');
  const third = await makeStandInShim('trixie', '1', progress, 'lunatic-v1');
  const node = await bootWithRcmNode('trixie', {
    progress,
    settings: 'interval = 3600\n',
    binds: {
      [tree]: { from: join(import.meta.dirname, '..'), readOnly: true },
      '/srv/node': { from: dirname(process.execPath), readOnly: true },
    },
  });
  t.teardown(() => node.stop());
  await node.run(['useradd', '--create-home', user]);
  const forge = async (what: string): Promise<void> => {
    await node.exec(['systemctl', 'stop', 'forger']);
    // The library that Node needs and a bare host lacks lies beside our executable.
    const libraries = dirname((await node.run(['readlink', '-f', '/opt/rcm-node/bin/rcm-node'])).trim());
    const own = [`--property=User=${user}`, `--setenv=LD_LIBRARY_PATH=${libraries}`, '--collect'];
    const program = ['/srv/node/node', `${tree}/testbed/node/forger.ts`, what];
    await node.run(['systemd-run', '--unit=forger', ...own, ...program]);
    await until(node, 'the forger is ready', async () => (await journalOf(node, 'forger')).includes('ready'));
  };
  const died = async (): Promise<string> =>
    (await node.run(['systemctl', 'show', '--value', '-p', 'NRestarts', 'rcm-node'])).trim();
  const starts = await startsOf(node);

  await t.test('forged ends of jobs: the install is one restart, and stays', async (t) => {
    await forge('endings');
    await writeShim(node, 'spin-v2', shim);
    await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
    await untilServing(node, ['spin-v2']);
    t.equal(await startsOf(node), starts + 1);
    t.match(await journalOf(node, 'forger'), /told :\d.* that job \d+ failed/, 'and it was attacked');
    t.notMatch(await journalOf(node), /the job ended with/);
  });

  await t.test('messages that the library cannot parse: the service continues', async (t) => {
    await forge('unparsable');
    await writeShim(node, 'slight-v1', second);
    await untilServing(node, ['slight-v1', 'spin-v2']);
    t.equal(await startsOf(node), starts + 2);
    t.match(await journalOf(node, 'forger'), /sent :\d/, 'and it was attacked');
    t.equal(await died(), '0');
  });

  await t.test('while systemd re-executes itself, and has another name on the bus', async (t) => {
    await forge('endings');
    await writeShim(node, 'lunatic-v1', third);
    await until(node, 'the restart asked for', async () =>
      (await node.exec(['cat', '/var/lib/rcm-node/journal.json'])).stdout.includes('"forwardFrom"'),
    );
    await node.run(['systemctl', 'daemon-reexec']);
    await untilServing(node, ['lunatic-v1', 'slight-v1', 'spin-v2']);
    t.equal(await startsOf(node), starts + 3);
    t.equal(await died(), '0');
  });

  await t.test('uninstall, whose stop of the service is a job too', async (t) => {
    t.match(await rcmNode(node, 'uninstall'), { code: 0 });
    t.same(await handlersOverCri(node), ['runc']);
    t.equal(await startsOf(node), starts + 4);
  });
});
