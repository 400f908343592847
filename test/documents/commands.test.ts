/**
 * The commands in the documents. A block of `sh` is run here, from the root of the project; `root` behind it says that it
 * needs root, `exit=N` with which code it ends. A block of `console` needs a node, a cluster, a registry or much time: it
 * is counted, and what can be known of its commands without running them is checked.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import t from 'tap';
import { parseCommand } from '../../cli/arguments.ts';
import { blocksOf, commandsOf, inlineCodeOf, present, proseOf, root, textOf } from './documents.ts';

const blocks = present.flatMap(blocksOf);
const of = (language: string) => blocks.filter((block) => block.language === language);

t.test('each block has one of these languages, and no command is indented in its place', async (t) => {
  const languages = ['sh', 'console', 'yaml', 'toml', 'json', 'ts', 'text'];
  for (const { at, language } of blocks) t.ok(languages.includes(language), `${at}: ${language}`);
  for (const document of present) t.notMatch(proseOf(document), /\n\n {4}\S/, document);
});

t.test('each block of sh runs and ends with its exit code', async (t) => {
  const bin = t.testdir({ tmp: {} });
  const program = `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'cli/main.ts')}' "$@"\n`;
  writeFileSync(join(bin, 'rcm-node'), program, { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    TMPDIR: join(bin, 'tmp'),
  };
  const hasKubectl = spawnSync('kubectl', ['version', '--client']).error === undefined;
  for (const { at, marks, body } of of('sh')) {
    const skip =
      marks.includes('root') && process.getuid?.() !== 0
        ? 'needs root'
        : /\bkubectl\b/.test(body) && !hasKubectl && 'kubectl is not installed';
    await t.test(at, { skip }, async (t) => {
      const wanted = marks.find((mark) => mark.startsWith('exit='))?.slice('exit='.length) ?? '0';
      const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', body], {
        cwd: root,
        env,
        encoding: 'utf8',
      });
      t.equal(String(status), wanted, `${stdout}${stderr}`.slice(-2000));
    });
  }
});

const scripts = Object.keys((JSON.parse(textOf('package.json')) as { scripts: object }).scripts);

/** What is wrong with a line that is not run: files, scripts and options that there are not. */
const faultsOf = (line: string): readonly string[] => [
  ...[...line.matchAll(/ -k (bootstrap\S*)/g)]
    .filter(([, folder = '']) => !existsSync(join(root, folder, 'kustomization.yaml')))
    .map(([, folder]) => `no kustomization in ${folder}`),
  ...[...line.matchAll(/(?: -f |npx node )([\w-]+\/[\w./-]+)/g)]
    .filter(([, file = '']) => !existsSync(join(root, file)))
    .map(([, file]) => `${file} is not there`),
  ...[...line.matchAll(/npm run ([\w:-]+)/g)]
    .filter(([, script = '']) => !scripts.includes(script))
    .map(([, script]) => `package.json has no script ${script}`),
  ...[...line.matchAll(/^(?:sudo )?rcm-node ([^|;&>]+)/g)].flatMap(([, words = '']) => {
    const argv = words
      .replace(/\[[^\]]+\]/g, '')
      .replace('COMMAND', 'plan')
      .trim()
      .split(/\s+/);
    const parsed = parseCommand(argv);
    return parsed.kind === 'usage' ? [`rcm-node ${argv.join(' ')}: ${parsed.message}`] : [];
  }),
];

t.test('a block of console names existing scripts, files and options', async (t) => {
  const lines = of('console').flatMap((block) => {
    const commands = commandsOf(block);
    t.ok(commands.length > 0, `${block.at}: each command stands behind $ or #`);
    return commands.map((line) => [block.at, line] as const);
  });
  for (const [at, line] of lines) t.same(faultsOf(line), [], `${at}: ${line}`);
  for (const document of present)
    for (const code of inlineCodeOf(document)) t.same(faultsOf(code), [], `${document}: ${code}`);
  t.comment(
    `${of('sh').length} blocks are run; ${of('console').length} with ${lines.length} commands are not`,
  );
  t.ok(of('sh').length >= 2);
  t.same(faultsOf('rcm-node plan --rot x').length, 1);
  t.same(faultsOf('npm run demmo').length, 1);
  t.same(faultsOf('kubectl apply -k bootstrap/nods/').length, 1);
  t.same(faultsOf('kubectl apply -f bootstrap/samples/no.yaml').length, 1);
});
