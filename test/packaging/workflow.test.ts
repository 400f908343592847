/** The workflow of a public CI, as far as it can be known without running it there. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..', '..');

type Job = {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
};

t.test('each workflow pins its actions, grants little, and runs what is there', async (t) => {
  const paths = globSync('.github/workflows/*.yaml', { cwd: root });
  t.ok(paths.length > 0);
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  for (const path of paths) {
    const workflow = parse(readFileSync(join(root, path), 'utf8')) as {
      readonly permissions: object;
      readonly jobs: Readonly<Record<string, Job>>;
    };
    t.same(workflow.permissions, { contents: 'read' }, 'a job asks for more by itself');
    for (const [name, { steps }] of Object.entries(workflow.jobs))
      for (const { uses, run = '' } of steps) {
        if (uses !== undefined) t.match(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/, `${name}: ${uses}`);
        // Text of a tag, a branch or a pull request in a script would be run.
        t.notMatch(run, /\$\{\{/, `${name}: values come by the environment`);
        for (const [, script = ''] of run.matchAll(/npm run ([\w:-]+)/g)) t.ok(script in scripts, script);
        for (const [file] of run.matchAll(/\.ci\/\w+/g)) t.ok(existsSync(join(root, file)), file);
      }
  }
});
