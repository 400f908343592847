import t from 'tap';
import { foldersOf, relocatedOf, kept, takeBack } from '../../daemon/decide/relocated.ts';
import { formerHeader, header } from '../../daemon/runtimes/own-header.ts';
import { containerd } from '../../daemon/runtimes/containerd/row.ts';
import { emptyLedger, type Ledger, type OwnedFile } from '../../daemon/model/ledger.ts';
import type { Observed } from '../../daemon/decide/observed.ts';
import type { FileFact } from '../../host/facts.ts';
import { observed, regular, runtime } from '../../testbed/simulated/bare-host.ts';

const main = '/srv/old/config.toml';
const drop = '/srv/old/conf.d/zz-rcm-node.toml';
const owned: OwnedFile = { kind: 'edited', digest: 'digest' };
const wired = 'version = 3\nimports = ["/srv/old/conf.d/*rcm-node.toml"] # added by rcm-node\n';

const ledger: Ledger = {
  ...emptyLedger,
  files: {
    [runtime.configPath]: owned,
    [drop]: { kind: 'created', digest: 'digest' },
    [main]: { ...owned, edit: { kind: 'line' } },
  },
  folders: ['/etc/containerd/conf.d', '/srv/old', '/srv/old/conf.d'],
};

const lookAt = (files: Readonly<Record<string, FileFact>>) => {
  const before: Observed = { ...observed, files, ledger };
  const { paths } = containerd.target(runtime, files, ledger);
  return { before, former: relocatedOf(paths, before) };
};

t.test('an import is removed before the drop-in that it names, then the folders, and the rest stays', (t) => {
  const { before, former } = lookAt({ [main]: regular(wired), [drop]: regular('ours') });
  t.strictSame(former.problems, []);
  const steps = takeBack(former, before);
  t.match(steps, [
    { kind: 'write', before: { text: wired }, after: { kind: 'text', text: 'version = 3\n', mode: 0o640 } },
    { kind: 'write', before: { text: 'ours' }, after: { kind: 'absent' } },
    { kind: 'unfolder', path: '/srv/old/conf.d' },
    { kind: 'unfolder', path: '/srv/old' },
    {
      kind: 'record',
      ledger: { files: { [runtime.configPath]: owned }, folders: ['/etc/containerd/conf.d'] },
    },
  ]);
  t.equal(steps.length, 5);
  t.strictSame(
    kept(former, ledger).map(([path]) => path),
    [drop, main],
    'until then the ledger keeps them',
  );
  t.end();
});

t.test('the drop-in of a unit is removed before the main file that it names', (t) => {
  const copy = '/etc/containerd/config.toml';
  const unit = '/etc/systemd/system/containerd.service.d/50-rcm-node.conf';
  const made: OwnedFile = { kind: 'created', digest: 'digest' };
  const texts = {
    [copy]: { ...regular(`${header}# In the place of /usr/share/containerd/config.toml.\n`), real: copy },
    [unit]: { ...regular(`${header}[Service]\n`), real: unit },
  };
  const before: Observed = {
    ...observed,
    files: texts,
    ledger: { ...emptyLedger, files: { [copy]: made, [unit]: made } },
  };
  const written = takeBack(relocatedOf([], before), before).flatMap((step) =>
    step.kind === 'write' ? [step.path] : [],
  );
  t.strictSame(written, [unit, copy], 'a power failure in between leaves a unit that starts');
  t.end();
});

t.test('a file with nothing of ours is forgotten, without a step', (t) => {
  const { before, former } = lookAt({ [main]: regular('version = 3\n') });
  t.strictSame(former, { files: [], problems: [] });
  t.strictSame(takeBack(former, before), []);
  t.strictSame(kept(former, ledger), []);
  t.end();
});

t.test('a file that exists only because of us is removed, whatever generation it was made for', (t) => {
  for (const first of [header, formerHeader])
    for (const version of [2, 3]) {
      const { former } = lookAt({ [main]: regular(`${first}version = ${version}\n`) });
      t.strictSame(former.files, [{ path: main, text: null }]);
    }
  t.end();
});

t.test('a file that cannot be restored is named with the reason, and stays in the ledger', (t) => {
  const facts: readonly (readonly [FileFact, RegExp])[] = [
    [{ kind: 'foreign', what: 'a folder' }, /this is a folder/],
    [{ kind: 'unreadable', why: 'EIO' }, /EIO/],
    [regular('[[['), /config|expected|table/i],
    [{ ...(regular(wired) as FileFact & { kind: 'regular' }), links: 2 }, /2 names/],
  ];
  for (const [fact, why] of facts) {
    const { before, former } = lookAt({ [main]: fact, [drop]: regular('changed', 'another') });
    t.match(former.problems, [
      { code: 'not-ours', where: { file: drop }, message: /changed by another program/ },
      { code: 'not-ours', where: { file: main }, message: why },
    ]);
    t.strictSame(takeBack(former, before), []);
    t.equal(kept(former, ledger).length, 2);
  }
  t.end();
});

t.test('a folder belongs to the files below it, not to those of a similar name', (t) => {
  t.strictSame(foldersOf(['/a', '/a/b', '/ab'], ['/a/x.toml']), ['/a']);
  t.end();
});
