/** A private D-Bus daemon, which a test can end or freeze. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** For tap's `skip`: false, or why these tests cannot run here. */
export const noBusHere: string | false =
  spawnSync('dbus-daemon', ['--version']).status === 0
    ? false
    : 'dbus-daemon is not installed on this machine';

export type PrivateBus = {
  /** `unix:path=…` */
  readonly address: string;
  /** Ends the daemon as a crash would, and waits until it is gone. */
  readonly kill: () => Promise<void>;
  /** Stops it from answering, without closing anything. */
  readonly freeze: () => void;
  /** Ends it and removes its folder; may be called after `kill`. */
  readonly stop: () => Promise<void>;
};

/** Its policy is laxer than any real one: every client may send anything to every other one, also answers to no call. */
export const startBus = async (): Promise<PrivateBus> => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-bus-'));
  const config = join(folder, 'bus.xml');
  writeFileSync(
    config,
    `<busconfig>
  <type>session</type>
  <listen>unix:path=${folder}/socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow send_destination="*" send_requested_reply="false"/>
    <allow receive_sender="*" receive_requested_reply="false"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
`,
  );
  const daemon = spawn('dbus-daemon', [`--config-file=${config}`, '--nofork', '--print-address'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(daemon, 'exit');
  const complaints: string[] = [];
  daemon.stderr.on('data', (data) => complaints.push(String(data)));
  const lines = createInterface({ input: daemon.stdout });
  await Promise.race([
    once(lines, 'line'),
    exited.then(() =>
      Promise.reject(new Error(`dbus-daemon ended before it listened: ${complaints.join('')}`)),
    ),
  ]);
  const kill = async (): Promise<void> => {
    daemon.kill('SIGKILL');
    await exited;
  };
  return {
    address: `unix:path=${folder}/socket`,
    kill,
    freeze: () => void daemon.kill('SIGSTOP'),
    stop: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
