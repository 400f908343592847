/**
 * Holds `crio config` of the stand-in to every recorded case: exit code, messages, order of reading, what it prints. Every stop:
 * 125 cases.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import t from 'tap';
import { programOf } from '../../../testbed/crio/cli.ts';
import { cases, placeFiles, type RecordedFile } from '../../../testbed/crio/record.ts';

type Said = { readonly code: number; readonly out: string; readonly error: string };

const crio = async (
  files: Readonly<Record<string, RecordedFile>>,
  argv: readonly string[],
): Promise<Said> => {
  const root = mkdtempSync(join(tmpdir(), 'rcm-crio-'));
  try {
    placeFiles(root, files);
    let [out, error] = ['', ''];
    const code = await programOf(argv, {
      root,
      path: undefined,
      environment: {},
      daemon: async () => {
        t.fail('no daemon is asked for');
      },
      out: (text) => {
        out += text;
      },
      error: (text) => {
        error += text;
      },
    });
    return { code, out, error };
  } finally {
    rmSync(root, { recursive: true });
  }
};

/** Printed behind the handlers' tables, so that a reader of TOML takes them for keys of the last one. */
const strays = new Set(['hostnetwork_disable_selinux', 'disable_hostport_mapping', 'timezone']);

const handlersOf = (printed: string): unknown => {
  if (printed === '') return {};
  const crio = parse(printed).crio as { runtime?: { runtimes?: Record<string, object> } } | undefined;
  return Object.fromEntries(
    Object.entries(crio?.runtime?.runtimes ?? {}).map(([name, table]) => [
      name,
      Object.fromEntries(Object.entries(table).filter(([key]) => !strays.has(key))),
    ]),
  );
};

const recorded = cases();
const usualBytes = recorded.find(({ name }) => name === 'absent')?.config.stdout_bytes ?? 0;

for (const { name, files, config } of recorded)
  t.test(`config: ${name}`, async (t) => {
    const { code, out, error } = await crio(files, ['config']);
    t.equal(code, config.code);
    t.same(
      error.split('\n').filter((line) => /level=(warning|error|fatal)/.test(line)),
      config.stderr,
    );
    t.same(
      [...error.matchAll(/drop-in file: ([^"]*)"/g)].map(([, path]) => path),
      config.read_in_order,
    );
    const handlers = handlersOf(out) as Record<string, unknown>;
    if (name === 'huge-1000-handlers') t.equal(Object.keys(handlers).length, 1001);
    else t.same(handlers, config.stdout_handlers);
    t.same(
      [...out.matchAll(/^# \[crio\.runtime\.runtimes\.([^\]]*)\]/gm)].map(([, found]) => found),
      config.stdout_handlers_commented,
    );
    t.equal(
      /^((?:# )?)default_runtime = "(.*)"/m.exec(out)?.slice(1).join('') ?? null,
      config.default_runtime,
    );
    // The explanations are left out, so that a size is one more, or less, than that of the defaults.
    const usual = (await crio({}, ['config'])).out;
    if (code === 0)
      t.equal(Buffer.byteLength(out) - Buffer.byteLength(usual), config.stdout_bytes - usualBytes);
  });
