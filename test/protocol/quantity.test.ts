import t from 'tap';
import { isSameQuantity } from '../../protocol/quantity.ts';

t.test('one amount in two forms is equal', async (t) => {
  for (const [a, b] of [
    ['0.5', '500m'],
    ['.5', '0.500'],
    ['5.', '5'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['1e3', '1k'],
    ['1E3', '1000'],
    ['1E', '1000P'],
    ['12e-1', '1200m'],
    ['0', '0Ki'],
    ['007', '7'],
    ['1000000n', '1m'],
    ['1u', '1000n'],
    // The API server rounds up to the ninth digit, and has an end.
    ['0.0000000001', '1n'],
    ['16Ei', '9223372036854775807'],
    ['99E', '9223372036854775807'],
  ] as const)
    t.ok(isSameQuantity(a, b), `${a} ${b}`);
});

t.test('other amounts differ, and text that is no quantity equals only itself', async (t) => {
  for (const [a, b] of [
    ['1', '1m'],
    ['1M', '1Mi'],
    ['1k', '1Ki'],
    ['64Mi', '64MiB'],
    ['', '0'],
    ['.', '0'],
    ['-1', '1'],
    ['1e999', '1e998'],
    ['K', 'k'],
    ['1K', '1k'],
    ['undefined', '0'],
  ] as const)
    t.notOk(isSameQuantity(a, b), `${a} ${b}`);
  for (const one of ['', 'x', '-1', '64MiB']) t.ok(isSameQuantity(one, one));
});
