import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  leadsToShim,
  standInLink,
  standInName,
  standInText,
} from '../../../daemon/decide/handlers/stand-in.ts';

t.test('it starts nothing, and says for which handler', async (t) => {
  const folder = t.testdir({});
  const program = join(folder, standInName);
  writeFileSync(program, standInText, { mode: 0o755 });
  mkdirSync(join(folder, 'slot-1'));
  const link = join(folder, 'slot-1/crun');
  symlinkSync(program, link);
  const { status, stdout, stderr } = spawnSync(link, ['--root', '/run/oci/slot-1', 'create', 'id'], {
    encoding: 'utf8',
  });
  t.equal(status, 1);
  t.equal(stdout, '');
  t.equal(stderr, 'rcm-node: the handler "slot-1" is prepared, and no shim is there for it yet\n');
});

t.test('only a link to another program leads to a shim', async (t) => {
  t.notOk(leadsToShim(undefined));
  t.notOk(leadsToShim(null));
  t.notOk(leadsToShim(standInLink));
  t.ok(leadsToShim(`/opt/rcm-node/store/${'a'.repeat(64)}/crun`));
});
