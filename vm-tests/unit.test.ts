/** The service under its unit: hung, reloaded, stopped in the middle, restarted, booted. The runtime never notices. */
import t from 'tap';
import type { Report } from '../daemon/model/outcome.ts';
import {
  bootWithRcmNode,
  census,
  censusDifference,
  forgetRestarts,
  handlersOverCri,
  journalOf,
  rcmNode,
  reportOf,
  startsOf,
  until,
  untilReport,
  untilServing,
  writeShim,
  shimFilePath,
} from '../testbed/node/service.ts';
import { waitForCri } from '../testbed/node/pods.ts';
import { makeStandInShim } from '../testbed/artifacts/shim.ts';

const progress = (line: string): void => t.comment(line);

t.test('the service under its unit', async (t) => {
  const shim = await makeStandInShim('trixie', '1', progress);
  const second = await makeStandInShim('trixie', '1', progress, 'slight-v1');
  // No tick by the clock during the test: each one has a reason.
  const node = await bootWithRcmNode('trixie', { progress, settings: 'interval = 3600\n' });
  t.teardown(() => node.stop());
  const before = await census(node);
  const property = async (name: string): Promise<string> =>
    (await node.run(['systemctl', 'show', '--value', '-p', name, 'rcm-node.service'])).trim();
  const journalFile = '/var/lib/rcm-node/journal.json';
  const starts = { at: await startsOf(node) };

  await t.test('SIGTERM in the middle of a tick lets it finish', async (t) => {
    await writeShim(node, 'spin-v2', shim);
    await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
    await until(node, 'the restart asked for', async () =>
      (await node.exec(['cat', journalFile])).stdout.includes('"forwardFrom"'),
    );
    await node.run(['systemctl', 'stop', 'rcm-node'], { timeoutMs: 400_000 });
    t.equal(await property('Result'), 'success');
    t.match(await node.exec(['test', '-e', journalFile]), { code: 1 }, 'nothing is left half done');
    const status = await rcmNode(node, 'status');
    t.equal(status.code, 0, status.stdout);
    t.match(status.stdout, /spin-v2 +served/);
    starts.at += 1;
    t.equal(await startsOf(node), starts.at);
  });

  await t.test('systemd verifies the unit, and its documentation exists', async (t) => {
    const unit = await property('FragmentPath');
    t.same(await node.exec(['systemd-analyze', 'verify', '--man=no', unit]), {
      code: 0,
      stdout: '',
      stderr: '',
    });
    const [, documentation = ''] = /^file:\/\/(\/\S+)$/.exec(await property('Documentation')) ?? [];
    t.match(await node.readFile(documentation), /^# rcm-node on this host\n/);
  });

  await t.test('a stop, a start and a restart do not affect the runtime', async (t) => {
    const at = (await reportOf(node))?.at;
    const again = (report: Report): boolean => report.at !== at && report.outcome.kind === 'converged';
    await node.run(['systemctl', 'start', 'rcm-node']);
    const report = await untilReport(node, 'a tick after the start', again);
    await node.run(['systemctl', 'restart', 'rcm-node']);
    const later = (one: Report): boolean => one.at !== report.at && one.outcome.kind === 'converged';
    await untilReport(node, 'a tick after the restart', later);
    t.equal(await startsOf(node), starts.at);
  });

  await t.test('SIGHUP starts a tick, and reads the settings again', async (t) => {
    const at = (await reportOf(node))?.at;
    await node.run(['systemctl', 'reload', 'rcm-node']);
    await untilReport(node, 'a tick after the reload', (report) => report.at !== at);
    await node.writeFile('/etc/rcm-node/config.toml', 'interval = "often"\n');
    await node.run(['systemctl', 'reload', 'rcm-node']);
    await untilReport(node, 'the settings complained of', ({ outcome }) =>
      JSON.stringify(outcome).includes('/etc/rcm-node/config.toml'),
    );
    t.match((await rcmNode(node, 'status')).stdout, /\/etc\/rcm-node\/config\.toml:1:/);
    t.same(await handlersOverCri(node), ['runc', 'spin-v2']);
    await node.writeFile('/etc/rcm-node/config.toml', 'interval = 3600\n');
    await untilServing(node, ['spin-v2']);
    t.equal(await startsOf(node), starts.at);
  });

  await t.test('a start with invalid settings uses the last valid ones', async (t) => {
    const allows = 'interval = 3600\nallowedHosts = ["good.example"]\n';
    await node.writeFile('/etc/rcm-node/config.toml', allows);
    await node.run(['systemctl', 'reload', 'rcm-node']);
    await untilServing(node, ['spin-v2']);
    const kept = '/var/lib/rcm-node/last-good-config.toml';
    await until(node, 'the settings kept', async () => (await node.exec(['cat', kept])).stdout === allows);
    t.equal((await node.run(['stat', '-c', '%a %u', kept])).trim(), '600 0');
    await node.run(['systemctl', 'stop', 'rcm-node']);
    await node.writeFile('/etc/rcm-node/config.toml', allows.replace('allowed', 'alowed'));
    const forbidden = (await node.readFile(shimFilePath('spin-v2')))
      .replaceAll('spin-v2', 'evil-v1')
      .replace(/file:[^"]*/, 'https://127.0.0.1:9/evil');
    await node.writeFile(shimFilePath('evil-v1'), forbidden);
    await node.run(['systemctl', 'start', 'rcm-node']);
    const { outcome } = await untilReport(node, 'the forbidden refused', (report) =>
      JSON.stringify(report.outcome).includes('allowedHosts)'),
    );
    t.match(outcome, { kind: 'degraded', problems: [{ code: 'bad-settings' }, { code: 'policy-denied' }] });
    await node.run(['rm', shimFilePath('evil-v1')]);
    await node.writeFile('/etc/rcm-node/config.toml', 'interval = 3600\n');
    await untilServing(node, ['spin-v2']);
    t.equal(await startsOf(node), starts.at);
  });

  await t.test('a service that hangs is killed by the watchdog and continues', async (t) => {
    const dropIn = '/etc/systemd/system/rcm-node.service.d';
    await node.writeFile(`${dropIn}/soon.conf`, '[Service]\nWatchdogSec=4\nRestartSec=1\n');
    await node.run(['systemctl', 'daemon-reload']);
    const at = (await reportOf(node))?.at;
    await node.run(['systemctl', 'restart', 'rcm-node']);
    const hung = await untilReport(node, 'a tick', (report) => report.at !== at);
    const pid = await property('MainPID');
    await node.run(['kill', '-STOP', pid]);
    await until(node, 'killed by the watchdog', async () => (await property('NRestarts')) !== '0');
    await untilReport(node, 'a tick of the new one', (report) => report.at !== hung.at);
    await untilServing(node, ['spin-v2']);
    t.not(await property('MainPID'), pid);
    t.match(await journalOf(node), /watchdog/i);
    t.equal(await startsOf(node), starts.at);
    await node.run(['rm', '-r', dropIn]);
    await node.run(['systemctl', 'daemon-reload']);
    await node.run(['systemctl', 'restart', 'rcm-node']);
  });

  await t.test('a service that is killed in the middle of a tick continues where it was', async (t) => {
    await writeShim(node, 'slight-v1', second);
    await until(node, 'the restart asked for', async () =>
      (await node.exec(['cat', journalFile])).stdout.includes('"forwardFrom"'),
    );
    await node.run(['systemctl', 'kill', '-s', 'KILL', 'rcm-node']);
    await untilServing(node, ['slight-v1', 'spin-v2']);
    starts.at += 1;
    t.equal(await startsOf(node), starts.at, 'one restart, whether it came before the kill or after');
  });

  await t.test('a stop between the stop and the start of the runtime lets both end', async (t) => {
    const dropIn = '/etc/systemd/system/containerd.service.d';
    await node.writeFile(`${dropIn}/slow.conf`, '[Service]\nExecStopPost=/bin/sleep 4\n');
    await node.run(['systemctl', 'daemon-reload']);
    await node.run(['rm', shimFilePath('slight-v1')]);
    await until(node, 'the runtime stopping', async () =>
      (await node.run(['systemctl', 'show', '-p', 'SubState', node.unit])).includes('stop-post'),
    );
    const began = performance.now();
    await node.run(['systemctl', 'stop', 'rcm-node'], { timeoutMs: 400_000 });
    t.ok(performance.now() - began < 40_000, 'no job waits for the other one until a deadline');
    t.match(await node.exec(['test', '-e', journalFile]), { code: 1 }, 'nothing is left half done');
    t.same(await handlersOverCri(node), ['runc', 'spin-v2']);
    starts.at += 1;
    t.equal(await startsOf(node), starts.at, 'one restart, not rolled back');
    await node.run(['rm', '-r', dropIn]);
    await node.run(['systemctl', 'daemon-reload']);
    await writeShim(node, 'slight-v1', second);
    // This test starts it more often than its start limit allows.
    await node.run(['systemctl', 'reset-failed', 'rcm-node']);
    await forgetRestarts(node);
    await untilServing(node, ['slight-v1', 'spin-v2']);
  });

  await t.test('a reboot in the middle of the proof: the next boot goes on', async (t) => {
    const before = await startsOf(node);
    await node.writeFile('/etc/rcm-node/config.toml', 'interval = 3600\nstable = 20\n');
    await node.run(['rm', shimFilePath('slight-v1')]);
    await node.run(['systemctl', 'reload', 'rcm-node']);
    await until(node, 'the runtime restarted', async () => (await startsOf(node)) > before);
    await waitForCri(node);
    await node.reboot();
    await untilServing(node, ['spin-v2'], 120_000);
    const former = ['journalctl', '-b', '-1', '-u', 'rcm-node', '-n', '30', '--no-pager', '-o', 'cat'];
    t.equal(await startsOf(node), 1, (await node.exec(former)).stdout);
    t.notMatch(await journalOf(node), /known-bad|undo|roll/);
    await node.writeFile('/etc/rcm-node/config.toml', 'interval = 3600\n');
    await writeShim(node, 'slight-v1', second);
    await node.run(['systemctl', 'reload', 'rcm-node']);
    await untilServing(node, ['slight-v1', 'spin-v2']);
  });

  await t.test('after a reboot all is served, and only systemd started the runtime', async (t) => {
    await node.reboot();
    await untilServing(node, ['slight-v1', 'spin-v2']);
    t.same(await handlersOverCri(node), ['runc', 'slight-v1', 'spin-v2']);
    t.equal(await startsOf(node), 1);
    t.match(await rcmNode(node, 'plan'), { code: 0 });
  });

  await t.test('after a power cut it is the same', async (t) => {
    await node.kill();
    await node.start();
    await untilServing(node, ['slight-v1', 'spin-v2']);
    t.equal(await startsOf(node), 1);
  });

  await t.test('an uninstall with the runtime stopped leaves every foreign byte as it was', async (t) => {
    await node.run(['systemctl', 'stop', 'containerd']);
    const said = await rcmNode(node, 'uninstall');
    t.equal(said.code, 4, said.stdout + said.stderr);
    t.match(
      said.stdout,
      /^Removed:\n {2}✓ the handler slight-v1\n[\s\S]*\nNot proven:\n.* containerd\.service is inactive/,
    );
    t.match(said.stdout, /\nTo finish:\n {2}systemctl start containerd\.service\n/);
    await node.run(['systemctl', 'start', 'containerd']);
    await waitForCri(node);
    t.same(censusDifference(before, await census(node)), []);
    t.same(await handlersOverCri(node), ['runc']);
    t.match(await rcmNode(node, 'uninstall'), { code: 0, stdout: /^No change of rcm-node was left/ });
  });
});
