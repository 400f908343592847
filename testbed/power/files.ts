/**
 * What must be true of the files of a disk whenever the power fails, before anything runs from it: no file is half, none of others is lost,
 * and what a link of ours leads to is whole. No boot can repair what this would find.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseJournal } from '../../daemon/model/journal.ts';
import { parseLedger } from '../../daemon/model/ledger.ts';
import { manifestName, parseManifest } from '../../daemon/reconcile/artifacts/store.ts';
import { isTemporary } from '../../host/files/hashing-writer.ts';
import { paths } from '../../protocol/host-paths.ts';

/** To be run in a root: a line for each file of the configuration of this machine. */
export const digests = 'find etc -xdev -type f -print0 | sort -z | xargs -0 sha256sum';

/** Digests, by what happened while nothing was cut. */
export type Known = {
  /** Before the change: no file of these may be lost. */
  readonly before: string;
  /** At any time: no file may have another content. */
  readonly all: readonly string[];
};

const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');
const pathIn = (line: string): string => line.slice(line.indexOf('  ') + 2);

const foreign = (known: Known, now: string): readonly string[] => {
  const allowed = new Set(known.all.flatMap(linesOf));
  const lines = linesOf(now);
  const there = new Set(lines.map(pathIn));
  return [
    ...lines
      .filter((line) => !allowed.has(line) && !isTemporary(basename(pathIn(line))))
      .map((line) => `${pathIn(line)} is no file that was written`),
    ...linesOf(known.before)
      .map(pathIn)
      .filter((path) => !there.has(path))
      .map((path) => `${path} is lost`),
  ];
};

const readIf = (path: string): string | undefined =>
  existsSync(path) ? readFileSync(path, 'utf8') : undefined;

const state = (root: string): readonly string[] =>
  (
    [
      [paths.ledger, parseLedger],
      [paths.journal, parseJournal],
      [
        paths.lastSettings,
        (text: string) => text === readIf(join(root, paths.settings)) || fail('other text'),
      ],
    ] as const
  ).flatMap(([path, parse]) => {
    const text = readIf(join(root, path));
    try {
      if (text !== undefined) parse(text, path);
      return [];
    } catch (error) {
      return [`${path} is half: ${String(error)}`];
    }
  });

const fail = (why: string): never => {
  throw new Error(why);
};

const namesIn = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : []);
const digestOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** A removed folder loses one file after the other, and has no half file at any time. */
const store = (root: string): readonly string[] =>
  namesIn(join(root, paths.store))
    .filter((key) => /^[0-9a-f]{64}$/.test(key))
    .flatMap((key) => {
      const folder = join(root, paths.store, key);
      const text = readIf(join(folder, manifestName));
      if (text === undefined) return [];
      const manifest = parseManifest(text);
      if (!manifest) return [`${paths.store}/${key}/${manifestName} is half`];
      return Object.entries(manifest.files)
        .filter(([name]) => existsSync(join(folder, name)))
        .filter(([name, { sha256 }]) => digestOf(join(folder, name)) !== sha256)
        .map(([name]) => `${paths.store}/${key}/${name} is half`);
    });

const links = (root: string): readonly string[] =>
  namesIn(join(root, paths.links)).flatMap((handler) =>
    namesIn(join(root, paths.links, handler)).flatMap((name) => {
      const target = readlinkSync(join(root, paths.links, handler, name));
      return existsSync(join(root, target)) ? [] : [`${paths.links}/${handler}/${name} leads to no file`];
    }),
  );

/** What is wrong. `now`: the output of `digests` in this root. */
export const wrongIn = (root: string, known: Known, now: string): readonly string[] => [
  ...foreign(known, now),
  ...state(root),
  ...store(root),
  ...links(root),
];
