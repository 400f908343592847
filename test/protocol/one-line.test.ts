import t from 'tap';
import { oneLine } from '../../protocol/one-line.ts';

t.test('text of another program becomes one line without control characters, and is cut', async (t) => {
  t.equal(oneLine(' a\r\n\tb\u2028c\u0000d '), 'a b c d');
  t.equal(oneLine('\u001b[31mred\u001b[0m'), 'red');
  t.equal(oneLine('\ud800'), '\ufffd');
  t.equal(oneLine('x'.repeat(301)), `${'x'.repeat(299)}…`);
  t.equal(oneLine('x'.repeat(300)).length, 300);
  t.equal(oneLine('abc', 2), 'a…');
});
