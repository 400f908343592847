/**
 * Whether two quantities of Kubernetes are one amount: an API server gives 0.5 back as 500m and 1024Mi as 1Gi, and what is
 * compared as text would be written at each look. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */

const form =
  /^(?=\.?\d)(?<whole>\d{0,32})(?:\.(?<part>\d{0,32}))?(?<unit>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,2})?$/;

const decimal: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const binary: readonly string[] = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** The API server keeps no more, and no finer. */
const most = (2n ** 63n - 1n) * 10n ** 9n;

/** Billionths, rounded up; undefined for what is no quantity, or a negative one. */
const billionths = (text: string): bigint | undefined => {
  const groups = form.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const { whole = '', part = '', unit = '' } = groups;
  const power = /^[eE][+-]?\d/.test(unit) ? Number(unit.slice(1)) : (decimal[unit] ?? 0);
  const factor = 1024n ** BigInt(binary.indexOf(unit) + 1);
  const exponent = power + 9 - part.length;
  const amount = BigInt(`${whole}${part}`) * factor * 10n ** BigInt(Math.max(exponent, 0));
  const divisor = 10n ** BigInt(Math.max(-exponent, 0));
  const rounded = (amount + divisor - 1n) / divisor;
  return rounded < most ? rounded : most;
};

/** What is no quantity is equal to itself alone. */
export const isSameQuantity = (a: string, b: string): boolean => {
  const amount = billionths(a);
  return a === b || (amount !== undefined && amount === billionths(b));
};
