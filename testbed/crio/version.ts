/** The version that this stands in for, in the three shapes in which CRI-O tells it. */

export const version = '1.36.3';

const facts: readonly (readonly [key: string, value: string])[] = [
  ['GitCommit', 'stand-in'],
  ['GitCommitDate', '1970-01-01T00:00:00Z'],
  ['GitTreeState', 'clean'],
  ['GoVersion', 'none'],
  ['Compiler', 'none'],
  ['Platform', 'linux/amd64'],
  ['Linkmode', 'dynamic'],
  ['BuildTags', '\n  stand_in'],
  ['LDFlags', ''],
  ['SeccompEnabled', 'true'],
  ['AppArmorEnabled', 'false'],
];

const lines = (rows: readonly (readonly [string, string])[], indent: string): string =>
  rows.map(([key, value]) => `${indent}${`${key}:`.padEnd(15)} ${value}\n`).join('');

/** `crio --version`, which reads no configuration. */
export const shortVersion = `crio version ${version}\n${lines(facts, '   ')}`;

export const longVersion = lines([['Version', version], ...facts], '');

const camel = (key: string): string => key.charAt(0).toLowerCase() + key.slice(1);

export const jsonVersion = `${JSON.stringify(
  Object.fromEntries([['version', version], ...facts.map(([key, value]) => [camel(key), value])]),
  null,
  2,
)}\n`;
