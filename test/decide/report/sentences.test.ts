import t from 'tap';
import { storePath } from '../../../protocol/host-paths.ts';
import { sentence, sentences } from '../../../daemon/decide/report/sentences.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
import type { Step } from '../../../daemon/model/plan.ts';
import { absent } from '../../../host/facts.ts';
import { handler, key } from '../../../testbed/simulated/bare-host.ts';

const text = (content: string) => ({ kind: 'text', text: content, mode: 0o644, uid: 0, gid: 0 }) as const;
const unit = 'containerd.service';
const link = '/opt/rcm-node/shims/spin/containerd-shim-spin-v2';

t.test('every step that matters to a person is a sentence, without secrets', async (t) => {
  const steps: readonly Step[] = [
    { kind: 'fetch', handler },
    { kind: 'place', handler },
    { kind: 'quiet', seconds: 30 },
    { kind: 'folder', path: '/etc/x' },
    { kind: 'unfolder', path: '/etc/x' },
    { kind: 'write', path: '/etc/a', before: absent, after: text('version = 2') },
    { kind: 'write', path: '/etc/a', before: text('x'), after: text('y') },
    { kind: 'write', path: '/etc/a', before: text('x'), after: absent },
    { kind: 'link', path: link, before: null, after: storePath(key('a'), 'x', false) },
    { kind: 'link', path: link, before: null, after: '/usr/bin/x' },
    { kind: 'link', path: link, before: '/x', after: null },
    { kind: 'activate', unit },
    { kind: 'prove', unit, serve: ['spin'], keep: [], former: [] },
    { kind: 'prove', unit, serve: ['spin', 'wws'], keep: [], former: [] },
    { kind: 'prove', unit, serve: [], keep: [], former: [] },
    { kind: 'discard', key: key('b') },
    { kind: 'record', ledger: emptyLedger },
  ];
  t.same(sentences(steps), [
    'fetch https://example.com/spin.tar.gz for spin',
    'check it, test-run it and place it in the store for spin',
    'wait until no container is being created (30 s at most)',
    'create the folder /etc/x',
    'remove the folder /etc/x',
    'write /etc/a',
    'change /etc/a',
    'remove /etc/a',
    'point spin to aaaaaaaaaaaa',
    'point spin to a file of another program',
    `remove the link ${link}`,
    'restart containerd.service',
    'prove that spin is served',
    'prove that spin, wws are served',
    'prove that the runtime is healthy',
    'discard bbbbbbbbbbbb from the store',
  ]);
  t.equal(sentence({ kind: 'record', ledger: emptyLedger }, steps), undefined);
});

t.test('what is only prepared is not called served', async (t) => {
  const prove = { kind: 'prove', unit, serve: ['slot-1', 'slot-2', 'spin'], keep: [], former: [] } as const;
  const placed = { handler, path: link };
  const installed = { ...placed, key: key('a'), sha256: key('a') };
  const ledger = { ...emptyLedger, prepared: { 'slot-1': placed, 'slot-2': placed, spin: placed } };
  t.same(sentences([prove, { kind: 'record', ledger: { ...ledger, handlers: { spin: installed } } }]), [
    'prove that spin is served, and slot-1, slot-2 are prepared',
  ]);
  t.same(
    sentences([
      { ...prove, serve: ['slot-1'] },
      { kind: 'record', ledger },
    ]),
    ['prove that slot-1 is prepared'],
  );
});
