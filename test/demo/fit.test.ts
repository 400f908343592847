import t from 'tap';
import { asTyped, duration, fit, wrap } from '../../demo/fit.ts';

t.test('a line that is too long is cut, and says so', async (t) => {
  t.equal(fit('abcdef', 6), 'abcdef');
  t.equal(fit('abcdefg', 6), 'abcde…');
});

t.test('colours take no room and do not leak out of a cut line', async (t) => {
  t.equal(fit('\u001b[32mabc\u001b[39m', 3), '\u001b[32mabc\u001b[39m');
  t.equal(fit('\u001b[32mabcdef\u001b[39m', 4), '\u001b[32mabc\u001b[39m…\u001b[0m');
});

t.test('a sentence is broken between words, a long word has a line of its own', async (t) => {
  t.same(wrap('one two three', 7), ['one two', 'three']);
  t.same(wrap('a incomprehensible b', 5), ['a', 'incomprehensible', 'b']);
});

t.test('a command can be pasted into a shell', async (t) => {
  t.equal(asTyped(['ls', '/a b', 'x|y', "it's", '']), `ls '/a b' 'x|y' 'it'\\''s' ''`);
});

t.test('a duration has the unit a person would choose', async (t) => {
  t.equal(duration(117.4), '117 ms');
  t.equal(duration(4100), '4.1 s');
  t.equal(duration(72_000), '1 min 12 s');
});
