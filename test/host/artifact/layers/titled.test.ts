import t, { type Test } from 'tap';
import { chooseTitled } from '../../../../host/artifact/layers/titled.ts';
import type { Wanted } from '../../../../host/artifact/choice.ts';
import { Failure } from '../../../../protocol/problem/problem.ts';

const spin: Wanted = { kind: 'shim', name: 'spin-v2' };
const files = (...titles: readonly string[]) =>
  titles.map((title, index) => ({ title, path: `/incoming/${index}`, sha256: `${index}` }));

const chosen = (titles: readonly string[], wanted: Wanted = spin) =>
  chooseTitled(files(...titles), wanted).map(({ file, wanted: part }) => [file.title, part]);

const refused = (t: Test, titles: readonly string[], message: RegExp, wanted: Wanted = spin): void => {
  try {
    t.fail(`took ${chosen(titles, wanted)}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    t.match(error.problem, {
      code: 'bad-archive',
      message,
      hint: /oras push REFERENCE (containerd-shim-|crun)/,
    });
  }
};

t.test('a file alone is taken, whatever its title is', async (t) => {
  for (const title of ['shim.tar.gz', 'containerd-shim-spin-v2-x86_64', '', 'README.md'])
    t.same(chosen([title]), [[title, spin]]);
});

t.test('of several the one of the wanted name is taken, else the only one that is serious', async (t) => {
  const named = { kind: 'named', names: ['containerd-shim-spin-v2'] };
  t.same(chosen(['containerd-shim-spin-v2', 'containerd-shim-wws-v1']), [['containerd-shim-spin-v2', named]]);
  t.same(chosen(['bin/containerd-shim-spin-v2', 'x.tar.gz']), [['bin/containerd-shim-spin-v2', named]]);
  t.same(chosen(['containerd-shim-other', 'shim.conf', 'notes']), [['containerd-shim-other', spin]]);
  t.same(chosen(['shim.tar.gz', 'shim.tar.gz.sig', 'SHA256SUMS.txt', 'sbom.json.gz']), [
    ['shim.tar.gz', spin],
  ]);
});

t.test('an OCI runtime and its libraries are a file each, or one archive', async (t) => {
  const crun: Wanted = { kind: 'named', names: ['crun', 'libwasmedge.so.0'] };
  t.same(chosen(['libwasmedge.so.0', 'crun'], crun), [
    ['crun', { kind: 'named', names: ['crun'] }],
    ['libwasmedge.so.0', { kind: 'named', names: ['libwasmedge.so.0'] }],
  ]);
  t.same(chosen(['crun.tar.gz', 'LICENSE.txt'], crun), [['crun.tar.gz', crun]]);
  refused(
    t,
    ['crun', 'libother.so'],
    /not clear which has "crun", "libwasmedge\.so\.0": "crun", "libother\.so"/,
    crun,
  );
});

t.test(
  'where nothing tells, the titles are listed, and no control character reaches a terminal',
  async (t) => {
    refused(
      t,
      ['a.tar.gz', 'b.tar.gz'],
      /has 2 files, and it is not clear which has "containerd-shim-spin-v2": "a/,
    );
    refused(t, ['containerd-shim-spin-v2', 'x/containerd-shim-spin-v2'], /not clear which has/);
    refused(t, ['a\u001b[2J', 'b'], /"a\\u001b\[2J"/);
  },
);
