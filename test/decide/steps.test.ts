import t from 'tap';
import { storePath } from '../../protocol/host-paths.ts';
import { writeConflict, linkSteps, missingFolders, repairs, retire } from '../../daemon/decide/steps.ts';
import { emptyLedger } from '../../daemon/model/ledger.ts';
import type { Observed } from '../../daemon/decide/observed.ts';
import { refuseLinked, writeStep } from '../../daemon/decide/write-step.ts';
import type { Wanted } from '../../daemon/decide/handlers/selection.ts';
import { handler, key, observed, regular } from '../../testbed/simulated/bare-host.ts';

const link = '/opt/rcm-node/shims/spin/containerd-shim-spin-v2';
const target = (letter: string) => storePath(key(letter), 'containerd-shim-spin-v2', false);
const wants = (letter: string, more: object = {}): Wanted => ({
  name: 'spin',
  table: {},
  installed: { handler: { ...handler, ...more }, key: key(letter), sha256: key(letter), path: link },
});
const linked = (links: Observed['links']): Observed => ({ ...observed, links });
const path = '/etc/containerd/config.toml';
const limits = { repairsPerHour: 3, quietSeconds: 0, restartsPerHour: 3 };

t.test('a link is created before the restart, and removed after it', async (t) => {
  t.same(linkSteps(observed, [wants('a')]), {
    now: [{ kind: 'link', path: link, before: null, after: target('a') }],
    later: [],
  });
  t.same(linkSteps(linked({ [link]: { target: target('a') } }), [wants('b')]).now, [
    { kind: 'link', path: link, before: target('a'), after: target('b') },
  ]);
  t.same(linkSteps(linked({ [link]: { target: target('a') } }), [wants('a')]), { now: [], later: [] });
  t.same(linkSteps(linked({ [link]: { target: target('a') } }), []), {
    now: [],
    later: [{ kind: 'link', path: link, before: target('a'), after: null }],
  });
});

t.test('an OCI runtime with libraries is reached through its launcher', async (t) => {
  const runtime = { type: 'oci', binary: 'crun', libraries: ['libwasmedge.so.0'] } as const;
  t.match(linkSteps(observed, [wants('a', { runtime })]).now, [{ after: /\/launch\/crun$/ }]);
});

t.test('links that lead out of the store, or belong to a kept handler, stay', async (t) => {
  const foreign = linked({
    '/opt/rcm-node/shims/spin/a': { target: '/usr/bin/a' },
    '/opt/rcm-node/shims/spin/b': { target: null, foreign: 'a file or folder' },
  });
  t.same(linkSteps(foreign, []), { now: [], later: [] });
  const kept: Wanted = { name: 'spin', table: {} };
  t.same(linkSteps(linked({ [link]: { target: target('a') } }), [kept]).later, []);
});

t.test('what a killed run left beside a link is removed, whatever the runtime has loaded', async (t) => {
  const half = `${link}.0123456789ab`;
  const before = linked({ [link]: { target: target('a') }, [half]: { target: target('b') } });
  t.strictSame(linkSteps(before, [wants('a')], () => true).later, [
    { kind: 'link', path: half, before: target('b'), after: null },
  ]);
});

t.test('the former target of a link is out of use, unless something else uses it', async (t) => {
  const leaves = [{ kind: 'link', path: link, before: target('a'), after: target('b') }] as const;
  t.same(retire(observed, leaves, new Set([key('b')])), {
    [key('a')]: { handler: 'spin', sandboxes: null },
  });
  t.same(retire(observed, leaves, new Set([key('a'), key('b')])), {});
  const first = [{ kind: 'link', path: link, before: null, after: target('b') }] as const;
  const earlier = {
    [key('c')]: { handler: 'x', sandboxes: ['s'] },
    [key('b')]: { handler: 'y', sandboxes: [] },
  };
  const before = { ...observed, ledger: { ...emptyLedger, retired: earlier } };
  t.same(retire(before, first, new Set([key('b')])), { [key('c')]: earlier[key('c')] });
});

t.test('a foreign file keeps its owner and mode, and its link', async (t) => {
  t.same(writeStep({ path, text: 'new' }, regular('old')), {
    kind: 'write',
    path: '/real',
    before: { kind: 'text', text: 'old', mode: 0o640, uid: 7, gid: 8 },
    after: { kind: 'text', text: 'new', mode: 0o640, uid: 7, gid: 8 },
  });
  t.same(writeStep({ path, text: 'new' }, { kind: 'absent' }), {
    kind: 'write',
    path,
    before: { kind: 'absent' },
    after: { kind: 'text', text: 'new', mode: 0o644, uid: 0, gid: 0 },
  });
  t.match(writeStep({ path, text: null }, regular('old')), { after: { kind: 'absent' } });
});

t.test(
  'a file with several hard links is refused where it would be replaced, and not where it is removed',
  async (t) => {
    const fact = regular('old');
    if (fact.kind !== 'regular') throw new Error('a file');
    const facts = { [path]: { ...fact, links: 2 } };
    t.throws(() => refuseLinked([{ path, text: 'new' }], facts), {
      message: /^\/real: the file has 2 names/,
    });
    refuseLinked([{ path, text: null }], facts);
    refuseLinked([{ path, text: 'new' }], { [path]: fact });
    refuseLinked([{ path, text: 'new' }], {});
  },
);

t.test('missing folders are created from the top, for files that are written', async (t) => {
  const folders = { '/etc': true, '/etc/containerd': false, '/etc/containerd/conf.d': false };
  const before = { ...observed, folders };
  const drop = '/etc/containerd/conf.d/zz.toml';
  t.same(
    missingFolders(before, [
      { path: drop, text: 'x' },
      { path, text: 'x' },
    ]),
    ['/etc/containerd', '/etc/containerd/conf.d'],
  );
  t.same(missingFolders(before, [{ path: drop, text: null }]), []);
});

const changedBy = (text: string | null, times: readonly number[]): Observed => ({
  ...observed,
  files: { [path]: text === null ? { kind: 'absent' } : regular(text, 'theirs') },
  ledger: {
    ...emptyLedger,
    files: { [path]: { kind: 'edited', digest: 'ours' } },
    repairs: { [path]: times },
  },
});
const { now } = observed;
const day = 24 * 3600 * 1000;

t.test('repairs of our files are counted, changes of our own are not', async (t) => {
  t.same(repairs(changedBy('x', [now - 2 * day, now - 1]), [{ path, text: 'y' }]), {
    [path]: [now - 1, now],
  });
  t.same(repairs(changedBy(null, []), [{ path, text: 'y' }]), { [path]: [now] });
  t.same(repairs({ ...observed, files: { [path]: regular('x') } }, [{ path, text: 'y' }]), {});
  t.same(repairs(changedBy('x', [now - 2 * day]), []), {}, 'after a day they are forgotten');
});

t.test('too many repairs are a write conflict, and the other writer is quoted', async (t) => {
  const times = [now - 3, now - 2, now - 1];
  const file = { path, text: 'y' };
  t.equal(writeConflict(file, changedBy('x', times.slice(1)), limits), undefined);
  t.match(writeConflict(file, changedBy('version = 2\n  # Managed by kubespray\n', times), limits), {
    code: 'write-conflict',
    message:
      /changed the file again after 3 repairs within an hour; its first comment reads "Managed by kubespray"/,
    where: { file: path },
  });
  t.match(writeConflict(file, changedBy(null, times), limits), {
    message: /removed the file again after 3 repairs/,
  });
  t.notMatch(writeConflict(file, changedBy('x = 1', times), limits)?.message, /comment/);
  const ours = { ...changedBy('x', times), files: { [path]: regular('x', 'ours') } };
  t.equal(writeConflict(file, ours, limits), undefined, 'our own file as we left it');
});
