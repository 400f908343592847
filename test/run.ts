/**
 * `npm test`: runs tap, shows a line per file, then every failure, every skipped test with its reason, coverage (with
 * CI or COVERAGE in the environment), and
 * as the last line `N passed, N failed, N skipped`. Arguments go to tap: options, test files. `--every-stop` runs those below
 * `test/` that `npm test` leaves out; with NIGHT in the environment those that are for every night run, too (when.ts).
 *
 * Exits 1 when a test failed, when nothing passed, when tap died, or when coverage is under its floor.
 */

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { judgeCoverage } from './coverage.ts';
import { grouped, longestFirst, membersOf } from './groups.ts';
import { collector } from './report/tally.ts';
import { whenOf } from './when.ts';

const root = join(import.meta.dirname, '..');
const tap = join(root, 'node_modules', '.bin', 'tap'); // run by our own Node: its first line asks for any
const isStop = process.argv.includes('--every-stop');
const isNight = process.env.NIGHT !== undefined;
const given = process.argv.slice(2).filter((argument) => argument !== '--every-stop');
// It costs a fifth of the time: measured where a change lands, and when it is asked for.
const measures =
  !given.includes('--disable-coverage') && (process.env.CI ?? process.env.COVERAGE) !== undefined;
const isWhole = given.every((argument) => argument.startsWith('-'));

/**
 * tap generates its `t` from the plugins in .taprc. What a fresh `npm ci` brings has the TypeScript plugin in it,
 * which would run tests through a compiler of its own. The marker lives in node_modules and dies with it.
 */
function buildPlugins(): void {
  const marker = join(root, 'node_modules', '.cache', 'rcm-node', 'taprc');
  const wanted = readFileSync(join(root, '.taprc'), 'utf8');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return;
  const { status } = spawnSync(process.execPath, [tap, 'build'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error(`"tap build" ended with ${status}`);
  mkdirSync(dirname(marker), { recursive: true });
  writeFileSync(marker, wanted);
}

/** Seconds that tap gives a file: of its option, or of .taprc. */
const patience = Number(given.findLast((argument) => /^-t[1-9]\d*$/.test(argument))?.slice(2) ?? 900);

/**
 * Runs tap to its end; resolves with its exit code. Its standard error passes through. Where a process that a test leaves behind holds
 * the output of that test, tap waits for good, beyond the deadline of the file: so it is ended when it falls silent.
 */
function run(files: readonly string[], show: (line: string) => void): Promise<number> {
  const report = measures ? ['--coverage-report=json-summary'] : ['--disable-coverage'];
  const first = `--node-arg=--import=${join(root, 'test', 'plain-promises.ts')}`;
  const child = spawn(process.execPath, [tap, '--reporter=jsonstream', first, ...report, ...files], {
    cwd: root,
    // Each process would compile the same files again; what is measured needs them compiled plainly.
    env: measures ? process.env : { NODE_COMPILE_CACHE: join(root, '.tap', 'compiled'), ...process.env },
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  const silence = setTimeout(() => {
    console.log(`FAILED tap itself: silent for ${2 * patience} s, in ${results.tally().underWay}`);
    child.kill('SIGKILL');
  }, 2_000 * patience);
  createInterface({ input: child.stdout }).on('line', (line) => {
    silence.refresh();
    show(line);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(silence);
      resolve(code ?? 1);
    });
  });
}

const indent = (text: string): string => text.replace(/^/gm, '    ');

// Hosts that tests make are as root makes them: what a group can write decides nothing (host/files/trusted.ts).
process.umask(0o022);
buildPlugins();
rmSync(join(root, '.tap', 'report'), { recursive: true, force: true });

const results = collector((file) => {
  const members = existsSync(join(root, file)) ? membersOf(root, file) : [];
  return members.length === 1 ? (members[0] ?? file) : file;
});
// tap leaves one processor free, which is half of a small machine; many tests wait for timers, so one more has work.
const jobs = given.some((argument) => /^(-j|--jobs)/.test(argument))
  ? []
  : [`--jobs=${availableParallelism() + 1}`];
/** A file that is named alone runs, whatever it says of itself. */
const isAlone = given.filter((argument) => !argument.startsWith('-')).length === 1;
const rare = given.flatMap((file) => {
  const when = file.endsWith('.test.ts') && !isAlone && !isNight ? whenOf(root, file) : undefined;
  return when?.tier === 'night' ? [{ name: file, reason: `runs every night: ${when.why}` }] : [];
});
const called = given.filter((file) => !rare.some(({ name }) => name === file));
const all = longestFirst(root, isWhole ? [...given, ...grouped(root, isStop ? 'stop' : 'always')] : called);
const files = [...jobs, ...all];
const code = await run(files, (line) => {
  const shown = results.line(line);
  if (shown !== undefined && !shown.startsWith('json-summary report:')) console.log(shown);
});
const { passed, failures, skips: skipped, complete } = results.tally();
const skips = [...skipped, ...rare];

for (const { name, detail } of failures) console.log(`\nFAILED ${name}\n${indent(detail)}`);
if (skips.length > 0)
  console.log(`\n${skips.map(({ name, reason }) => `skipped ${name}: ${reason}`).join('\n')}`);
const coverage = measures ? judgeCoverage(root, isWhole) : { text: '', ok: true };
if (measures) console.log(`\n${coverage.text}`);
// Without a failed test to show for it, an unhappy tap still fails the run; --bail is the one that ends early.
const died = failures.length === 0 && (code !== 0 || !complete);
if (died)
  console.log(
    `\nFAILED tap itself: it ended with ${code}, its report ${complete ? 'complete' : 'cut short'}`,
  );
if (!coverage.ok) console.log('FAILED coverage is under its floor');
const failed = failures.length + (died ? 1 : 0) + (coverage.ok ? 0 : 1);

console.log(`\n${passed} passed, ${failed} failed, ${skips.length} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
