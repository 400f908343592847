/** Calls the stand-ins for supervisors on a folder, and compares what they write with what is kept in test/fixtures/distros/. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TomlTable } from 'smol-toml';
import t, { type Test } from 'tap';
import { provideSupervisor } from '../../../testbed/distros/supervisor.ts';
import { attempt, type Said } from '../../../testbed/machine/command.ts';

const writes = process.env.TAP_SNAPSHOT === '1';
const fixtures = join(import.meta.dirname, '../../fixtures/distros');

export const skip =
  (await attempt(['go', 'version'])).code === 127 &&
  'the stand-ins are built from source, and there is no go';

export const supervisor = skip === false ? await provideSupervisor((line) => t.comment(line)) : '';

export const text = (name: string): string => readFileSync(join(fixtures, `${name}.toml`), 'utf8');

export const compare = (t: Test, name: string, said: string): void => {
  if (writes) writeFileSync(join(fixtures, `${name}.toml`), said);
  t.equal(said, text(name), `test/fixtures/distros/${name}.toml`);
};

/** What begins with `#!` is executable. */
export const furnish = (root: string, files: Readonly<Record<string, string>>): void => {
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    if (content.startsWith('#!')) chmodSync(file, 0o755);
  }
};

/** With the folder called `name` in what it says. */
export const call = async (
  root: string,
  name: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Said> => {
  const { code, stdout, stderr } = await attempt([supervisor, ...argv], { cleanEnv: true, env });
  return { code, stdout: stdout.replaceAll(root, name), stderr: stderr.replaceAll(root, name) };
};

export const at = (table: unknown, ...path: readonly string[]): unknown =>
  path.reduce((value, key) => (value as TomlTable | undefined)?.[key], table);

export const handlersOf = (table: TomlTable, plugin = 'io.containerd.cri.v1.runtime'): readonly string[] =>
  Object.keys((at(table, 'plugins', plugin, 'containerd', 'runtimes') ?? {}) as TomlTable);
