/**
 * The stand-in for k0s writes what k0s's source says (pkg/component/worker/containerd at 0955379d, and before it). Every stop: it
 * compiles a Go program.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, type TomlTable } from 'smol-toml';
import t, { type Test } from 'tap';
import type { Said } from '../../../testbed/machine/command.ts';
import { at, call, compare, furnish, handlersOf, skip } from './rendered.ts';

const runtimes = "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes";
const dropIn = `[${runtimes}.spin-v2]\nruntime_type = "/opt/shims/containerd-shim-spin-v2"\n`;
const other = '[debug]\nlevel = "debug"\n';

const renderIn = (root: string, flags: readonly string[]): Promise<Said> =>
  call(root, '', [
    ...['k0s', 'render', `--data-dir=${root}/var/lib/k0s`, `--stand-in-run=${root}/run/k0s`],
    ...[`--stand-in-etc=${root}/etc/k0s`, '--stand-in-pause-image=pause:1', ...flags],
  ]);

const render = (
  t: Test,
  dropIns: Readonly<Record<string, string>>,
  ...flags: readonly string[]
): Promise<Said> => {
  const root = t.testdir({ etc: { k0s: { 'containerd.d': {} } } });
  furnish(join(root, 'etc/k0s/containerd.d'), dropIns);
  return renderIn(root, flags);
};

const golden = async (t: Test, name: string, said: Said): Promise<TomlTable> => {
  t.equal(said.code, 0, said.stderr);
  compare(t, name, said.stdout);
  return parse(said.stdout);
};

t.test('containerd imports the drop-ins', { skip }, async (t) => {
  const table = await golden(t, 'k0s', await render(t, { 'a.toml': dropIn }));
  t.match(table, { version: 3, imports: ['/etc/k0s/containerd.d/*.toml'] });
  t.same(handlersOf(table), []);
});

t.test('former versions merge the drop-ins of CRI themselves', { skip }, async (t) => {
  const root = t.testdir({});
  const files = {
    'a.toml': dropIn,
    'b.toml': other,
    'c.toml': `[${runtimes}.spin-v2]\nruntime_type = "x"\n`,
  };
  furnish(join(root, 'etc/k0s/containerd.d'), files);
  const table = await golden(t, 'k0s-merges', await renderIn(root, ['--stand-in-merges']));
  t.same(table.imports, ['/etc/k0s/containerd.d/b.toml', '/run/k0s/containerd-cri.toml']);
  const merged = parse(readFileSync(join(root, 'run/k0s/containerd-cri.toml'), 'utf8'));
  t.match(merged, {
    version: 3,
    plugins: { 'io.containerd.cri.v1.images': { pinned_images: { sandbox: 'pause:1' } } },
  });
  t.same(at(merged, 'plugins', 'io.containerd.cri.v1.runtime', 'containerd', 'runtimes'), {
    'spin-v2': { runtime_type: 'x' },
  });
});

t.test('the file stays as it is when its first line is another', { skip }, async (t) => {
  const root = t.testdir({ etc: { k0s: { 'containerd.toml': '# k0s_managed=false\nversion = 3\n' } } });
  t.match(await renderIn(root, []), { code: 0, stdout: '# k0s_managed=false\nversion = 3\n' });
  writeFileSync(join(root, 'etc/k0s/containerd.toml'), '# k0s_managed=true\nversion = 2\n');
  t.match(await renderIn(root, []), { code: 0, stdout: /^# k0s_managed=true\n[\s\S]*version = 3\n/ });
});

t.test(
  'a drop-in of another version, with tables of containerd 1 or no TOML is an error',
  { skip },
  async (t) => {
    const refused = {
      'expected 3, got 2': 'version = 2\n',
      'expected 3, got 4': 'version = 4\n',
      'io.containerd.grpc.v1.cri': "[plugins.'io.containerd.grpc.v1.cri']\nstream_server_port = '0'\n",
      'a.toml': 'version =\n',
    };
    for (const flags of [[], ['--stand-in-merges']])
      for (const [why, text] of Object.entries(refused)) {
        const said = await render(t, { 'a.toml': text }, ...flags);
        t.match(said, { code: 1, stdout: '' });
        t.ok(said.stderr.includes(why), said.stderr);
      }
    t.match(await render(t, { 'a.toml': `version = 3\n${dropIn}` }), { code: 0 });
    t.match(await render(t, { 'a.toml.bak': 'version = 2\n' }), { code: 0 }, 'other names are not read');
  },
);
