/**
 * Which files of an artifact are wanted, each of which its publisher gave a title: the program itself, the program and its libraries,
 * or the archive that has them. The title is text of others, and never becomes a path.
 */
import { anyShim, type Wanted, wantedNames } from '../choice.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { isBeside } from '../kind.ts';
import { quoted } from './layers.ts';

export type Titled = { readonly title: string; readonly path: string; readonly sha256: string };

/** `wanted`: what to take out of `file`. */
export type Choice = { readonly file: Titled; readonly wanted: Wanted };

const nameOf = ({ title }: Titled): string => title.slice(title.lastIndexOf('/') + 1);

/** In an archive a file of this name would be about another one; here it may be the archive. */
const unpacked = (name: string): string => name.replace(/\.(?:tgz|zip|tar|(?:tar\.)?(?:gz|xz|zstd?))$/i, '');

/** Throws `bad-archive` where no choice is the only one. The first is of the program. */
export const chooseTitled = (files: readonly Titled[], wanted: Wanted): readonly Choice[] => {
  const names = wantedNames(wanted);
  const [first, ...more] = files;
  if (first && more.length === 0) return [{ file: first, wanted }];
  const byName = names.map((name) => files.filter((file) => nameOf(file) === name));
  if (byName.every(({ length }) => length === 1))
    return byName.flatMap(([file], at) =>
      file ? [{ file, wanted: { kind: 'named', names: [names[at] ?? ''] } as const }] : [],
    );
  const serious = files.filter((file) => !isBeside(unpacked(nameOf(file))));
  const shims = wanted.kind === 'shim' ? serious.filter((file) => anyShim.test(nameOf(file))) : [];
  for (const pool of [shims, serious]) {
    const [only, ...others] = pool;
    if (only && others.length === 0) return [{ file: only, wanted }];
  }
  const list = files.slice(0, 10).map(({ title }) => quoted(title));
  throw new Failure({
    code: 'bad-archive',
    message: `the artifact has ${files.length} files, and it is not clear which has ${names.map(quoted).join(', ')}: ${list.join(', ')}`,
    hint: `Push what is wanted under its name: oras push REFERENCE ${names.join(' ')}`,
  });
};
