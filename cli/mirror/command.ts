/** `rcm-node shim mirror` as a person and a script see it: files in, lines of progress, what the nodes need at the end. */
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { exitCodes } from '../../daemon/model/outcome.ts';
import { errnoOf } from '../../host/files/hashing-writer.ts';
import { Failure, hintLead, hintOf } from '../../protocol/problem/problem.ts';
import { maskUrls } from '../../protocol/problem/mask.ts';
import type { Command } from '../arguments.ts';
import { shimMirrorDocument } from '../documents.ts';
import { json, out } from '../output.ts';
import { failedLine, type Mirrored, mirror } from './mirror.ts';
import type { Text } from './needed.ts';

const read = async (name: string): Promise<Text> => {
  if (name === '-') return { name: '(standard input)', text: await textOf(process.stdin) };
  try {
    return { name, text: await readFile(name, 'utf8') };
  } catch (error) {
    const errno = errnoOf(error);
    const message = errno === 'ENOENT' ? 'there is no such file' : `it cannot be read: ${errno}`;
    throw new Failure(
      {
        code: 'unreadable-source',
        message,
        where: { file: name },
        hint: 'Name files of shims.d or Shims in YAML that you can read, or - for standard input.',
      },
      error,
    );
  }
};

const say = (line: string): void => void process.stderr.write(maskUrls(`${line}\n`));

export const printMirrored = ({ to, lock, copied, mirrors }: Mirrored): string => {
  const count = (did: string): number => copied.filter((one) => one.did === did).length;
  const counts = (['copied', 'unchanged', 'left', 'failed'] as const)
    .filter((did) => count(did) > 0)
    .map((did) => `${count(did)} ${did}`);
  const failed = copied.flatMap(({ location, problem }) =>
    problem ? [`${failedLine(location, problem)} (${problem.code})`, `  ${hintLead}${hintOf(problem)}`] : [],
  );
  const loose = copied.flatMap(({ location, entry }) =>
    entry && !entry.pinned
      ? [`${location} has no digest in its Shim; to pin it: sha256 = "${entry.sha256}"`]
      : [],
  );
  const tables = mirrors.flatMap(({ prefix, replace }) => [
    '[[mirrors]]',
    `prefix = "${prefix}"`,
    `replace = "${replace}"`,
    '',
  ]);
  return [
    `${counts.join(', ')}; ${lock} says where everything lies.`,
    ...failed,
    ...loose,
    ...(tables.length > 0
      ? [
          '',
          `For /etc/rcm-node/config.toml of nodes${to.startsWith('oci:') ? '' : ' that have the folder at this place'}:`,
          '',
          ...tables,
        ]
      : []),
  ].join('\n');
};

export const mirrorCommand = async ({
  operands = [],
  mirror: given = {},
  json: asJson,
}: Command): Promise<number | string> => {
  const { to, credentials } = given;
  if (to === undefined) return '"shim mirror" needs --to DIR or --to oci://HOST/NAME';
  const texts: Text[] = [];
  for (const name of operands) texts.push(await read(name));
  const done = await mirror({
    to,
    texts,
    env: process.env,
    say,
    ...(credentials === undefined ? {} : { credentials }),
  });
  const code = done.copied.some(({ did }) => did === 'failed') ? exitCodes.failed : exitCodes.settled;
  if (asJson) json(shimMirrorDocument(code, done));
  else out(`${printMirrored(done).trimEnd()}\n`);
  return code;
};
