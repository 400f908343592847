import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { paths } from '../../../protocol/host-paths.ts';
import type { Host } from '../../../host/host.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { observe } from '../../../daemon/reconcile/observe/observe.ts';
import { bareRoot } from '../../../testbed/simulated/bare-root.ts';

const looking = { activate: false, deep: false };
const folder = `${paths.links}/spin-v2`;
const link = `${folder}/containerd-shim-spin-v2`;

/** A root with one link of ours, and a look at it. */
const withLink = (root: string) => {
  mkdirSync(join(root, folder), { recursive: true });
  symlinkSync('../../store/x/containerd-shim-spin-v2', join(root, link));
  const { host } = bareRoot(root);
  return {
    host,
    look: (files: Partial<Host['files']> = {}) =>
      observe({ ...host, files: { ...host.files, ...files } }, defaultSettings, emptyLedger, looking),
  };
};

const refusal = (look: Promise<unknown>): Promise<unknown> =>
  look.then(
    () => undefined,
    (error: unknown) => error,
  );

t.test('an unreadable link stops the observation: its target would seem unused', async (t) => {
  const { host, look } = withLink(t.testdir({}));
  t.match((await look()).links[link], { target: '../../store/x/containerd-shim-spin-v2' });
  const linkAt: Host['files']['linkAt'] = async () => ({ target: null, foreign: '?', errno: 'EIO' });
  t.match(await refusal(look({ linkAt })), {
    problem: { code: 'unreadable-source', message: /EIO/, where: { file: link } },
  });
  const names: Host['files']['names'] = async (path) => {
    if (path !== folder) return host.files.names(path);
    throw new Failure({ code: 'unreadable-source', message: 'EIO' });
  };
  t.match(await refusal(look({ names })), { problem: { code: 'unreadable-source' } });
});

t.test('a file in the place of a folder of links has none', async (t) => {
  const root = t.testdir({ opt: { 'rcm-node': { shims: { note: 'left by a person' } } } });
  t.same((await withLink(root).look()).links[`${paths.links}/note`], undefined);
});
