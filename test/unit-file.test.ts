/** What systemd itself says about systemd/rcm-node.service, and the promises a later edit could break unseen. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const path = join(import.meta.dirname, '..', 'systemd', 'rcm-node.service');
const text = readFileSync(path, 'utf8');

/** Every value of `key`, in order, as systemd would join them. */
const values = (key: string): readonly string[] =>
  text
    .split('\n')
    .flatMap((line) => (line.startsWith(`${key}=`) ? line.slice(key.length + 1).split(/\s+/) : []));

const missing =
  spawnSync('systemd-analyze', ['--version']).error === undefined
    ? false
    : 'systemd-analyze is not installed';

t.test('a restart of the runtime never stops the service, and waits for no stop of it', async (t) => {
  for (const key of [
    'Requires',
    'Requisite',
    'BindsTo',
    'PartOf',
    'Upholds',
    'Conflicts',
    'JoinsNamespaceOf',
  ]) {
    t.same(values(key), [], `${key}= ties our life to another unit`);
  }
  t.same(values('Wants'), ['network-online.target']);
  for (const unit of ['dbus.socket', 'dbus.service', 'network-online.target']) {
    t.ok(values('After').includes(unit), `ordered after ${unit}`);
  }
  // systemd ends the stop of one of two ordered units before it starts the other.
  for (const unit of ['containerd.service', 'crio.service', 'k3s.service', 'k3s-agent.service'])
    for (const order of ['After', 'Before']) t.notOk(values(order).includes(unit), `${order}=${unit}`);
});

t.test('a stop waits for a tick of 240 seconds', async (t) => {
  t.ok(Number(values('TimeoutStopSec')[0]) > 240);
  t.same(values('KillMode'), ['mixed'], 'children of a tick are not shot with SIGTERM');
});

t.test(
  'folders that the service has to write are writable, and the status outlives the process',
  async (t) => {
    const writable = values('ReadWritePaths');
    t.ok(writable.includes('/opt/rcm-node'));
    t.ok(writable.includes('-/etc/containerd'));
    t.ok(writable.includes('-/etc/crio'));
    for (const key of ['StateDirectory', 'RuntimeDirectory', 'ConfigurationDirectory'])
      t.same(values(key), ['rcm-node']);
    t.same(values('RuntimeDirectoryPreserve'), ['yes']);
    for (const folder of writable)
      t.notMatch(folder, /\.(?!d$)\w+$/, `${folder}: a file here could not be replaced by rename`);
  },
);

t.test('no option that aborts V8 or hides the host is set', async (t) => {
  for (const key of [
    'MemoryDenyWriteExecute',
    'PrivateNetwork',
    'PrivateUsers',
    'User',
    'DynamicUser',
    'ProcSubset',
  ]) {
    t.same(values(key), [], key);
  }
  t.ok(
    values('CapabilityBoundingSet').includes('CAP_SYS_PTRACE'),
    'else /proc/PID/exe of the runtime is unreadable',
  );
  t.same(values('NotifyAccess'), ['main'], 'no program that it starts speaks for it');
});

t.test('other effects of CAP_SYS_PTRACE are blocked', async (t) => {
  const lines = values('SystemCallFilter').join(' ');
  const denied = lines.slice(lines.lastIndexOf('~')).replace('~', '').split(' ');
  for (const call of ['process_vm_readv', 'process_vm_writev', 'kcmp', 'userfaultfd'])
    t.ok(denied.includes(call), call);
  t.ok(lines.includes('@debug'), 'ptrace and pidfd_getfd');
  t.same(values('ReadOnlyPaths'), ['/proc'], 'else the memory of other processes can be written as a file');
});

t.test('systemd rates the exposure at most 3.0', { skip: missing }, async (t) => {
  const { stdout, stderr } = spawnSync(
    'systemd-analyze',
    ['security', '--offline=true', '--no-pager', path],
    {
      encoding: 'utf8',
    },
  );
  const exposure = /exposure level for rcm-node\.service: (\d+\.\d)/.exec(stdout)?.[1];
  t.ok(exposure !== undefined, `no exposure line: ${stdout.slice(-300)} ${stderr.slice(-300)}`);
  t.ok(Number(exposure) <= 3.0, `exposure ${exposure}`);
});

t.test('systemd knows every line of the unit', { skip: missing }, async (t) => {
  // The executable exists only on a node, so verify a copy that starts one which exists here.
  const folder = t.testdir();
  const copy = join(folder, 'rcm-node.service');
  mkdirSync(folder, { recursive: true });
  writeFileSync(copy, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
  const { stdout, stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', copy], {
    encoding: 'utf8',
  });
  const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('rcm-node.service'));
  t.same(ours, [], `verify ended with ${status}`);
  t.match(text, /^ExecStart=\/opt\/rcm-node\/bin\/rcm-node run$/m);
});

t.test('the documentation of both units is a file that the build places beside the executable', async (t) => {
  const folder = join(path, '..', '..');
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  for (const unit of ['rcm-node.service', 'rcm-node-uninstall.service']) {
    const lines = readFileSync(join(path, '..', unit), 'utf8').match(/^Documentation=.*$/gm);
    t.same(lines, [`Documentation=file:///opt/rcm-node/bin/versions/${version}/README.md`], unit);
  }
  const text = readFileSync(join(folder, 'packaging', 'on-the-host.md'), 'utf8');
  const commands = [...text.matchAll(/bin\/rcm-node ([a-z]+)`/g)].map(([, command]) => command ?? '');
  t.ok(commands.length >= 5);
  for (const command of commands) {
    const { stdout } = spawnSync(process.execPath, [join(folder, 'cli/main.ts'), 'help'], {
      encoding: 'utf8',
    });
    t.match(stdout, new RegExp(`^  ${command} `, 'm'), 'a command that there is');
  }
});

t.test('the unit that uninstalls has the same sandbox, and may remove the folders themselves', async (t) => {
  const other = readFileSync(join(path, '..', 'rcm-node-uninstall.service'), 'utf8');
  const sandbox = (of: string): string =>
    of.slice(of.indexOf('NoNewPrivileges='), of.indexOf('\n[Install]') + 1 || undefined).trim();
  t.equal(sandbox(other), sandbox(text));
  t.match(other, /^ExecStart=\/opt\/rcm-node\/bin\/rcm-node uninstall --json$/m);
  for (const key of ['StateDirectory', 'RuntimeDirectory', 'ConfigurationDirectory'])
    t.notMatch(other, new RegExp(`^${key}=`, 'm'), `${key}= would be a mount point`);
});
