import t from 'tap';
import { pairs, tableOf, wrap } from '../../cli/layout.ts';

t.test('a line breaks between words, and what follows is indented', async (t) => {
  t.equal(wrap('short', 10), 'short');
  t.equal(wrap('one two three four', 10, 2), 'one two\n  three\n  four');
  t.equal(wrap('  one two three', 10, 4), '  one two\n    three', 'blanks before it stay');
});

t.test('no path is broken, and colours take no room', async (t) => {
  const path = '/etc/rcm-node/shims.d/a-very-long-name-of-a-shim.toml';
  t.match(wrap(`see ${path} for more`, 20).split('\n'), ['see', path, 'for more']);
  t.equal(wrap('\u001b[32mgood\u001b[39m and', 8), '\u001b[32mgood\u001b[39m and');
});

t.test('names and what they mean are two columns, or one where there is no room', async (t) => {
  const rows = [
    ['a', 'first of them all'],
    ['long-name', 'second'],
  ] as const;
  t.equal(pairs(rows, 80), '  a          first of them all\n  long-name  second');
  t.equal(pairs(rows, 30), '  a\n      first of them all\n  long-name\n      second');
});

t.test('a table that has no room is a list', async (t) => {
  const heading = ['NAME', 'STATE', 'FROM'];
  const rows = [
    ['spin', 'served', '/etc/rcm-node/shims.d/spin.toml'],
    ['x', 'failed', '-'],
  ];
  t.same(tableOf(heading, rows, 80), [
    '  NAME  STATE   FROM',
    '  spin  served  /etc/rcm-node/shims.d/spin.toml',
    '  x     failed  -',
  ]);
  t.same(tableOf(heading, rows, 40), [
    '  spin  served',
    '    /etc/rcm-node/shims.d/spin.toml',
    '  x  failed',
  ]);
});
