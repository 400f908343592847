/** What the tests of power cuts find wrong with files: each kind of loss, made by hand. Without a node. */
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { emptyLedger, printState } from '../../../daemon/model/ledger.ts';
import { paths, storePath } from '../../../protocol/host-paths.ts';
import { run } from '../../../testbed/machine/command.ts';
import { digests, wrongIn } from '../../../testbed/power/files.ts';

const key = 'a'.repeat(64);
const program = storePath(key, 'shim', false);
const link = `${paths.links}/spin-v2/shim`;
const configuration = '/etc/containerd/config.toml';
const sha256 = createHash('sha256').update('program').digest('hex');
const manifest = {
  version: 1,
  url: 'file:///shim',
  sha256,
  binary: 'shim',
  files: { shim: { sha256, bytes: 7 } },
};

const whole: Readonly<Record<string, string>> = {
  [configuration]: 'version = 2\n',
  [paths.settings]: 'interval = 5\n',
  [paths.lastSettings]: 'interval = 5\n',
  [paths.ledger]: printState(emptyLedger),
  [program]: 'program',
  [`${paths.store}/${key}/manifest.json`]: JSON.stringify(manifest),
};

/** A machine that serves a shim, and what is wrong with it after a loss. */
const after = async (t: Test, loss: (at: (path: string) => string) => void): Promise<readonly string[]> => {
  const root = t.testdir();
  const at = (path: string): string => join(root, path);
  const look = (): Promise<string> => run(['sh', '-c', digests], { cwd: root });
  for (const [path, text] of Object.entries(whole)) {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
  }
  mkdirSync(dirname(at(link)), { recursive: true });
  symlinkSync(program, at(link));
  const before = await look();
  loss(at);
  return wrongIn(root, { before, all: [before] }, await look());
};

const rows: Readonly<Record<string, [(at: (path: string) => string) => void, readonly string[]]>> = {
  nothing: [() => undefined, []],
  'a temporary file': [(at) => writeFileSync(at('/etc/containerd/.rcm-node-0123456789ab'), 'ver'), []],
  'no ledger': [(at) => rmSync(at(paths.ledger)), []],
  'half a configuration': [
    (at) => truncateSync(at(configuration), 5),
    ['etc/containerd/config.toml is no file that was written'],
  ],
  'no configuration': [(at) => rmSync(at(configuration)), ['etc/containerd/config.toml is lost']],
  'half a ledger': [(at) => truncateSync(at(paths.ledger), 5), [`${paths.ledger} is half`]],
  'an empty journal': [(at) => writeFileSync(at(paths.journal), ''), [`${paths.journal} is half`]],
  'half of the last settings': [
    (at) => truncateSync(at(paths.lastSettings), 5),
    [`${paths.lastSettings} is half`],
  ],
  'half a program': [(at) => truncateSync(at(program), 5), [`${program} is half`]],
  'an empty manifest': [
    (at) => truncateSync(at(`${paths.store}/${key}/manifest.json`), 0),
    [`${paths.store}/${key}/manifest.json is half`],
  ],
  'no program': [(at) => rmSync(at(program)), [`${link} leads to no file`]],
};

for (const [loss, [make, wrong]] of Object.entries(rows))
  t.test(loss, async (t) => {
    const found = await after(t, make);
    t.equal(found.length, wrong.length, found.join(', '));
    for (const [at, one] of wrong.entries()) t.ok(found[at]?.startsWith(one), `found: ${found[at]}`);
  });
