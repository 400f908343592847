import t from 'tap';
import { emptyLedger, type Ledger, parseLedger, printState } from '../../daemon/model/ledger.ts';
import type { Remnant, Takeover } from '../../daemon/model/takeover.ts';

const digest = 'ab'.repeat(32);
const takeover: Takeover = {
  tables: [{ file: '/etc/containerd/config.toml', handler: 'spin.v2', from: 'x', digest }],
  unused: true,
  remnants: [
    { kind: 'program', path: '/opt/kwasm/bin/crun', is: '1 bytes of 2', handler: 'crun' },
    { kind: 'library', path: '/var/snap/microk8s/common/kwasm/lib/libwasmedge.so', is: '1 bytes of 2' },
    {
      kind: 'link',
      path: '/usr/local/bin/containerd-shim-spin-v2',
      is: '/opt/kwasm/bin/containerd-shim-spin-v2',
    },
    { kind: 'record', path: '/opt/rcm/rcm-lock.json', is: '1 bytes of 2' },
  ],
  done: [{ file: '/etc/containerd/config.toml', handler: 'spin', from: 'x' }],
};
const reread = (one: Takeover) => {
  const ledger: Ledger = { ...emptyLedger, takeover: one };
  return parseLedger(printState(ledger), '/l').takeover;
};

t.test('a consent is recorded as given', async (t) => {
  t.strictSame(reread(takeover), takeover);
});

t.test('a ledger cannot make root remove files that no predecessor can have left', async (t) => {
  const bad: readonly Remnant[] = [
    { kind: 'program', path: '/usr/bin/containerd', is: 'x' },
    { kind: 'program', path: '/opt/kwasm/../../etc/passwd', is: 'x' },
    { kind: 'program', path: '/opt/kwasm/..', is: 'x' },
    { kind: 'record', path: '/opt/other/active', is: 'x' },
    { kind: 'link', path: '/usr/bin/containerd', is: '/opt/kwasm/bin/x' },
    { kind: 'link', path: '/usr/bin/containerd-shim-x', is: '/usr/bin/y' },
    { kind: 'library', path: '/usr/lib/libc.so', is: 'x' },
  ];
  for (const one of bad)
    t.throws(() => reread({ ...takeover, remnants: [one] }), /holds|no path|is not/, one.path);
});
