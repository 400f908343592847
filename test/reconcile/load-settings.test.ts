import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { loadSettings } from '../../daemon/reconcile/load-settings.ts';
import { bareRoot } from './bare-root.ts';

const file = '/etc/rcm-node/config.toml';

t.test('without a file the defaults apply', async (t) => {
  const last = { ...defaultSettings, interval: 5 };
  t.same(await loadSettings(bareRoot(t.testdir({})).host, last), {
    settings: defaultSettings,
    problem: undefined,
  });
});

t.test('a file that broke leaves the last good settings in force, and is told', async (t) => {
  const root = t.testdir({ etc: { 'rcm-node': { 'config.toml': 'allowedHosts = ["example.com"]' } } });
  const { host } = bareRoot(root);
  const good = await loadSettings(host);
  t.same(good, { settings: { ...defaultSettings, allowedHosts: ['example.com'] }, problem: undefined });
  const path = join(root, file);
  writeFileSync(path, 'allowedHosts = [');
  t.match(await loadSettings(host, good.settings), {
    settings: good.settings,
    problem: { code: 'bad-settings', where: { file, line: 1 } },
  });
  writeFileSync(path, 'allowedHost = []');
  t.match((await loadSettings(host, good.settings)).problem, { code: 'unknown-key' });
  writeFileSync(path, Buffer.from([0xff]));
  t.match(await loadSettings(host, good.settings), {
    settings: good.settings,
    problem: { code: 'bad-settings', message: 'it is not UTF-8 text', where: { file } },
  });
  rmSync(path);
  mkdirSync(path);
  t.match(await loadSettings(host), {
    settings: defaultSettings,
    problem: { code: 'bad-settings', message: 'it is a folder' },
  });
});

t.test('settings that others can write, or take away, do not count', async (t) => {
  const root = t.testdir({ etc: { 'rcm-node': { 'config.toml': 'allowUnpinned = true' } } });
  const { host } = bareRoot(root);
  const last = { ...defaultSettings, allowedHosts: ['example.com'] };
  chmodSync(join(root, file), 0o664);
  const problem = { code: 'untrusted', where: { file } };
  t.match(await loadSettings(host, last), { settings: last, problem });
  rmSync(join(root, file));
  chmodSync(join(root, 'etc/rcm-node'), 0o777);
  t.match(await loadSettings(host, last), { settings: last, problem });
});
