/** Words of the command line, as they were recorded beside the cases: flags, files that may be absent, versions. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import t, { type Test } from 'tap';
import { programOf } from '../../../testbed/crio/cli.ts';
import { placeFiles } from '../../../testbed/crio/record.ts';

const handler = (name: string): string => `[crio.runtime.runtimes.${name}]\nruntime_path = "/opt/held/rt"\n`;
const broken = { '/etc/crio/crio.conf.d/99': 'no toml' };

const stage = (t: Test, files: Readonly<Record<string, string>>) => {
  const root = mkdtempSync(join(tmpdir(), 'rcm-crio-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  placeFiles(root, files);
  return async (argv: readonly string[], configFile?: string) => {
    let [out, error] = ['', ''];
    const code = await programOf(argv, {
      root,
      path: undefined,
      environment: { CONTAINER_CONFIG: configFile },
      out: (said) => {
        out += said;
      },
      error: (said) => {
        error += said;
      },
      daemon: async () => {
        t.fail('no daemon is asked for');
      },
    });
    const names = [...out.matchAll(/^\[crio\.runtime\.runtimes\.(.*)\]/gm)].map(([, name]) => name);
    return { code, out, error, names };
  };
};

t.test('`version` needs a configuration, `--version` needs none', async (t) => {
  const crio = stage(t, broken);
  const short = await crio(['--version']);
  t.equal(short.code, 0);
  t.match(short.out, /^crio version 1\.36\.3\n {3}GitCommit: {6}/);
  t.match(await crio(['version']), { code: 1, out: '' });
  const whole = stage(t, {});
  t.match((await whole(['version'])).out, /^Version: {8}1\.36\.3\n/);
  t.equal(JSON.parse((await whole(['version', '--json'])).out).version, '1.36.3');
});

t.test('a named file must exist, a folder need not', async (t) => {
  const crio = stage(t, { '/x.conf': handler('x'), '/etc/crio/crio.conf.d/10': handler('ten') });
  t.match(await crio(['-c', '/gone.conf', 'config']), { code: 1, out: '' });
  t.match(await crio(['-c', '', 'config']), { code: 0, names: ['crun', 'ten'] });
  t.match(await crio(['-d', '', 'config']), { code: 0, names: [] });
  t.match(await crio(['-d', '/gone', 'config']), { code: 0, names: [] });
  t.match(await crio(['-d', '/x.conf', 'config']), { code: 0, names: ['crun', 'x'] });
  t.match(await crio(['--config', '/x.conf', 'config']), { code: 0, names: ['crun', 'ten', 'x'] });
  t.match(await crio(['config'], '/x.conf'), { code: 0, names: ['crun', 'ten', 'x'] }, 'CONTAINER_CONFIG');
});

t.test('a flag behind `config` is refused', async (t) => {
  const said = await stage(t, {})(['config', '-c', '/x.conf']);
  t.match(said, { code: 1, out: '', error: /flag provided but not defined: -c/ });
});

t.test('`config --default` prints every key, and reads the files first all the same', async (t) => {
  t.match(await stage(t, broken)(['config', '--default']), { code: 1, out: '' });
  const { out } = await stage(t, { '/etc/crio/crio.conf': handler('x') })(['config', '--default']);
  const { crio } = parse(out) as unknown as { crio: { api: object; runtime: { runtimes: object } } };
  t.match(crio.api, { listen: '/var/run/crio/crio.sock' });
  t.same(Object.keys(crio.runtime.runtimes), ['crun']);
});

t.test('`status` needs a configuration that can be read, and a daemon', async (t) => {
  t.match(await stage(t, broken)(['status', 'config']), { code: 1, error: /unable to decode/ });
  t.match(await stage(t, {})(['status', 'config']), { code: 1, error: /unable to get config/ });
});
