/**
 * What a trial judges is what the distribution then renders: the stand-ins of k3s, k0s and MicroK8s render with Go's own templates, and
 * a real containerd tells what each file means. It takes no node, but the build of the stand-ins. Every stop.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import t, { type Test } from 'tap';
import { emptyLedger } from '../../daemon/model/ledger.ts';
import { readTree } from '../../daemon/reconcile/observe/config-files.ts';
import { containerd } from '../../daemon/runtimes/containerd/row.ts';
import { meaningful } from '../../daemon/runtimes/containerd/config.ts';
import type { ConfigPlace } from '../../daemon/runtimes/facts.ts';
import type { Tables, WantedFile } from '../../daemon/runtimes/runtime.ts';
import { parseToml } from '../../daemon/toml/toml.ts';
import type { FileFact } from '../../host/facts.ts';
import { makeFiles } from '../../host/files/files.ts';
import { provideSupervisor } from '../../testbed/distros/supervisor.ts';
import { microk8sFiles } from '../../testbed/distros/microk8s.ts';
import { runtime } from '../../testbed/simulated/bare-host.ts';

type Row = {
  readonly name: string;
  readonly program: 'k3s' | 'k0s' | 'snap';
  readonly words: readonly string[];
  readonly version: string;
  /** Below the folder of the test. */
  readonly main: string;
  readonly place: (folder: string) => ConfigPlace;
  /** Files of a person, before us. */
  readonly files?: Readonly<Record<string, string>>;
};

const etc = 'data/agent/etc/containerd';
const base = '{{ template "base" . }}\n';
const own = '{{ template "base" . }}\n\n{{ if .Root }}[debug]\n  level = "info"{{ end }}';
const k3s = { program: 'k3s', version: '2.2.9', main: `${etc}/config.toml` } as const;
const template =
  (name: string) =>
  (folder: string): ConfigPlace => ({ kind: 'template', path: `${folder}/${etc}/${name}`, base });
const [v2, v3] = ['config.toml.tmpl', 'config-v3.toml.tmpl'];
const merged = '--stand-in-rendering=merged';
const dropIns = (folder: string): ConfigPlace => ({
  kind: 'folder',
  folder: `${folder}/etc/k0s/containerd.d`,
  readBy: 'distribution',
});

const rows: readonly Row[] = [
  ...[[], [merged]].flatMap((words): readonly Row[] => [
    { ...k3s, name: `k3s ${words} new template`, words, place: template(v3) },
    {
      ...k3s,
      name: `k3s ${words} template of a person`,
      words,
      place: template(v3),
      files: { [`${etc}/${v3}`]: own },
    },
    {
      ...k3s,
      name: `k3s ${words} template of version 2 alone`,
      words,
      place: template(v2),
      files: { [`${etc}/${v2}`]: own },
    },
  ]),
  {
    ...k3s,
    name: 'k3s before containerd 2',
    words: ['--stand-in-former'],
    version: '1.7.35',
    place: template(v2),
  },
  {
    ...k3s,
    name: 'k3s folder',
    words: ['--stand-in-imports', merged],
    place: (folder) => ({ kind: 'folder', folder: `${folder}/${etc}/config-v3.toml.d`, readBy: 'runtime' }),
    files: { [`${etc}/config-v3.toml.d/a.toml`]: 'version = 3\n[debug]\nlevel = "info"\n' },
  },
  ...[[], ['--stand-in-merges']].map(
    (words): Row => ({
      name: `k0s ${words}`,
      program: 'k0s',
      words,
      version: '2.2.9',
      main: 'etc/k0s/containerd.toml',
      place: dropIns,
      files: { 'etc/k0s/containerd.d/a.toml': 'version = 3\n[debug]\nlevel = "info"\n' },
    }),
  ),
  {
    name: 'MicroK8s',
    program: 'snap',
    words: [],
    version: '1.7.35',
    main: 'var/snap/microk8s/1/args/containerd.toml',
    place: (folder) => ({
      kind: 'template',
      path: `${folder}/var/snap/microk8s/1/args/containerd-template.toml`,
      base: '',
    }),
    files: microk8sFiles('var/snap/microk8s/1/args'),
  },
];

/** Also with text that an engine would read, quotes, and zero values. */
const tables: Tables = new Map(
  ['spin', 'odd'].map((name) => [
    name,
    {
      runtime_type: `/opt/rcm-node/shims/${name}/containerd-shim-${name}`,
      ...(name === 'odd'
        ? {
            pod_annotations: ['a/*', "it's {{ .Root }}"],
            options: { text: `{{{ "x" }} \${SNAP} \\u007B`, inner: { off: false, none: 0, many: [1, 2] } },
          }
        : {}),
    },
  ]),
);

/** The meaning of a dump, without the names of files. */
const meaningIn = (dump: string): unknown => {
  const { imports: _, ...rest } = parseToml(dump, 'dump');
  return meaningful(rest);
};

const onHost = async (t: Test, row: Row) => {
  const folder = t.testdir({});
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const progress = (line: string): void => t.comment(line);
  symlinkSync(await provideSupervisor(progress), join(bin, row.program));
  symlinkSync(await provideSupervisor(progress, row.version), join(bin, 'containerd'));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  for (const [path, text] of Object.entries(row.files ?? {})) put(join(folder, path), text);
  const main = join(folder, row.main);
  const render = async (): Promise<void> => {
    const at = (path: string) => join(folder, path);
    const words = {
      k3s: ['render', '--data-dir', at('data'), ...row.words],
      k0s: [
        'render',
        ...[`--data-dir=${at('data')}`, `--stand-in-run=${at('run')}`, `--stand-in-etc=${at('etc/k0s')}`],
        ...row.words,
      ],
      snap: ['render', 'microk8s.daemon-containerd'],
    }[row.program];
    if (row.program === 'snap')
      for (const link of ['snap/microk8s/current', 'var/snap/microk8s/current'])
        if (!existsSync(at(link))) {
          mkdirSync(join(dirname(at(link)), '1'), { recursive: true });
          symlinkSync('1', at(link));
        }
    const { stdout } = await execa(join(bin, row.program), words, { env: { STAND_IN_ROOT: folder } });
    put(main, `${stdout}\n`);
  };
  const dump = async (words: readonly string[]): Promise<unknown> =>
    meaningIn((await execa(join(bin, 'containerd'), words)).stdout);
  const files = makeFiles('/');
  const look = async () => {
    const place = row.place(folder);
    const tree = await readTree(files, containerd, { main });
    const known: Record<string, FileFact> = {};
    for (const path of place.kind === 'template'
      ? [place.path]
      : place.kind === 'folder'
        ? [`${place.folder}/zz-rcm-node.toml`]
        : [])
      known[path] = await files.look(path);
    return containerd.target(
      { ...runtime, version: row.version, configPath: main, ...tree, place },
      known,
      emptyLedger,
    );
  };
  const write = (wanted: readonly WantedFile[]): void => {
    for (const { path, text } of wanted)
      if (text === null) rmSync(path, { force: true });
      else put(path, text);
  };
  return { folder, render, dump, look, write, put, inForce: () => dump(containerd.dumpWords({ main })) };
};

for (const row of rows)
  t.test(`${row.name}: the trial is equal to what is rendered`, async (t) => {
    const { folder, render, dump, look, write, put, inForce } = await onHost(t, row);
    await render();
    const first = await inForce();
    const judge = async () => {
      const target = await look();
      const wiring = target.wire(tables);
      const { before, after, words } = target.stage(wiring, join(folder, 'trial'));
      for (const { path, text } of [...before, ...after]) if (text !== null) put(path, text);
      return { target, wiring, without: await dump(words.before), with: await dump(words.after) };
    };
    const fresh = await judge();
    t.same(fresh.without, first, 'the present configuration is judged as it is');
    write(fresh.wiring.files);
    await render();
    const second = await inForce();
    t.same(fresh.with, second, 'and the new one as it comes out');
    t.notSame(second, first);

    const again = await judge();
    t.same(
      again.wiring.files.map(({ text }) => text),
      fresh.wiring.files.map(({ text }) => text),
      'settled',
    );
    t.same(again.with, second);
    t.same(again.without, first, 'without us it is what it was');
    t.same(Object.keys(again.target.present).sort(), ['odd', 'spin']);
    t.same(again.target.copies, []);

    write(again.target.wire(new Map()).files);
    await render();
    t.same(await inForce(), first);
    for (const [path, text] of Object.entries(row.files ?? {}))
      t.equal(readFileSync(join(folder, path), 'utf8'), text, path);
  });
