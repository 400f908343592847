/** What each refusal must be, wherever it is read: it names the Shim, what is wrong and the way out, and another Shim is served. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Report } from '../../../daemon/model/outcome.ts';
import { annotations } from '../../../protocol/node-annotations.ts';
import { type Code, codes, hintOf } from '../../../protocol/problem/problem.ts';
import { type Asked, type Seen, seeRefusal } from '../../../testbed/controller/refused-shim.ts';
import { type Node, program } from '../../../testbed/simulated/node.ts';

export type Row = {
  readonly why: string;
  readonly asked: Asked | ((t: Test) => Promise<Asked>);
  readonly code: Code;
  /** What is wrong, with the field or the location. */
  readonly says: RegExp;
  /** What comes first, where that is no fault of the Shim. */
  readonly first?: RegExp;
};

export const location = 'file:///srv/artifacts/bad';
/** The program that the Shim names. */
export const text = program('bad');

export const pinned = (bytes: string | Uint8Array, from = location) => ({
  fetchStrategy: {
    anonHttp: { location: from, sha256: createHash('sha256').update(bytes).digest('hex') },
  },
});
export const place =
  (content: string | Uint8Array = text) =>
  (host: Node): void =>
    writeFileSync(join(host.root, 'srv/artifacts/bad'), content, { mode: 0o755 });

export const settings =
  (lines: string, content: string | Uint8Array = text) =>
  (host: Node): void => {
    place(content)(host);
    host.write('/etc/rcm-node/config.toml', lines);
  };

const conditionOf = (seen: Seen, type: string) => seen.conditions.find((one) => one.type === type);

/** Where each fact is told. */
export const check = (t: Test, seen: Seen, { code, says, first }: Row): void => {
  const { outcome } = JSON.parse(seen.json) as Report;
  const problems = outcome.kind === 'degraded' ? outcome.problems : [];
  const problem = problems.find(({ where }) => where?.file === 'shims.runtime.spinkube.dev/bad');
  if (problem === undefined) return void t.fail(`no problem: ${seen.json}`);
  const way = hintOf(problem);
  t.match(problem, { code }, 'status --json');
  const shimAndFault = new RegExp(`shims\\.runtime\\.spinkube\\.dev/bad: .*${says.source}`);
  for (const [where, said] of [
    ['status', seen.status],
    ['the log', seen.log],
  ] as const)
    t.match(said, shimAndFault, where);
  for (const [where, said] of [
    ['an Event of the Node', seen.nodeEvents.at(-1)],
    ['the annotation', seen.annotations[annotations.reason]],
  ] as const)
    t.match(said, first ?? shimAndFault, where);
  t.ok(seen.status.includes(way), `status has the way out: ${way}\n${seen.status}`);
  t.ok(seen.log.includes(way), 'the log has the way out');
  t.match(seen.nodeEvents.at(-1), way.slice(0, 100), 'an Event has the way out');
  t.match(seen.annotations[annotations.status], new RegExp(`"bad":\\{[^}]*"p":"${code}"`));
  const degraded = conditionOf(seen, 'Degraded');
  t.match(degraded, { status: 'True', reason: 'NodesFailed' });
  t.match(degraded?.message, `1 node failed: a (${code}). ${code}: `);
  if (way === codes[code].hint) t.match(degraded?.message, way, 'the Shim has the way out');
  t.ok(
    seen.shimEvents.some((line) => line === `NodesFailed: ${degraded?.message}`),
    'an Event of the Shim',
  );
  t.match(conditionOf(seen, 'Stalled'), { status: 'True' });
};

export const refuseAll = (rows: readonly Row[]): void => {
  for (const row of rows)
    t.test(`refused: ${row.why}`, async (t) => {
      const { asked } = row;
      const seen = await seeRefusal(t, typeof asked === 'function' ? await asked(t) : asked);
      check(t, seen, row);
      t.same(seen.served, ['runc', 'good'], 'the other Shim is served');
      for (const [type, status] of [
        ['Available', 'True'],
        ['Degraded', 'False'],
        ['Conflict', 'False'],
      ] as const)
        t.match(
          seen.others.find((one) => one.type === type),
          { status },
          `the other Shim: ${type}`,
        );
    });
};
