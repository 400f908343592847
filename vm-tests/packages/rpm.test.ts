/**
 * The rpm on a node, by Debian's rpm: install, upgrade, downgrade, removal. It knows none of Debian's packages, so what the rpm needs is not
 * looked at here. And the documents of rpm and deb, as man, bash, zsh and fish of that node look for them.
 */
import t, { type Test } from 'tap';
import { importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { nextVersion } from '../../testbed/artifacts/own-images.ts';
import { bootNode } from '../../testbed/node/node.ts';
import { isRunning, removePod } from '../../testbed/node/pods.ts';
import {
  artifactBinds,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  shimFilePath,
  startsOf,
  untilServing,
} from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { dpkg, pidOf, rpm, service, stateOf, versionOf } from '../../testbed/packages/on-node.ts';
import { debOf, packageBinds, pathOf, rpmOf } from '../../testbed/packages/own-packages.ts';
import { runWasmPod, wasmFiles, writeWasmShim } from '../../testbed/wasm-shim/node.ts';
import { makeWasmShim } from '../../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);
const settings = 'interval = 5\n';
const config = '/etc/rcm-node/config.toml';

/** By the programs of the node, which look where they always look. */
const documentsAreFound = async (t: Test, node: TestNode, zsh: string): Promise<void> => {
  for (const [section, page] of [
    ['8', 'rcm-node'],
    ['5', 'rcm-node.toml'],
    ['5', 'shims.d'],
  ] as const) {
    const at = (await node.run(['man', '-w', section, page])).trim();
    t.equal(at, `/usr/share/man/man${section}/${page}.${section}.gz`);
    t.match(await node.run(['man', section, page], { env: { MANPAGER: 'cat', MANWIDTH: '80' } }), /NAME\n/);
    t.same(await node.exec(['mandoc', '-Tlint', '-Wwarning', at]), { code: 0, stdout: '', stderr: '' }, page);
  }
  const bash = '. /usr/share/bash-completion/bash_completion; _comp_load rcm-node; complete -p rcm-node';
  t.match(await node.run(['bash', '-c', bash]), /-F \S*rcm/);
  // Of a distribution of its own, zsh looks in site-functions, where Debian's looks in a folder of that name below /usr/local alone.
  const inZsh = `fpath=(${zsh} $fpath); autoload -U compinit && compinit -D; print $_comps[rcm-node]`;
  t.equal(await node.run(['zsh', '-fc', inZsh]), '_rcm-node\n');
  t.match(await node.run(['fish', '-c', 'complete -C "rcm-node unins"']), /^uninstall\t/);
  for (const schema of ['config', 'shim', 'output'])
    JSON.parse(await node.readFile(`/usr/share/rcm-node/schema/${schema}.schema.json`));
};

t.test('an rpm from its install to its removal', async (t) => {
  const [first, next] = [await rpmOf('0.1.0', progress), await rpmOf(nextVersion, progress)];
  const deb = await debOf('0.1.0', progress);
  const shim = await makeWasmShim('1', progress);
  const node = await bootNode({
    suite: 'trixie',
    kind: 'shells',
    progress,
    files: wasmFiles('trixie'),
    binds: { ...artifactBinds(), ...packageBinds([first, next]) },
  });
  t.teardown(() => node.stop());
  // Folders that belong to packages which rpm knows, on a distribution of its own. Here dpkg has them, and rpm would take them for ours.
  const of = ['/usr/share/man/man5', '/usr/share/man/man8', '/usr/share/fish/vendor_completions.d'];
  await node.run(['mkdir', '-p', ...of]);
  await node.writeFile('/usr/share/fish/vendor_completions.d/others.fish', '');
  const before = await census(node);
  const listed = await node.run(['find', '/usr', '/opt', '-xdev', '-not', '-path', '*/lib/sysimage/*']);
  const foreign = await handlersOverCri(node);
  const started = await startsOf(node);
  const waits = {
    handler: 'spin-v2',
    image: await importImage(node, await wasmOciImage('wait')),
    wait: 'running',
  } as const;

  await t.test('install: the service is enabled and runs', async (t) => {
    const said = await rpm(node, '-i', pathOf(first));
    t.equal(said.code, 0, said.stdout + said.stderr);
    t.equal(await stateOf(node, 'is-active'), 'active');
    t.equal(await stateOf(node, 'is-enabled'), 'enabled');
    t.equal(await versionOf(node), 'rcm-node 0.1.0');
    t.equal(await startsOf(node), started, 'the runtime was not restarted');
    t.equal(await node.run(['stat', '-c', '%a', config]), '600\n');
    await node.writeFile(config, settings, 0o600);
    await node.run(['systemctl', 'reload', service]);
    await writeWasmShim(node, 'spin-v2', shim);
    await untilServing(node, ['spin-v2']);
  });

  const pod = await runWasmPod(node, waits);
  for (const [what, one] of [
    ['upgrade', next],
    ['downgrade', first],
  ] as const)
    await t.test(`${what}: another version of the service, and nothing else`, async (t) => {
      const pid = await pidOf(node);
      const said = await rpm(node, '-U', '--oldpackage', pathOf(one));
      t.equal(said.code, 0, said.stdout + said.stderr);
      t.equal(await versionOf(node), `rcm-node ${one.version}`);
      t.not(await pidOf(node), pid);
      await untilServing(node, ['spin-v2']);
      t.equal(await node.readFile(config), settings);
      t.ok(await isRunning(node, pod.containerId));
      t.equal(await startsOf(node), started + 1);
    });

  await t.test('removal and install: handlers stay served', async (t) => {
    const said = await rpm(node, '-e', 'rcm-node');
    t.equal(said.code, 0, said.stdout + said.stderr);
    t.match(said.stderr, /handlers stay served/);
    t.not(await stateOf(node, 'is-active'), 'active');
    t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
    const another = await runWasmPod(node, waits);
    await removePod(node, another.id);
    t.equal(await node.readFile(`${config}.rpmsave`), settings);
    await node.run(['mv', `${config}.rpmsave`, config]);
    const again = await rpm(node, '-i', pathOf(next));
    t.equal(again.code, 0, again.stderr);
    t.equal(await node.readFile(config), settings);
    await untilServing(node, ['spin-v2']);
    t.equal(await startsOf(node), started + 1);
  });

  await t.test('its documents are where man and the shells look', async (t) => {
    await documentsAreFound(t, node, '/usr/share/zsh/site-functions');
  });

  await t.test('uninstalled and removed, every byte is as before', async (t) => {
    await removePod(node, pod.id);
    await node.run(['rm', shimFilePath('spin-v2')]);
    const said = await rcmNode(node, 'uninstall');
    t.equal(said.code, 0, said.stdout + said.stderr);
    t.match(said.stdout, /dnf remove rcm-node/);
    t.match(await rpm(node, '-e', 'rcm-node'), { code: 0 });
    await node.run(['rm', '-f', `${config}.rpmsave`, `${config}.rpmnew`]);
    await node.exec(['rmdir', '/etc/rcm-node/shims.d', '/etc/rcm-node']);
    t.same(censusDifference(before, await census(node)), []);
    const now = await node.run(['find', '/usr', '/opt', '-xdev', '-not', '-path', '*/lib/sysimage/*']);
    t.same(censusDifference(listed, now), []);
    t.same(await handlersOverCri(node), foreign);
  });

  await t.test('documents of the deb, too', async (t) => {
    // These images leave such files out of every package, as many images of containers do.
    const said = await dpkg(node, '--path-include=/usr/share/*', '-i', pathOf(deb));
    t.equal(said.code, 0, said.stderr);
    await documentsAreFound(t, node, '');
    t.match(await node.readFile('/usr/share/doc/rcm-node/copyright'), /Apache License/);
    t.match(await dpkg(node, '--purge', 'rcm-node'), { code: 0 });
    const now = await node.run(['find', '/usr', '/opt', '-xdev', '-not', '-path', '*/lib/sysimage/*']);
    t.same(censusDifference(listed, now), []);
  });
});
