/**
 * What a new machine is set up by: the copies of the unit and of the shim in user-data and in Butane files, and the commands of the
 * user-data with stand-ins for systemctl, curl and package managers. A real machine is in vm-tests/vm/.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { render } from '../../packaging/ignition/render.ts';

const textOf = (name: string): string => readFileSync(join('packaging', name), 'utf8');

type File = { readonly path: string; readonly content: string };
type UserData = {
  readonly bootcmd: readonly (readonly string[])[];
  readonly write_files: readonly File[];
  readonly runcmd: readonly (readonly string[])[];
};
const userData = parse(textOf('cloud-init/user-data.yaml')) as UserData;
const unit = textOf('cloud-init/rcm-node-before-kubelet.service');
const example = spawnSync(process.execPath, ['cli/main.ts', 'shim', 'example', 'spin'], {
  encoding: 'utf8',
}).stdout;

t.test('each copy is as its original', async (t) => {
  t.match(example, 'sha256');
  const files = Object.fromEntries(userData.write_files.map(({ path, content }) => [path, content]));
  t.equal(files['/etc/systemd/system/rcm-node-before-kubelet.service'], unit);
  t.equal(files['/etc/rcm-node/shims.d/spin.toml'], example);
  for (const name of ['flatcar', 'fedora-coreos']) {
    const { storage, systemd } = parse(textOf(`ignition/${name}.bu`), { version: '1.1' }) as {
      storage: { files: readonly { path: string; contents: { inline?: string } }[] };
      systemd: { units: readonly { name: string; contents: string }[] };
    };
    t.equal(systemd.units.at(-1)?.contents, unit, name);
    t.equal(storage.files.at(-1)?.contents.inline, example, name);
  }
});

t.test('Butane files are rendered, or refused by what is not known here', async (t) => {
  const text = textOf('ignition/flatcar.bu');
  t.match(render(text), {
    ignition: { version: '3.4.0' },
    storage: {
      files: [{ contents: { source: /^https:/, verification: { hash: /^sha256-/ } } }, { mode: 0o600 }],
    },
  });
  t.throws(() => render(text.replace('mode: 0600', 'overwrite: true')), /a file has overwrite: use butane/);
  t.throws(() => render(text.replace('version: 1.1.0', 'version: 9.0.0')), /use butane/);
});

const recorder = (name: string, more = ''): string => `#!/bin/sh\necho "${name} $*" >>"$CALLS"\n${more}`;

/** Runs a command of the user-data; `/run` is in a folder of the test. */
const runOn = (
  t: Test,
  command: readonly string[],
  change: (script: string) => string = (script) => script,
) => {
  const mode = 0o755;
  const tool = (name: string, more?: string) => t.fixture('file', recorder(name, more));
  const root = t.testdir({
    calls: '',
    run: {},
    opt: { 'rcm-node': { bin: { 'rcm-node': tool('rcm-node', '[ "$FAILS" != "$1" ]\n') } } },
    tools: {
      systemctl: tool('systemctl', '[ "$FAILS" != "$1" ]\n'),
      curl: tool('curl', 'while [ "$1" != --output ]; do shift; done; printf package >"$2"\n'),
      'apt-get': tool('apt-get', '[ "$FAILS" != apt-get ]\n'),
      dnf: tool('dnf'),
    },
  });
  const [shell = '', options = '', script = ''] = command.slice(-3);
  const run = (env: Readonly<Record<string, string>> = {}) => {
    const tools = join(root, 'tools');
    spawnSync('chmod', ['-R', mode.toString(8), tools, join(root, 'opt')]);
    const here = change(script).replaceAll(/\/(?:run|opt)\//g, `${root}$&`);
    const calls = join(root, 'calls');
    const said = spawnSync(shell, [options, here], {
      encoding: 'utf8',
      env: { PATH: `${tools}:${process.env.PATH}`, CALLS: calls, TMPDIR: root, FAILS: '', ...env },
    });
    return { ...said, calls: readFileSync(calls, 'utf8').split('\n').filter(Boolean) };
  };
  return { root, run };
};

const hold = 'run/systemd/system/kubelet.service.d/hold.conf';
const digest = createHash('sha256').update('package').digest('hex');
const withDigest = (script: string): string => script.replace(/0{64}/, digest);
const [install = []] = userData.runcmd;
const [holding = []] = userData.bootcmd;

t.test('a kubelet is held by a condition on the file that holds it', async (t) => {
  const { root, run } = runOn(t, holding);
  t.match(run(), { status: 0, calls: ['systemctl daemon-reload'] });
  t.equal(readFileSync(join(root, hold), 'utf8'), `[Unit]\nConditionPathExists=!${join(root, hold)}\n`);
});

t.test('the package is verified and installed, and the kubelet is let go at the end', async (t) => {
  const { root, run } = runOn(t, install, withDigest);
  const { status, calls, stderr } = run();
  t.equal(status, 0, stderr);
  t.match(calls, [
    /^curl .*https:.*\.deb$/,
    /^apt-get install -y -o DPkg::Lock::Timeout=\d+ -o Dpkg::Options::=--force-confold \.\/rcm-node_0\.1\.0_amd64\.deb$/,
    'systemctl enable rcm-node-before-kubelet.service',
    'systemctl start rcm-node-before-kubelet.service',
    'rcm-node status',
    'systemctl daemon-reload',
    'systemctl --quiet is-enabled kubelet.service',
    'systemctl start --no-block kubelet.service',
  ]);
  t.notOk(existsSync(join(root, hold)));
});

t.test('other bytes than asked for are not installed, and the kubelet starts all the same', async (t) => {
  const { run } = runOn(t, install);
  const { status, calls } = run();
  t.not(status, 0, 'cloud-init reports it');
  t.notOk(calls.some((call) => call.startsWith('apt-get')));
  t.match(calls.at(-1), 'start --no-block kubelet.service');
});

const skip = !existsSync('/usr/bin/curl') && 'curl is not installed';

t.test('a server that accepts and says nothing does not hold the kubelet', { skip }, async (t) => {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // The real curl, with a shorter patience: the system accepts connections while this process waits for it.
  const { status, stderr, calls } = runOn(t, install, (script) =>
    script
      .replace(/https:\/\/\S+\//, `http://127.0.0.1:${port}/`)
      .replace(
        /(timeout 600) curl (.*) --speed-time 60 --retry 5/,
        '$1 /usr/bin/curl $2 --speed-time 1 --retry 1',
      ),
  ).run();
  t.not(status, 0);
  t.match(stderr, /too slow/);
  t.match(calls.at(-1), 'start --no-block kubelet.service');
});

t.test(
  'a package that is not installed, or a shim that is not served, is an error of cloud-init',
  async (t) => {
    for (const FAILS of ['apt-get', 'status']) {
      const { status, calls } = runOn(t, install, withDigest).run({ FAILS });
      t.not(status, 0, FAILS);
      t.match(calls.at(-1), 'start --no-block kubelet.service');
    }
  },
);

t.test('an rpm is installed by dnf, an archive by its install.sh', async (t) => {
  const rpm = runOn(t, install, (script) => withDigest(script).replace(/rcm-node_\S+deb/, 'rcm-node.rpm'));
  t.match(rpm.run().calls[1], 'dnf install -y ./rcm-node.rpm');
  const archive = runOn(t, install, (script) =>
    withDigest(script).replace(/rcm-node_\S+deb/, 'rcm-node-0.1.0-linux-amd64.tar.gz'),
  );
  const said = archive.run();
  t.not(said.status, 0, 'what curl brought is no archive');
  t.notOk(said.calls.some((call) => call.startsWith('systemctl enable')));
});
