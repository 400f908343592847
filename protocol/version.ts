/**
 * The version of this program; the bundle has it baked in from package.json. And the order of versions, as https://semver.org has it,
 * build metadata left aside, with how far two releases are apart.
 */
declare const RCM_NODE_VERSION: string | undefined;

export const version: string = typeof RCM_NODE_VERSION === 'string' ? RCM_NODE_VERSION : '0.0.0-source';

const parts = (text: string): { readonly numbers: readonly number[]; readonly suffix: string } => {
  const [, numbers = '', suffix = ''] = /^v?([\d.]*)(?:-([^+]*))?/.exec(text) ?? [];
  return { numbers: numbers.split('.').map(Number), suffix };
};

const compareSuffix = (one: string, other: string): number => {
  const [left, right] = [one.split('.'), other.split('.')];
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const [a, b] = [left[i], right[i]];
    if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
    const numeric = /^\d+$/.test(a) && /^\d+$/.test(b);
    if (a !== b) return (numeric ? Number(a) < Number(b) : a < b) ? -1 : 1;
  }
  return 0;
};

export const isOlder = (one: string, than: string): boolean => {
  const [left, right] = [parts(one), parts(than)];
  for (let i = 0; i < 3; i += 1) {
    const difference = (left.numbers[i] ?? 0) - (right.numbers[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  // 1.0.0-rc.1 comes before 1.0.0.
  if (left.suffix === '' || right.suffix === '') return left.suffix !== '' && right.suffix === '';
  return compareSuffix(left.suffix, right.suffix) < 0;
};

/** `older` and `newer` are one minor version apart, which is supported; `too-old` and `too-new` more. */
export const skews = ['older', 'newer', 'too-old', 'too-new'] as const;
export type Skew = (typeof skews)[number];

/** What is supported between the controller and a node, and between the state on a node and its program. */
const mostMinors = 1;

const release = /^v?(\d{1,6})\.(\d{1,6})\.\d{1,6}([-+]|$)/;
/** What a program that runs from its sources says. */
const unreleased = /^0\.0\.0([-+]|$)/;

/** Of `theirs`, seen from `ours`. Undefined for two of one minor version, and where one of them is no release. */
export const skewOf = (theirs: string, ours: string): Skew | undefined => {
  const [one, other] = [theirs, ours].map((text) => (unreleased.test(text) ? null : release.exec(text)));
  if (!one || !other) return undefined;
  const minors = Number(one[2]) - Number(other[2]);
  if (one[1] !== other[1]) return Number(one[1]) < Number(other[1]) ? 'too-old' : 'too-new';
  if (minors === 0) return undefined;
  const isFar = Math.abs(minors) > mostMinors;
  return minors < 0 ? (isFar ? 'too-old' : 'older') : isFar ? 'too-new' : 'newer';
};
