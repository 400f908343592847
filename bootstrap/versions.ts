/** The order of versions, as https://semver.org has it, build metadata left aside. */

const parts = (version: string): { readonly numbers: readonly number[]; readonly suffix: string } => {
  const [, numbers = '', suffix = ''] = /^v?([\d.]*)(?:-([^+]*))?/.exec(version) ?? [];
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
