import { existsSync, linkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Host } from '../../host/host.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Start } from '../../testbed/simulated/fake/daemon.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../testbed/simulated/node.ts';
import { difference, foreign, treeOf } from '../../testbed/simulated/tree.ts';

const main = '/etc/containerd/config.toml';

const nodeOf = (t: Test, how: Start, version = '2.1.4'): Node => {
  const node = openNode(makeRoot(t), { version });
  writeShim(node, 'spin-v2');
  node.fake.containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? how : 'works');
  return node;
};
const restartTimes = (node: Node): readonly number[] =>
  node.fake.containerd.jobs.map((job) => Number(job.split(' ')[1]));

const failures: readonly (readonly [what: string, how: Start, code: string])[] = [
  ['exits before it is ready', 'exits', 'activation-failed'],
  ['fails for good', 'fails', 'activation-failed'],
  ['starts without CRI', 'no-cri', 'not-ready'],
  ['is never ready', 'not-ready', 'not-ready'],
  ['does not serve the new handler', 'drops', 'not-served'],
  ['hangs in its start', 'hangs', 'activation-failed'],
  ['dies after two seconds', { dies: 2000 }, 'activation-failed'],
  ['dies after five seconds, again and again', { dies: 5000 }, 'activation-failed'],
];

for (const version of ['1.7.24', '2.1.4'])
  for (const [what, how, code] of failures)
    t.test(`a containerd ${version} that ${what} gets its former configuration back`, async (t) => {
      const node = nodeOf(t, how, version);
      const { containerd } = node.fake;
      const before = foreign(treeOf(node.root));
      const ticked = await node.once();
      t.match(ticked.outcome, { kind: 'failed', undone: true, problem: { code } });
      t.strictSame(difference(before, foreign(treeOf(node.root))), {}, 'every byte is back');
      t.strictSame(containerd.served(), ['runc'], 'and healthy');
      t.equal(containerd.jobs.length, 2, 'one restart there, one back');
      t.match(ticked.ledger.bad, { problem: { code } });
      t.equal(ticked.ledger.restarts.length, 2, 'and the budget remembers both');

      const { jobs, dumps } = containerd;
      const count = jobs.length;
      const again = await node.once();
      t.match(again.outcome, { kind: 'degraded', problems: [{ code: 'known-bad' }, { code: 'known-bad' }] });
      t.strictSame(again.did, []);
      node.fake.advance(3 * 3_600_000);
      await node.once();
      t.equal(jobs.length, count, 'what is known to be bad is left alone, for ever');
      t.equal(containerd.dumps, dumps);

      containerd.behaves = () => 'works';
      writeShim(node, 'spin-v2', 'spin-v2', 'podAnnotations = ["fixed/*"]\n');
      t.equal((await node.once()).outcome.kind, 'converged', 'until it changes');
      t.equal((await node.once()).ledger.bad, null);
    });

for (const how of ['fails', 'hangs', 'stopped'] as const)
  t.test(`a shutdown of the host, in which the restart is ${how}, proves nothing`, async (t) => {
    const node = nodeOf(t, 'works');
    const { containerd } = node.fake;
    containerd.host = 'stopping';
    containerd.behaves = () => {
      if (how !== 'stopped') return how;
      // After the restart, while it is proven.
      setImmediate(containerd.stopByOther);
      return 'works';
    };
    const ticked = await node.once();
    t.match(ticked.outcome, { kind: 'failed', undone: false, problem: { code: 'host-stopping' } });
    t.equal(ticked.ledger.bad, null, 'nothing is remembered against the revision');
    t.match(JSON.parse(node.read('/var/lib/rcm-node/journal.json') ?? ''), { direction: 'forward' });
    const jobs = containerd.jobs.length;

    containerd.host = 'starting';
    containerd.behaves = () => 'works';
    containerd.restartByOther();
    t.match((await node.once()).outcome, { kind: 'converged' });
    t.strictSame(containerd.served(), ['runc', 'spin-v2']);
    t.equal(containerd.jobs.length, jobs, 'the boot started it');
  });

t.test('a person may force a change that failed before', async (t) => {
  const node = nodeOf(t, 'exits');
  await node.once();
  node.fake.containerd.behaves = () => 'works';
  await node.once();
  t.strictSame(node.fake.containerd.served(), ['runc']);
  t.equal((await node.once({ force: true })).outcome.kind, 'converged');
});

t.test('a forced attempt that fails again is not repeated in the same tick', async (t) => {
  const node = nodeOf(t, 'exits');
  await node.once({ force: true });
  t.equal(node.fake.containerd.jobs.length, 2);
});

t.test('in the worst case the runtime is healthy again 240 s after the first restart', async (t) => {
  const worst: readonly (readonly [there: Start, back: Start])[] = [
    ['hangs', 'works'],
    ['hangs', { slow: 59_000 }],
    [{ slow: 59_000, later: 'no-cri' }, { slow: 59_000 }],
    ['no-cri', { slow: 59_000 }],
    ['not-ready', { slow: 100_000 }],
    ['hangs', { slow: 100_000 }],
  ];
  for (const [there, back] of worst) {
    const node = nodeOf(t, there);
    const { containerd } = node.fake;
    containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? there : back);
    await node.once();
    const [first = 0] = restartTimes(node);
    const spent = node.fake.host.clock.elapsed() - first;
    t.ok(spent <= 240_000, `${JSON.stringify([there, back])}: ${spent} ms`);
    node.fake.advance(240_000 - spent);
    t.strictSame(containerd.served(), ['runc'], 'served again');
  }
});

t.test('a runtime that takes longer to stop than a restart may take is served again', async (t) => {
  for (const seconds of [61, 90, 110]) {
    const node = nodeOf(t, 'works');
    const { containerd } = node.fake;
    const before = foreign(treeOf(node.root));
    containerd.stopTakes = seconds * 1000;
    const ticked = await node.once();
    t.match(ticked.outcome, { kind: 'failed', undone: true, problem: { code: 'activation-failed' } });
    t.strictSame(difference(before, foreign(treeOf(node.root))), {});
    t.strictSame(containerd.served(), ['runc'], `after a stop of ${seconds} s`);
    const [first = 0] = restartTimes(node);
    t.ok(node.fake.host.clock.elapsed() - first <= 240_000);
  }
});

t.test('a runtime that is found stopped during the undo is started', async (t) => {
  for (const active of ['inactive', 'failed']) {
    const node = nodeOf(t, 'no-cri');
    const { containerd, host } = node.fake;
    const { systemd } = host;
    if (!systemd) throw new Error('there is a service manager');
    const stops: Host = {
      ...host,
      systemd: {
        ...systemd,
        // Another program stops it: our job is cancelled, and nothing would start the runtime again.
        restart: async (name, ms) => {
          if (containerd.jobs.length === 0) return systemd.restart(name, ms);
          containerd.jobs.push('restart, cancelled');
          containerd.unit = { ...containerd.unit, active, sub: 'dead', mainPid: 0 };
          return 'canceled';
        },
      },
    };
    const ticked = await node.once({}, stops);
    t.match(ticked.outcome, { kind: 'failed', undone: true, problem: { code: 'not-ready' } });
    t.strictSame(containerd.served(), ['runc']);
    t.match(containerd.jobs, [/^restart \d/, 'restart, cancelled', /^start /]);
  }
});

t.test('a runtime that does not start on its former configuration either is reported as that', async (t) => {
  const node = nodeOf(t, 'exits');
  const { containerd } = node.fake;
  const behaves: Start[] = ['exits', 'exits'];
  containerd.behaves = () => behaves.shift() ?? 'works';
  const before = foreign(treeOf(node.root));
  const ticked = await node.once();
  t.match(ticked.outcome, { kind: 'failed', problem: { code: 'undo-failed' } });
  t.strictSame(difference(before, foreign(treeOf(node.root))), {});
});

t.test('foreign handlers that disappear with our change count as lost', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(
    main,
    `version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata]\nruntime_type = "io.containerd.kata.v2"\n`,
  );
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  const { containerd } = node.fake;
  const served = containerd.served;
  containerd.served = () =>
    served().includes('spin-v2') ? served().filter((name) => name !== 'kata') : served();
  const ticked = await node.once();
  t.match(ticked.outcome, { kind: 'failed', problem: { code: 'handler-lost', message: /kata/ } });
  t.ok(containerd.served().includes('kata'));
});

/** Another program acts right before the first call of a verb. */
const meanwhile = (host: Host, verb: 'swap' | 'point', path: string, act: () => void): Host => {
  const state = { done: false };
  const hook = (at: string): void => {
    if (at !== path || state.done) return;
    state.done = true;
    act();
  };
  return {
    ...host,
    files: {
      ...host.files,
      swap: async (at, ...rest) => {
        if (verb === 'swap') hook(at);
        return host.files.swap(at, ...rest);
      },
      point: async (at, ...rest) => {
        if (verb === 'point') hook(at);
        return host.files.point(at, ...rest);
      },
    },
  };
};

t.test('a foreign edit between observation and write is kept, and the plan is made again', async (t) => {
  for (const version of ['1.7.24', '2.1.4']) {
    const node = nodeOf(t, 'works', version);
    const first = version.startsWith('1') ? 'version = 2\n' : 'version = 3\n';
    node.write(main, first);
    const host = meanwhile(node.fake.host, 'swap', main, () => node.write(main, `${first}oom_score = -5\n`));
    const ticked = await node.once({}, host);
    t.ok(node.fake.containerd.served().includes('spin-v2'));
    t.match(node.read(main), /oom_score = -5/);
    t.equal(node.fake.containerd.jobs.length, 1);
    t.equal(ticked.outcome.kind, 'converged', 'a lost race is no failure when the next look wins');
    t.strictSame((await node.once()).did, []);
    await node.uninstall();
    t.equal(node.read(main), `${first}oom_score = -5\n`);
  }
});

t.test('a foreign edit during the restart is kept when ours is rolled back', async (t) => {
  const node = nodeOf(t, 'exits');
  node.write(main, 'version = 3\n');
  const { systemd } = node.fake.host;
  if (!systemd) throw new Error('there is a service manager');
  const edited = (): string => `${node.read(main)}\n# theirs\n`;
  const state = { text: '' };
  const host: Host = {
    ...node.fake.host,
    systemd: {
      ...systemd,
      restart: async (name, ms) => {
        if (state.text === '') {
          state.text = edited();
          node.write(main, state.text);
        }
        return systemd.restart(name, ms);
      },
    },
  };
  const ticked = await node.once({}, host);
  t.match(ticked.outcome, { kind: 'failed', undone: true });
  t.equal(node.read(main), state.text, 'their edit is not overwritten by the undo');
  t.equal(node.read('/etc/containerd/conf.d/zz-rcm-node.toml'), undefined, 'what is ours alone is');
  t.strictSame(node.fake.containerd.served(), ['runc']);
  await node.once();
  await node.uninstall();
  t.equal(node.read(main), 'version = 3\n\n# theirs\n');
});

t.test('a hard link created during the restart does not keep the runtime broken', async (t) => {
  const node = nodeOf(t, 'exits');
  node.write(main, 'version = 3\n');
  const { systemd } = node.fake.host;
  if (!systemd) throw new Error('there is a service manager');
  const copy = join(node.root, 'etc/backup.toml');
  const host: Host = {
    ...node.fake.host,
    systemd: {
      ...systemd,
      restart: async (name, ms) => {
        if (!existsSync(copy)) linkSync(join(node.root, main), copy);
        return systemd.restart(name, ms);
      },
    },
  };
  const ticked = await node.once({}, host);
  t.match(ticked.outcome, { kind: 'failed', undone: true, problem: { code: 'activation-failed' } });
  t.equal(node.read(main), 'version = 3\n');
  t.strictSame(node.fake.containerd.served(), ['runc']);
});

t.test('a full disk in the middle rolls back, without a restart, and is no failed revision', async (t) => {
  for (const victim of [main, '/etc/containerd/conf.d/zz-rcm-node.toml']) {
    const node = nodeOf(t, 'works');
    node.write(main, 'version = 3\n');
    const before = foreign(treeOf(node.root));
    const { files } = node.fake.host;
    const host: Host = {
      ...node.fake.host,
      files: {
        ...files,
        swap: async (path, was, shall) => {
          if (path === victim && shall.kind === 'text' && shall.text.includes('rcm-node'))
            throw new Failure({ code: 'disk-full', message: 'no space', where: { file: path } });
          return files.swap(path, was, shall);
        },
      },
    };
    const ticked = await node.once({}, host);
    t.match(ticked.outcome, { kind: 'failed', undone: true, problem: { code: 'disk-full' } });
    t.strictSame(node.fake.containerd.jobs, []);
    t.strictSame(difference(before, foreign(treeOf(node.root))), {});
    t.equal((await node.once()).outcome.kind, 'converged', 'with space it goes on');
  }
});

t.test('a disk too full for the journal changes nothing', async (t) => {
  const node = nodeOf(t, 'works');
  const before = foreign(treeOf(node.root));
  const { files } = node.fake.host;
  const host: Host = {
    ...node.fake.host,
    files: {
      ...files,
      put: async (path, ...rest) => {
        if (path.endsWith('/journal.json')) throw new Failure({ code: 'disk-full', message: 'no space' });
        return files.put(path, ...rest);
      },
    },
  };
  const ticked = await node.once({}, host);
  t.match(ticked.outcome, { kind: 'failed', problem: { code: 'disk-full' } });
  t.strictSame(difference(before, foreign(treeOf(node.root))), {});
  t.strictSame(node.fake.containerd.jobs, []);
});

t.test('a restart of the runtime by another program during the proof is no failure', async (t) => {
  const node = nodeOf(t, 'works');
  const { clock } = node.fake.host;
  const state = { done: false };
  const host: Host = {
    ...node.fake.host,
    clock: {
      ...clock,
      sleep: async (ms) => {
        if (ms === 500 && !state.done) {
          state.done = true;
          node.fake.containerd.restartByOther();
        }
        return clock.sleep(ms);
      },
    },
  };
  t.equal((await node.once({}, host)).outcome.kind, 'converged');
  t.ok(state.done);
  t.equal(node.fake.containerd.jobs.length, 1);
  await node.once();
  t.equal(node.fake.containerd.jobs.length, 1);
});

t.test('an unreachable service manager stops everything before the first write', async (t) => {
  const node = nodeOf(t, 'works');
  const { systemd } = node.fake.host;
  if (!systemd) throw new Error('there is a service manager');
  const host: Host = {
    ...node.fake.host,
    systemd: {
      ...systemd,
      unit: async () => {
        throw new Failure({ code: 'systemd-unreachable', message: 'no bus' });
      },
    },
  };
  const before = foreign(treeOf(node.root));
  t.match((await node.once({}, host)).outcome, { kind: 'refused', problem: { code: 'systemd-unreachable' } });
  t.strictSame(difference(before, foreign(treeOf(node.root))), {});
});

/** A host whose service manager cannot be reached while `gone` says so; it is asked once for each look. */
const flaky = (node: Node, gone: () => boolean): Host => {
  const { systemd } = node.fake.host;
  if (!systemd) throw new Error('there is a service manager');
  const check = (): void => {
    if (gone()) throw new Failure({ code: 'systemd-unreachable', message: 'no bus' });
  };
  return {
    ...node.fake.host,
    systemd: {
      ...systemd,
      unit: async (name) => {
        check();
        return systemd.unit(name);
      },
      restart: async (name, ms) => {
        check();
        return systemd.restart(name, ms);
      },
    },
  };
};

t.test('a bus that is restarted during the proof is no failure of the runtime', async (t) => {
  const node = nodeOf(t, 'works');
  const state = { looks: 0 };
  const restarted = (): boolean => node.fake.containerd.jobs.length > 0;
  const host = flaky(node, () => restarted() && [1, 2, 5].includes(++state.looks));
  t.equal((await node.once({}, host)).outcome.kind, 'converged');
  t.ok(state.looks > 5);
  t.equal(node.fake.containerd.jobs.length, 1);
});

t.test(
  'a rollback without a service manager continues, restart included, once there is one again',
  async (t) => {
    const node = nodeOf(t, 'no-cri');
    const { containerd } = node.fake;
    const before = foreign(treeOf(node.root));
    const lost = flaky(node, () => containerd.jobs.length > 0);
    for (const tick of [1, 2]) {
      const ticked = await node.once({}, lost);
      t.match(ticked.outcome, { kind: 'failed', undone: false, problem: { code: 'undo-failed' } }, `${tick}`);
      t.strictSame(difference(before, foreign(treeOf(node.root))), {}, 'the files are back at once');
      t.equal(containerd.jobs.length, 1);
    }
    containerd.behaves = () => 'works';
    t.match((await node.once()).outcome, { kind: 'converged' }, 'all is well now, whatever was begun before');
    t.equal(containerd.jobs.length, 3, 'one restart back, and one more try of what nothing disproved');
    t.strictSame(containerd.served(), ['runc', 'spin-v2']);
    t.equal((await node.once()).outcome.kind, 'converged');
  },
);

for (const how of ['no-cri', 'drops'] as const)
  t.test(
    `an undo (${how}) whose restart was cancelled by another program is not taken for done`,
    async (t) => {
      const node = nodeOf(t, how);
      const { containerd, host } = node.fake;
      const { systemd } = host;
      if (!systemd) throw new Error('there is a service manager');
      const cancels: Host = {
        ...host,
        systemd: {
          ...systemd,
          restart: async (name, ms) => (containerd.jobs.length > 0 ? 'canceled' : systemd.restart(name, ms)),
        },
      };
      t.match((await node.once({}, cancels)).outcome, { kind: 'failed', undone: false });
      await node.once();
      t.strictSame(containerd.served(), ['runc']);
      t.equal(containerd.jobs.length, 2);
    },
  );

t.test('a foreign file in the place of a link of ours survives plan and undo', async (t) => {
  const node = nodeOf(t, 'works');
  const path = '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2';
  const { files } = node.fake.host;
  const host: Host = {
    ...node.fake.host,
    files: {
      ...files,
      linkAt: async (at) => {
        if (at === path) node.write(path, 'theirs\n');
        return files.linkAt(at);
      },
    },
  };
  t.match((await node.once({}, host)).outcome, {
    kind: 'failed',
    undone: true,
    problem: { code: 'not-ours' },
  });
  t.equal(node.read(path), 'theirs\n');
});

t.test('a file that cannot be read during the rollback does not count as changed by others', async (t) => {
  const node = nodeOf(t, 'exits');
  const { containerd } = node.fake;
  const before = foreign(treeOf(node.root));
  const { files } = node.fake.host;
  const host: Host = {
    ...node.fake.host,
    files: {
      ...files,
      look: async (at) =>
        at.endsWith('/zz-rcm-node.toml') && containerd.jobs.length > 0
          ? { kind: 'unreadable', why: 'EMFILE', errno: 'EMFILE' }
          : files.look(at),
    },
  };
  t.match((await node.once({}, host)).outcome, { kind: 'failed', undone: false });
  t.match((await node.once()).outcome, { kind: 'failed', undone: true });
  t.strictSame(difference(before, foreign(treeOf(node.root))), {});
  t.strictSame(containerd.served(), ['runc']);
});

t.test('a disk that fills up during the restart does not prevent the former configuration', async (t) => {
  const node = nodeOf(t, 'exits');
  node.write(main, 'version = 3\n');
  const { systemd, files } = node.fake.host;
  if (!systemd) throw new Error('there is a service manager');
  const disk = { full: false };
  const host: Host = {
    ...node.fake.host,
    files: {
      ...files,
      put: async (path, text, mode) => {
        if (disk.full && path.startsWith('/var/lib/rcm-node/'))
          throw new Failure({ code: 'disk-full', message: 'no space', where: { file: path } });
        return files.put(path, text, mode);
      },
    },
    systemd: {
      ...systemd,
      restart: async (name, ms) => {
        disk.full = true;
        return systemd.restart(name, ms);
      },
    },
  };
  const ticked = await node.once({}, host);
  t.equal(ticked.outcome.kind, 'failed');
  t.equal(node.read(main), 'version = 3\n');
  t.strictSame(node.fake.containerd.served(), ['runc'], 'the runtime is back on what it had');
  t.equal(node.fake.containerd.jobs.length, 2, 'one restart, and one back');
  await node.once({}, host);
  t.equal(node.fake.containerd.jobs.length, 2, 'nothing is tried while nothing can be written down');
});
