/**
 * Full disks, read-only folders, no D-Bus, no runtime, a broken configuration. The service keeps running: it names the
 * obstacle, changes nothing by half, and goes on by itself when the obstacle is gone.
 */
import t from 'tap';
import { waitForCri } from '../testbed/node/pods.ts';
import { nightly, type Row, rows } from '../testbed/node/rows.ts';
import {
  census,
  censusDifference,
  handlersOverCri,
  journalOf,
  rcmNode,
  startsOf,
  until,
  untilReport,
  untilServing,
} from '../testbed/node/service.ts';
import type { TestNode } from '../testbed/node/test-node.ts';

const progress = (line: string): void => t.comment(line);

type Trouble = {
  /** One runtime can show it, and why the other cannot. */
  readonly only?: Row['runtime'];
  /** The runtime has no part in it: one is enough when something lands. */
  readonly isOurs?: true;
  /** What status has to say. */
  readonly says: RegExp;
  /** Before the service starts. */
  readonly prepare?: (node: TestNode) => Promise<unknown>;
  readonly comes: (node: TestNode) => Promise<unknown>;
  readonly goes: (node: TestNode) => Promise<unknown>;
  /** After the uninstall. */
  readonly tidy?: (node: TestNode) => Promise<unknown>;
  /** A secret that the trouble has programs print: no place that everyone may read has it. */
  readonly hides?: string;
  /** Starts of the runtime that belong to the trouble itself. */
  readonly starts?: number;
};

const sh = (node: TestNode, script: string): Promise<string> => node.run(['sh', '-c', script]);

/** A file system of its own for a folder, with what is in it; `size` as in tmpfs(5). */
const small = (folder: string, size: string) => (node: TestNode) =>
  sh(
    node,
    `mkdir -p ${folder} && cp -a ${folder} /root/kept && mount -t tmpfs -o mode=0755,size=${size} tmpfs ${folder} && cp -a /root/kept/. ${folder}/ && rm -r /root/kept`,
  );
/** To the last byte; dd complains that the disk is full, which is the purpose. */
const fill = (folder: string) => (node: TestNode) =>
  sh(node, `dd if=/dev/zero of=${folder}/.filler bs=4k 2>/dev/null; test -e ${folder}/.filler`);
const free = (folder: string) => (node: TestNode) => node.run(['rm', `${folder}/.filler`]);
/** The folder itself goes too when it was made for this, and is empty. */
const unmount = (folder: string) => (node: TestNode) =>
  sh(node, `umount ${folder} && { rmdir --ignore-fail-on-non-empty ${folder}; true; }`);

const full = (folder: string, size: string, says: RegExp): Trouble => ({
  says,
  prepare: small(folder, size),
  comes: fill(folder),
  goes: free(folder),
  tidy: unmount(folder),
});

const troublesOf = ({ config, folder, ours, unit }: Row): Readonly<Record<string, Trouble>> => ({
  'the configuration was broken by hand': {
    says: new RegExp(`${config}:\\d+:\\d+: `),
    comes: (node) => sh(node, `cp -a ${config} ${config}.good && echo '[[[' >> ${config}`),
    goes: (node) => node.run(['mv', `${config}.good`, config]),
  },
  'the configuration of another has a fault that only the runtime finds, beside a password': {
    // What CRI-O's parser says quotes no value; vm-tests/crio/install.test.ts has such a fault of its own.
    only: 'containerd',
    says: /containerd cannot read the present configuration/,
    // Its parser prints what it cannot take for a table: go-toml says "Can't convert hunter2(string) to a table".
    comes: (node) =>
      sh(
        node,
        `cp -a ${config} ${config}.good && chmod 0600 ${config} && printf '\\n[plugins."io.containerd.grpc.v1.cri".registry.configs."r.example"]\\nauth = "hunter2"\\n[timeouts]\\n"x" = ["hunter2"]\\n' >> ${config}`,
      ),
    goes: (node) => node.run(['mv', `${config}.good`, config]),
    hides: 'hunter2',
  },
  'the store is on a full disk': {
    ...full('/opt/rcm-node/store', '64m', /\/opt\/rcm-node\/store.*\n.*Free space/),
    isOurs: true,
  },
  'the state is on a full disk': {
    ...full('/var/lib/rcm-node', '256k', /\/var\/lib\/rcm-node.*\n.*Free space/),
    isOurs: true,
  },
  'the configuration is on a full disk': full(folder, '64k', new RegExp(`${ours}.*\\n.*Free space`)),
  'the configuration is read-only': {
    says: new RegExp(`${folder}.*\\n.*read-only`),
    prepare: small(folder, '64k'),
    comes: (node) => node.run(['mount', '-o', 'remount,ro', folder]),
    goes: (node) => node.run(['mount', '-o', 'remount,rw', folder]),
    tidy: unmount(folder),
  },
  'D-Bus is away': {
    isOurs: true,
    says: /D-Bus|bus/,
    comes: (node) => node.run(['systemctl', 'stop', 'dbus.socket', 'dbus.service']),
    goes: (node) => node.run(['systemctl', 'start', 'dbus.socket']),
  },
  'the runtime is stopped': {
    says: new RegExp(`${unit} is inactive`),
    comes: (node) => node.run(['systemctl', 'stop', unit]),
    goes: async (node) => {
      await node.run(['systemctl', 'start', unit]);
      await waitForCri(node);
    },
    starts: 1,
  },
  'the runtime is masked': {
    says: new RegExp(`${unit} is masked`),
    // Its unit file is the package's; a runtime mask leaves /etc as it is.
    comes: (node) => node.run(['systemctl', 'mask', '--runtime', unit]),
    goes: (node) => node.run(['systemctl', 'unmask', '--runtime', unit]),
  },
});

// They wait most of the time. Each has a node of its own, so that one that fails does not spoil the next.
t.jobs = 2;

const sameOn = nightly('rcm-node does there what it does on containerd');
const cases = [rows.trixie, rows.crio].flatMap((row) =>
  Object.entries(troublesOf(row))
    .filter(([, { only }]) => only === undefined || only === row.runtime)
    .map(([what, trouble]) => ({
      row,
      what: `${what}, on ${row.name}`,
      trouble,
      skip: row === rows.crio && trouble.isOurs === true && sameOn,
    })),
);

for (const { row, what, trouble, skip } of cases)
  t.test(
    `${what}: the problem is named, nothing is left half done, and it recovers`,
    { buffered: true, skip },
    async (t) => {
      const settings = 'interval = 5\nstable = 1\nquiet = 0\n';
      const node = await row.boot({ progress, settings });
      t.teardown(() => node.stop());
      const before = await census(node);
      const foreign = await handlersOverCri(node);
      await trouble.prepare?.(node);
      await node.run(['systemctl', 'start', 'rcm-node']);
      await untilServing(node, []);
      const started = await startsOf(node);
      await trouble.comes(node);
      const came = performance.now();
      const troubled = await census(node);
      await row.writeShim(node, 'spin-v2', await row.artifact('spin-v2', '1', progress));
      const status = await until(node, 'the trouble reported', async () => {
        const said = await rcmNode(node, 'status');
        return trouble.says.test(said.stdout) && said;
      });
      t.not(status.code, 0);
      if (trouble.hides !== undefined) {
        const everyone = await sh(
          node,
          'cat /run/rcm-node/*.json /run/rcm-node/*.prom; systemctl show -p StatusText rcm-node; find /run/rcm-node -perm -o=r',
        );
        t.notMatch(everyone + status.stdout + status.stderr, trouble.hides);
        const doctor = await rcmNode(node, 'doctor');
        t.match(doctor.stdout, trouble.hides, 'root can find out what the runtime says');
        t.match(await journalOf(node, 'rcm-node', 1000), trouble.hides);
      }
      const changed = censusDifference(troubled, await census(node));
      t.same(
        changed.filter((line) => line.includes('/etc/')),
        [],
        'the configuration is as it was',
      );
      t.equal(await startsOf(node), started, 'the runtime was left alone');

      const errors = (await journalOf(node, 'rcm-node', 1000)).split('"level":"error"').length - 1;
      const seconds = (performance.now() - came) / 1000;
      t.ok(errors <= 5 + seconds / 2, `it does not try over and over: ${errors} times in ${seconds} s`);

      await trouble.goes(node);
      await untilServing(node, ['spin-v2'], 120_000);
      t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
      t.equal(await startsOf(node), started + 1 + (trouble.starts ?? 0));

      const said = await rcmNode(node, 'uninstall');
      t.equal(said.code, 0, said.stdout + said.stderr);
      await trouble.tidy?.(node);
      t.same(censusDifference(before, await census(node)), []);
    },
  );

for (const row of [rows.trixie, rows.crio])
  t.test(
    `the runtime of ${row.name} takes longer to stop than a restart may: it runs again, with its former configuration`,
    { buffered: true, skip: row === rows.crio && sameOn },
    async (t) => {
      const settings = 'interval = 5\nstable = 1\nquiet = 0\n';
      const node = await row.boot({ progress, settings });
      t.teardown(() => node.stop());
      const before = await census(node);
      const foreign = await handlersOverCri(node);
      const slow = `/run/systemd/system/${row.unit}.d/slow.conf`;
      await node.writeFile(slow, '[Service]\nTimeoutStopSec=120\nExecStop=/bin/sleep 75\n');
      await node.run(['systemctl', 'daemon-reload']);
      await node.run(['systemctl', 'start', 'rcm-node']);
      await untilServing(node, []);
      const started = await startsOf(node);
      await row.writeShim(node, 'spin-v2', await row.artifact('spin-v2', '1', progress));
      const began = performance.now();
      const undone = await untilReport(node, 'undone', ({ outcome }) => outcome.kind === 'failed', 240_000);
      t.match(undone.outcome, { undone: true, problem: { message: /deadline/ } });
      t.comment(`from the shim file to health: ${((performance.now() - began) / 1000).toFixed(1)} s`);
      t.same(await handlersOverCri(node), foreign);
      t.equal(await startsOf(node), started + 1, 'both restarts came to wait for the same stop');
      await node.run(['rm', slow]);
      await node.run(['systemctl', 'daemon-reload']);
      t.match(await rcmNode(node, 'uninstall'), { code: 0 });
      t.same(censusDifference(before, await census(node)), []);
    },
  );
