/** `npm run demo`: prepares a node, plays the acts, says what was measured. Exit codes: arguments.ts. */
import { existsSync } from 'node:fs';
import { estateOf, raze, razeLeftovers } from '../testbed/machine/estate.ts';
import { cacheDir } from '../testbed/artifacts/images.ts';
import { MachineLacks } from '../testbed/machine/machine.ts';
import { actFleet } from './acts/fleet.ts';
import { actPlan } from './acts/plan.ts';
import { actRollback } from './acts/rollback.ts';
import { actServe } from './acts/serve.ts';
import { actOwnStatus, actServiceStatus } from './acts/status.ts';
import { actUninstall } from './acts/uninstall.ts';
import { actUpdate } from './acts/update.ts';
import { actWasm } from './acts/wasm.ts';
import { parseArguments, usage } from './arguments.ts';
import { cleanCache, keptFiles, sizeText } from './stage/cache.ts';
import { Disproved } from './disproved.ts';
import { duration } from './fit.ts';
import { keepNode } from './stage/keep.ts';
import { prepare } from './stage/prepare.ts';
import { makeScreen, type Screen } from './screen.ts';
import type { Stage } from './stage/stage.ts';
import { restoreMachine, tidyAtExit } from './tidy.ts';

const play = async (stage: Stage): Promise<void> => {
  const dropped = await actPlan(stage);
  await actServe(stage, dropped);
  await actWasm(stage);
  await actServiceStatus(stage);
  await actOwnStatus(stage);
  await actUpdate(stage);
  await actRollback(stage);
  await actUninstall(stage);
  await actFleet(stage);
};

const summarize = ({ screen, figures }: Stage, preparedMs: number, totalMs: number): void => {
  const rows = [
    ...figures,
    ['to prepare the node', duration(preparedMs)] as const,
    ['all of it', duration(totalMs)] as const,
  ];
  const width = Math.max(...rows.map(([what]) => what.length));
  screen.title('What was measured');
  for (const [what, value] of rows) screen.say(`  ${what.padEnd(width)}  ${screen.paint.bold(value)}`);
};

const explain = async (stage: Stage, error: unknown): Promise<void> => {
  const { screen, node } = stage;
  const mark = screen.paint.bad('✗');
  if (error instanceof Disproved) {
    screen.say(`\n  ${mark} Expected: ${error.expected}\n    Seen:`);
    screen.output(error.seen.trim(), 'whole');
  } else screen.say(`\n  ${mark} ${error instanceof Error ? error.message : String(error)}`);
  for (const unit of ['rcm-node.service', 'containerd.service']) {
    screen.remark(`The last lines of the node's journal for ${unit}:`);
    const journal = await node.exec(['journalctl', '--no-pager', '-n', '15', '-u', unit], {
      timeoutMs: 20_000,
    });
    screen.output(`${journal.stdout}${journal.stderr}`, 'whole');
  }
};

const tellKept = (screen: Screen): void => {
  const kept = keptFiles();
  const sum = sizeText(kept.reduce((all, { bytes }) => all + bytes, 0));
  screen.remark(
    `The node is gone. Kept for the next run, ${sum} in all; npm run demo -- --clean removes it:`,
  );
  screen.output(
    kept.map(({ path, what, bytes }) => `${sizeText(bytes).padStart(7)}  ${path}  ${what}`).join('\n'),
  );
  screen.remark(`And dist/ of this tree, which npm run build writes.`, 'close');
};

const remove = (node: string): string => {
  if (!existsSync(estateOf(node).dir)) throw new Error(`there is no node ${node}`);
  raze(node);
  restoreMachine();
  return `${node} is gone.\n`;
};

const clean = (): string => {
  razeLeftovers();
  const done = cleanCache();
  if ('users' in done)
    throw new Error(
      `nothing was removed, because it is in use by ${done.users.join(', ')}; npm run demo -- --remove NODE`,
    );
  restoreMachine();
  if (done.removed.length === 0) return `Nothing is kept in ${cacheDir()}.\n`;
  return done.removed.map(({ path, bytes }) => `removed ${path} (${sizeText(bytes)})\n`).join('');
};

const demo = async (screen: Screen, keep: boolean): Promise<number> => {
  const began = performance.now();
  screen.say(screen.paint.bold('rcm-node: a demonstration on a throwaway node'));
  screen.say('Lines with $ are run in the node, a ✓ was checked. After Ctrl-C nothing stays.\n');
  tidyAtExit(screen.clear);
  const stage = await prepare(screen);
  const preparedMs = performance.now() - began;
  let code = 0;
  try {
    await play(stage);
    summarize(stage, preparedMs, performance.now() - began);
  } catch (error) {
    await explain(stage, error);
    code = 1;
  }
  if (keep) keepNode(stage.node, screen);
  else {
    await screen.during('end of the node', () => stage.node.stop());
    tellKept(screen);
  }
  return code;
};

const main = async (argv: readonly string[]): Promise<number> => {
  const wanted = parseArguments(argv);
  if (wanted.kind === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  if (wanted.kind === 'usage') {
    process.stderr.write(`demo: ${wanted.message}\n\n${usage}`);
    return 2;
  }
  try {
    if (wanted.kind === 'demo')
      return await demo(makeScreen(process.stdout, process.env.NO_COLOR), wanted.keep);
    process.stdout.write(wanted.kind === 'clean' ? clean() : remove(wanted.node));
    return 0;
  } catch (error) {
    if (error instanceof MachineLacks) {
      process.stderr.write(`The demo cannot run here. This is missing:\n${error.message}\n`);
      return 2;
    }
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
};

// A closed pipe (`npm run demo | head`) ends the demo; what it started is taken away at exit.
process.stdout.on('error', () => process.exit(1));
process.exit(await main(process.argv.slice(2)));
