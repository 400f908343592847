import t from 'tap';
import { oncePerText } from '../../daemon/toml/once-per-text.ts';
import { parseToml } from '../../daemon/toml/toml.ts';

t.test('what is made of a text is made once, and nothing can change it', async (t) => {
  const made: string[] = [];
  const read = oncePerText<{ readonly of: { at: number } }>();
  const ask = (text: string) =>
    read(text, () => {
      made.push(text);
      return { of: { at: made.length } };
    });
  t.equal(ask('a'), ask('a'));
  t.not(ask('b'), ask('a'));
  t.strictSame(made, ['a', 'b']);
  t.throws(() => {
    ask('a').of.at = 7;
  }, /read only/);
});

t.test('a text that cannot be read is read again, and said with the file of that time', async (t) => {
  for (const file of ['/etc/one.toml', '/etc/other.toml'])
    t.throws(() => parseToml('a = ', file), new RegExp(file));
});

t.test('that nothing can be made of a text is kept as well, and makes no other one forgotten', async (t) => {
  let made = 0;
  const read = oncePerText<number | undefined>();
  const none = (text: string) =>
    read(text, () => {
      made += 1;
      return undefined;
    });
  const first = read('first', () => 1);
  for (let at = 0; at < 20; at += 1) none('z'.repeat(30_000));
  t.equal(made, 1);
  t.equal(
    read('first', () => 2),
    first,
  );
});

t.test('long texts and many texts are not kept', async (t) => {
  let made = 0;
  const read = oncePerText<number>();
  const ask = (text: string) => read(text, () => ++made);
  const long = 'x'.repeat(100_000);
  ask(long);
  ask(long);
  t.equal(made, 2);
  for (let at = 0; at < 20; at += 1) ask(`${at} ${'y'.repeat(30_000)}`);
  const before = made;
  ask(`19 ${'y'.repeat(30_000)}`);
  t.equal(made, before, 'the last one is known');
  ask(`0 ${'y'.repeat(30_000)}`);
  t.equal(made, before + 1, 'the first one was forgotten');
});
