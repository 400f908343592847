/**
 * Files that a distribution renders, also from our text: what they say without us. Such a file may have lost our markers and all
 * comments, so our tables in it are found by their meaning.
 */
import { Failure, recover } from '../../../../protocol/problem/problem.ts';
import { fileFault } from '../../../toml/file-fault.ts';
import { tableAt } from '../../../toml/compare.ts';
import { findBlock } from '../../../toml/splice.ts';
import type { Parsed } from '../../parsed.ts';
import type { Site } from '../way.ts';
import { readText, withoutTables } from '../wiring-bare.ts';
import { markerLine, withoutMarked } from './template-text.ts';

/** An action such as `{{ end -}}` takes a line break away, and one marker is no line of its own any more: then both say nothing. */
export const bareOf = ({ path, text, doc }: Parsed): Parsed => {
  const read = { text: findBlock(text) ? text : text.replaceAll(markerLine, ''), doc };
  return { path, ...withoutTables(read, path, true) };
};

export type Rendered = {
  readonly base: Parsed;
  /** Absent: the runtime does not start with it, because of our block. */
  readonly now?: Parsed;
};

/** The main file, with and without us. Throws the Failure for one that is missing, or that has a fault without us. */
export const renderedMain = ({ runtime }: Site): Rendered => {
  const path = runtime.configPath;
  const file = runtime.config.find((one) => one.path === path);
  if (!file || file.fact.kind === 'absent')
    throw new Failure({
      code: 'no-runtime',
      message: 'the distribution renders this file when it starts, and there is none yet',
      where: { file: path },
      hint: 'Start it once; after that, its drop-ins and templates can be checked before they are written.',
    });
  if (file.fact.kind !== 'regular')
    throw new Failure({ code: 'broken-config', ...fileFault(file.fact), where: { file: path } });
  const { text } = file.fact;
  if (file.doc) {
    const now = { path, text, doc: file.doc };
    return { base: bareOf(now), now };
  }
  const fault = new Failure(file.fault ?? { code: 'internal', message: `${path} was not looked at` });
  // Rendering that only concatenates texts defines a table twice where the distribution has it by now, too.
  const bare = recover(
    () => withoutMarked(text, path),
    () => text,
  );
  if (bare === text) throw fault;
  return recover(
    () => ({ base: { path, ...readText(bare, path) } }),
    () => {
      throw fault;
    },
  );
};

/** The way out where the distribution made a handler of a program that it found: k3s and RKE2 search the PATH of their unit. */
export const hintOfFound = ({ doc }: Parsed, place: readonly string[], name: string): string | undefined => {
  const type = tableAt(doc, [...place, name])?.runtime_type;
  const version = typeof type === 'string' ? /^io\.containerd\.([\w-]+)\.(v\d+)$/.exec(type) : null;
  if (version?.[1] !== name) return undefined;
  return `Where no template defines it, the distribution found containerd-shim-${name}-${version[2]} in the PATH of its unit: remove that program, and restart the unit when the node can bear it. Or give the shim another handler name.`;
};

/** Not for a template that we alone changed: what comes of that is known. */
export const refuseUnrendered = ({ runtime, files, ledger }: Site): void => {
  const { unrendered: path, configPath } = runtime;
  if (path === undefined) return;
  const fact = files[path];
  if (fact?.kind === 'regular' && fact.digest === ledger.files[path]?.digest) return;
  throw new Failure({
    code: 'unrendered-template',
    message: `the template was changed after ${configPath} was rendered, so what the next start renders is not known`,
    where: { file: path },
  });
};
