/** The systemd of this machine says which files a unit has and what it would start; both have to be what is found here. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { readService } from '../../host/unit-file/service-unit.ts';
import { makeFiles } from '../../host/files/files.ts';
import { findUnit } from '../../host/systemd/unit-search.ts';
import { wordsOf } from '../../host/unit-file/systemd-text.ts';

const systemd = '/usr/lib/systemd/systemd';
const skip = !existsSync(systemd)
  ? 'there is no systemd to ask'
  : process.getuid?.() !== 0
    ? 'needs root: systemd is asked as another user'
    : false;

const lib = 'usr/lib/systemd/system';
const etc = 'etc/systemd/system';
const commands = [
  String.raw`/bin/true a "b c" 'd e' f"g h"i '' a\sb \x41\u00e4\101 "\"q\"" \q a\ b \xZZ`,
  String.raw`-@/bin/true name \; ";" x;y 100%% %n %N %p %i %t %S 5%, % a\\b 'a\nb'`,
  "/bin/true one \\\n# comment\n   two \\\n ; three\n four $A $$B a$C\ttab \\000 a\\'b",
];

t.test('systemd finds the same files, and would start the same commands', { skip }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'rcm-node-units-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  chmodSync(root, 0o755);
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode: 0o644 });
  };
  const link = (path: string, target: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  };
  put(`${lib}/my-ctrd.service`, `[Service]\nExecStart=${commands[0]}\n`);
  link(`${etc}/containerd.service`, `../../../${lib}/my-ctrd.service`);
  link(`${etc}/cri.service`, 'containerd.service');
  for (const path of [
    ...[
      `${etc}/containerd.service.d/b`,
      `${lib}/my-ctrd.service.d/a`,
      `${etc}/cri.service.d/c`,
      `${etc}/my-.service.d/d`,
    ],
    ...[
      `${lib}/service.d/e`,
      `usr/local/lib/systemd/system/my-ctrd.service.d/f`,
      `${lib}/my-ctrd.service.d/f`,
    ],
    ...[
      `${lib}/my-.service.d/g`,
      `${etc}/service.d/g`,
      `run/systemd/system/my-ctrd.service.d/h`,
      `${lib}/my-ctrd.service.d/i`,
    ],
  ])
    put(`${path}.conf`, '[Service]\nEnvironment=A=1\n');
  link(`${etc}/my-ctrd.service.d/a.conf`, '/none');
  link(`${etc}/my-ctrd.service.d/i.conf`, '/dev/null');
  put(`${etc}/my-ctrd.service.d/j.conf.bak`, '[Service]\nExecStart=\n');
  put(`${lib}/t-a@.service`, `[Service]\nExecStart=${commands[1]}\n`);
  put(`${etc}/t-a@.service.d/1.conf`, '');
  put(`${etc}/t-a@x.service.d/1.conf`, `[Service]\nExecStart=\nExecStart=${commands[1]}\n`);
  put(`${lib}/plain.service`, `[Service]\nExecStart=${commands[2]}\n`);
  put(`${etc}/default.target`, '[Unit]\nWants=containerd.service t-a@x.service plain.service\n');
  const folders = [etc, 'run/systemd/system', 'usr/local/lib/systemd/system', lib].map((one) =>
    join(root, one),
  );
  const asked = ['--test', '--system', '--no-pager'];
  const said = execFileSync(systemd, asked, {
    uid: 65_534,
    gid: 65_534,
    env: { SYSTEMD_UNIT_PATH: folders.join(':'), XDG_RUNTIME_DIR: root, SYSTEMD_LOG_LEVEL: 'err' },
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  for (const name of ['containerd.service', 't-a@x.service', 'plain.service']) {
    const found = await findUnit(makeFiles(root), name);
    if (found.kind !== 'found') throw new Error(`${name} is ${found.kind}`);
    const from = said.indexOf(`-> Unit ${found.name}:`);
    const block = said.slice(from, said.indexOf('-> Unit ', from + 1));
    const paths = [...block.matchAll(/^\s+(?:Fragment|DropIn) Path: (.*)$/gm)].map(([, path]) => path);
    t.same(
      found.files.map(({ path }) => `${root}${path}`),
      paths,
      `the files of ${name}`,
    );
    const line = /^\s+Command Line: (.*)$/m.exec(block)?.[1] ?? '';
    t.same(readService(found.name, found.files).command.argv, wordsOf(line.replaceAll('\\$', '$')), line);
  }
});
