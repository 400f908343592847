/**
 * Power cuts. A machine installs a handler, updates it and uninstalls, and each write to its disk is recorded. The disk is then rebuilt as a
 * power cut after so many writes leaves it, and boots: the runtime starts, the end state is reached, no file is half, no byte of others is
 * lost. In turn the disk has made all writes, or of those that it was not asked to hold an arbitrary part. What boots is a container,
 * whose kernel replays the journal of ext4 as that of any machine does.
 *
 * `POWER_CUTS`: how many cuts in each part; `POWER_MACHINE=vm`: a virtual machine makes the writes.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ownCache } from '../../testbed/artifacts/build.ts';
import { run } from '../../testbed/machine/command.ts';
import {
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  untilServing,
} from '../../testbed/node/service.ts';
import { type Lane, laneIn, type Point, pointsOf } from '../../testbed/power/cuts.ts';
import { digests, wrongIn } from '../../testbed/power/files.ts';
import { bootFrom, machines, recordedIn, withRoot } from '../../testbed/power/machines.ts';
import { program, record } from '../../testbed/power/record.ts';
import { whyNoExport } from '../../testbed/vm/export.ts';
import { plainCut, writesOf } from '../../testbed/vm/write-log.ts';
import { makeWasmShim, wasmShimLine } from '../../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);

const cuts = Number(process.env.POWER_CUTS ?? 6);
const named = process.env.POWER_MACHINE ?? (process.env.NIGHT ? 'vm' : 'container');
const machine = named === 'vm' ? 'vm' : 'container';

const skip = whyNoExport();

const shims = { 1: await makeWasmShim('1', progress), 2: await makeWasmShim('2', progress) };
await mkdir(ownCache, { recursive: true });

const titleOf = ({ part, count, cache, cut }: Point): string =>
  `${part.name}, after ${count - part.from} of ${part.to - part.from} writes, ${cache ? `with ${cut.rest.length} blocks of a cache` : 'all of them made'}`;

/** A folder with a recording, and everything else that the cuts need. */
const recording = async (
  t: Test,
  kind: keyof typeof machines,
  names: readonly string[],
  files: Readonly<Record<string, string>> = {},
) => {
  const folder = await mkdtemp(join(ownCache, 'power-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const node = await machines[kind]({ progress, folder, shims: Object.values(shims), files });
  try {
    const { log } = recordedIn(folder);
    const found = await record(node, log, shims, names);
    await node.kill();
    const writes = writesOf(log);
    for (const { name, from, to } of found.parts) t.comment(`${name}: ${to - from} writes`);
    return { folder, writes, ...found };
  } finally {
    await node.stop();
  }
};

const look = (root: string): Promise<string> => run(['sh', '-c', digests], { cwd: root });

/** Lines of files that are not ours. */
const others = (text: string): string => text.replace(/^.* {2}etc\/rcm-node\/.*\n/gm, '');

t.test('in the middle of a change', { skip }, async (t) => {
  const { folder, writes, parts, seen } = await recording(t, machine, ['install', 'update', 'uninstall']);
  const [{ before: first } = { before: '' }] = parts;

  /** A node that starts after this cut; before it starts, its files are looked at. Returns what is left of it at last. */
  const survives = async (t: Test, lane: Lane, { part, cut }: Point): Promise<string> => {
    const check = async (root: string) => {
      t.same(wrongIn(root, { before: part.before, all: seen }, await look(root)), []);
    };
    const disk = (path: string): void => lane.complete(cut, path);
    const node = await bootFrom(await lane.disk(cut), progress, { disk, root: check });
    try {
      // Once disabled it starts no more: then the command is what completes an uninstall.
      const isEnabled = (await node.exec(['systemctl', 'is-enabled', 'rcm-node'])).code === 0;
      if (isEnabled || part.serves !== undefined)
        await untilServing(node, part.serves === undefined ? [] : ['spin-v2'], 240_000);
      if (part.serves !== undefined) {
        t.match(await node.run(['tail', '-n1', program]), wasmShimLine(`${part.serves}`).trim());
        await check(node.root);
      }
      t.ok((await handlersOverCri(node)).includes('runc'), 'the runtime has started');
      const said = await rcmNode(node, 'uninstall');
      t.equal(said.code, 0, `${said.stdout}${said.stderr}`);
      t.notOk((await handlersOverCri(node)).includes('spin-v2'));
      t.equal(others(await look(node.root)), others(first), 'every byte of others is as before');
      return await census(node);
    } finally {
      await node.stop();
    }
  };

  const part = parts.at(-1)!;
  const last: Point = { part, count: part.to, cache: false, cut: plainCut(writes, part.to) };
  const reference = await laneIn(folder, 'reference', writes, progress);
  const left = await survives(t, reference, last);
  await reference.drop();

  t.jobs = parts.length;
  for (const part of parts)
    t.test(`${cuts} cuts of ${part.name}`, { buffered: true }, async (t) => {
      const lane = await laneIn(folder, part.name, writes, progress);
      for (const [at, point] of pointsOf(part, writes, cuts).entries())
        await t.test(titleOf(point), async (t) => {
          // There would be an hour without a line.
          t.parser.on('fail', ({ name, diag }: { readonly name: string; readonly diag: unknown }) =>
            process.stderr.write(`FAILED: ${titleOf(point)}: ${name} ${JSON.stringify(diag)}\n`),
          );
          t.same(censusDifference(left, await survives(t, lane, point)), [], 'nothing else is left');
          if (at % 20 === 19) process.stderr.write(`${titleOf(point)}\n`);
        });
      await lane.drop();
    });
});

/** The kernel answers that all is on the disk, and does nothing. */
const unsynced = {
  '/etc/systemd/system/rcm-node.service.d/unsynced.conf':
    '[Service]\nSystemCallFilter=\nSystemCallFilter=~fsync:0 fdatasync:0\n',
};

t.test(
  'a program that does not wait for the disk leaves half files, and they are found',
  { skip },
  async (t) => {
    const { folder, writes, parts, seen } = await recording(t, 'container', ['install'], unsynced);
    const lane = await laneIn(folder, 'unsynced', writes, progress);
    const wrong: string[] = [];
    for (const { part, cut } of parts.flatMap((part) => pointsOf(part, writes, 16))) {
      const before = (path: string): void => lane.complete(cut, path);
      const work = async (root: string) =>
        wrongIn(root, { before: part.before, all: seen }, await look(root));
      wrong.push(...(await withRoot(await lane.disk(cut), { progress, before, work })));
    }
    t.comment([...new Set(wrong)].join(', '));
    t.match(wrong.join(), /is half/);
  },
);
