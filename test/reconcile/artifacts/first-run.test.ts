import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Host } from '../../../host/host.ts';
import { AMD64, makeVersionedElf } from '../../fixtures/artifacts/make-elf.ts';
import { keyOf, makeRoot, type Node, openNode, sha256, writeShim } from '../../../testbed/simulated/node.ts';

/** `chroot ROOT PROGRAM …` as the fake's own programs see it. */
const imageOf = (node: Node): Host => ({
  ...node.fake.host,
  systemd: undefined,
  tools: {
    run: ([, , program = '', ...words], options) => node.fake.host.tools.run([program, ...words], options),
  },
});

const broken = '#!/bin/sh\n# broken on this host\n';

/** A shim whose program does not run on the fake host; nothing that reads it can tell. */
const writeBrokenShim = (node: Node, name: string): void => {
  node.write(`/srv/artifacts/${name}`, broken, 0o755);
  node.write(
    `/etc/rcm-node/shims.d/${name}.toml`,
    `name = "${name}"\n[fetchStrategy.anonHttp]\nlocation = "file:///srv/artifacts/${name}"\nsha256 = "${sha256(broken)}"\n`,
  );
};

/** An image with these handlers, and the host that boots from it. */
const booted = async (t: Test, prepare: (image: Node) => void, version = '2.1.4'): Promise<Node> => {
  const root = makeRoot(t);
  const image = openNode(root, { version, runs: false });
  prepare(image);
  const ticked = await image.once({ activate: false }, imageOf(image));
  t.equal(ticked.outcome.kind, 'converged', 'the image is prepared');
  return openNode(root, { version });
};
const manifest = (node: Node, name: string): string =>
  node.read(`/opt/rcm-node/store/${keyOf(name, `containerd-shim-${name}`)}/manifest.json`) ?? '';

for (const version of ['1.7.24', '2.1.4'])
  t.test(`on ${version} the first start runs the image’s programs once, and restarts nothing`, async (t) => {
    const node = await booted(t, (image) => writeShim(image, 'spin-v2'), version);
    t.match(manifest(node, 'spin-v2'), /"untried": true/);
    const runs: string[] = [];
    const { host } = node.fake;
    const counting: Host = {
      ...host,
      checkBinary: (check, tools) => {
        runs.push(check.path);
        return host.checkBinary(check, tools);
      },
    };
    t.equal((await node.once({}, counting)).outcome.kind, 'converged');
    t.notMatch(manifest(node, 'spin-v2'), 'untried');
    t.equal((await node.once({}, counting)).outcome.kind, 'converged');
    t.equal(runs.length, 1);
    t.strictSame(node.fake.containerd.jobs, []);
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
  });

t.test('a shim that needs a newer glibc than the image has is not put into it', async (t) => {
  const image = openNode(makeRoot(t), { version: '2.1.4', runs: false });
  const loader = '/lib64/ld-linux-x86-64.so.2';
  const place = (path: string, bytes: Buffer): void => {
    image.write(path, '', 0o755);
    writeFileSync(join(image.root, path), bytes);
  };
  place(loader, makeVersionedElf(AMD64, {}, ''));
  place('/usr/lib64/libc.so.6', makeVersionedElf(AMD64, { defined: ['GLIBC_2.2.5', 'GLIBC_2.36'] }, ''));
  for (const [version, state] of [
    ['GLIBC_2.39', 'failed'],
    ['GLIBC_2.36', 'written'],
  ] as const) {
    const needed = { 'libc.so.6': ['GLIBC_2.2.5', version] };
    const shim = makeVersionedElf(AMD64, { libraries: ['libc.so.6'], needed }, loader);
    place('/srv/artifacts/spin', shim);
    const digest = createHash('sha256').update(shim).digest('hex');
    image.write(
      '/etc/rcm-node/shims.d/spin.toml',
      `name = "spin"\n[fetchStrategy.anonHttp]\nlocation = "file:///srv/artifacts/spin"\nsha256 = "${digest}"\n`,
    );
    const { decision } = await image.once({ activate: false, now: true }, imageOf(image));
    t.match(decision.handlers, [{ name: 'spin', state }], version);
    if (state === 'failed')
      t.match(decision.handlers, [
        {
          problem: {
            code: 'missing-library',
            message: /GLIBC_2\.39 of libc\.so\.6.*\(its libc\.so\.6 has GLIBC_2\.36 at most\)/,
          },
        },
      ]);
  }
});

t.test(
  'a program that does not run is removed, the others stay, and it is not retried again and again',
  async (t) => {
    const node = await booted(t, (image) => {
      writeShim(image, 'spin-v2');
      writeBrokenShim(image, 'wws-v1');
    });
    const first = await node.once();
    t.match(first.outcome, {
      kind: 'degraded',
      problems: [{ code: 'will-not-run', handler: 'wws-v1', message: /does not run: it exited with 1/ }],
    });
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
    t.equal(node.fake.containerd.jobs.length, 1, 'one restart');
    for (let more = 0; more < 3; more++) t.equal((await node.once()).outcome.kind, 'degraded');
    t.equal(node.fake.containerd.jobs.length, 1);
    t.match((await node.once()).decision.handlers, [
      { name: 'spin-v2', state: 'served' },
      { name: 'wws-v1', state: 'failed' },
    ]);
    node.remove('/etc/rcm-node/shims.d/wws-v1.toml');
    t.equal((await node.once()).outcome.kind, 'converged');
    t.ok((await node.uninstall()).complete);
  },
);

t.test('a start that the program ends counts as an attempt, and the next start omits it', async (t) => {
  const node = await booted(t, (image) => writeShim(image, 'spin-v2'));
  const { host } = node.fake;
  const died = new Error('killed');
  const dying: Host = {
    ...host,
    checkBinary: () => Promise.reject(died),
    files: { ...host.files, removeTree: () => Promise.reject(died) },
  };
  await node.once({}, dying).catch((error: unknown) => t.equal(error, died));
  node.fake.locked = false;
  const ticked = await node.once();
  t.match(ticked.outcome, { kind: 'degraded', problems: [{ code: 'interrupted', handler: 'spin-v2' }] });
  t.strictSame(node.fake.containerd.served(), ['runc']);
  node.fake.advance(60_000);
  await node.once();
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2'], 'and tries it again after a pause');
});

t.test('plan changes nothing, and a damaged artifact is downloaded again', async (t) => {
  const node = await booted(t, (image) => writeShim(image, 'spin-v2'));
  t.equal((await node.plan()).decision.plan.kind === 'refused', false);
  t.match(manifest(node, 'spin-v2'), /untried/);
  const program = `/opt/rcm-node/store/${keyOf('spin-v2')}/containerd-shim-spin-v2`;
  const text = node.read(program) ?? '';
  node.write(program, text.replace('#!/bin/sh', '#!/bin/xx'), 0o755);
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(node.read(program), text);
  t.notMatch(manifest(node, 'spin-v2'), 'untried');
});

t.test('a lack of memory is no failure of the program', async (t) => {
  const node = await booted(t, (image) => writeShim(image, 'spin-v2'));
  const { Failure } = await import('../../../protocol/problem/problem.ts');
  const { host } = node.fake;
  const short: Host = {
    ...host,
    checkBinary: () => Promise.reject(new Failure({ code: 'out-of-resources', message: 'no memory' })),
  };
  t.equal((await node.once({}, short)).outcome.kind, 'converged');
  t.match(manifest(node, 'spin-v2'), /untried/, 'it is run at the next look');
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
});

t.test('a removed program that does not run stays removed, also when it is due for a retry', async (t) => {
  const node = await booted(t, (image) => {
    writeShim(image, 'spin-v2');
    writeBrokenShim(image, 'wws-v1');
  });
  await node.once();
  const { containerd } = node.fake;
  const restarts = containerd.jobs.length;
  for (let hour = 0; hour < 3; hour++) {
    node.fake.advance(3_600_000);
    await node.once();
    t.strictSame(containerd.served(), ['runc', 'spin-v2']);
  }
  t.equal(containerd.jobs.length, restarts);
});

t.test('a store that cannot be written is no failure of the program that runs', async (t) => {
  const node = await booted(t, (image) => writeShim(image, 'spin-v2'));
  const { host } = node.fake;
  const { Failure } = await import('../../../protocol/problem/problem.ts');
  const readOnly: Host = {
    ...host,
    files: {
      ...host.files,
      put: (path, text, mode) =>
        path.startsWith('/opt/')
          ? Promise.reject(new Failure({ code: 'read-only', message: 'EROFS', where: { file: path } }))
          : host.files.put(path, text, mode),
    },
  };
  for (let more = 0; more < 2; more++) {
    t.equal((await node.once({}, readOnly)).outcome.kind, 'converged');
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
  }
});
