import t from 'tap';
import { disproven, retried, withdrawn, withTaken } from '../../../daemon/decide/takeover/taken.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
import type { Takeover } from '../../../daemon/model/takeover.ts';
import { partsIn } from '../../../daemon/runtimes/predecessors/parts.ts';
import { parseToml } from '../../../daemon/toml/toml.ts';
import { rcm } from '../../runtimes/predecessors/written.ts';

const file = '/etc/containerd/config.toml';
const text = rcm('spin-v2') + rcm('wws-v1');
const { parts } = partsIn(text, parseToml(text, file));
const [spin] = parts.map((part) => ({ file, part }));
const takeover: Takeover = {
  tables: parts.map(({ handler, digest, predecessor }) => ({
    file,
    handler,
    digest,
    from: predecessor.name,
  })),
  unused: true,
  remnants: [],
  done: [],
};

t.test('a takeover is allowed once, and reported by an uninstall', async (t) => {
  const next = withTaken(takeover, spin ? [spin] : []).takeover;
  t.strictSame(
    next?.tables.map(({ handler }) => handler),
    ['wws-v1'],
  );
  t.strictSame(next?.done, [{ file, handler: 'spin-v2', from: 'runtime-class-manager' }]);
  t.strictSame(
    withTaken(takeover && { ...takeover, done: next?.done ?? [] }, spin ? [spin] : []).takeover?.done,
    next?.done,
    'told once, however often it is written again',
  );
  t.strictSame(withTaken(takeover), { takeover });
  t.strictSame(withTaken(undefined, spin ? [spin] : []), {});
});

t.test('a failure withdraws the consent to tables, and nothing else', async (t) => {
  t.strictSame(withdrawn({ ...emptyLedger, takeover }), emptyLedger);
  t.strictSame(withdrawn(emptyLedger), emptyLedger);
  const done = [{ file, handler: 'x', from: 'y' }];
  t.strictSame(withdrawn({ ...emptyLedger, takeover: { ...takeover, done } }).takeover, {
    tables: [],
    unused: false,
    remnants: [],
    done,
  });
});

t.test('what a failed plan removed is recorded until a person asks for a retry', async (t) => {
  const before = { ...emptyLedger, takeover };
  const [first, second] = takeover.tables;
  const planned = { ...emptyLedger, ...withTaken(takeover, spin ? [spin] : []) };
  const after = disproven(before, planned);
  t.strictSame(after.takeover?.failed, [first?.digest], 'not what waited');
  t.strictSame(after.takeover?.tables, []);
  t.not(first?.digest, second?.digest);
  t.strictSame(disproven(before, before), emptyLedger);
  t.strictSame(disproven(emptyLedger, undefined), emptyLedger);
  t.equal(retried(after).takeover?.failed, undefined);
  t.strictSame(retried(emptyLedger), emptyLedger);
});
