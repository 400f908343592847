import t from 'tap';
import { type Level, makeLog, silent } from '../../host/log.ts';

const collect = (journal: boolean, level: Level) => {
  const lines: string[] = [];
  return { lines, log: makeLog({ journal, level, write: (line) => lines.push(line) }) };
};

t.test('for the journal a line is a priority and one JSON object without a time', async (t) => {
  const { lines, log } = collect(true, 'debug');
  for (const level of ['debug', 'info', 'warn', 'error'] as const)
    log(level, 'it is so', { handler: 'spin' });
  t.same(
    lines,
    (
      [
        [7, 'debug'],
        [6, 'info'],
        [4, 'warn'],
        [3, 'error'],
      ] as const
    ).map(([priority, level]) => `<${priority}>{"level":"${level}","handler":"spin","message":"it is so"}\n`),
  );
});

t.test('elsewhere it has a time and no priority', async (t) => {
  const { lines, log } = collect(false, 'info');
  log('warn', 'x');
  t.match(JSON.parse(lines[0] ?? ''), { level: 'warn', message: 'x', time: /^\d{4}-\d\d-\d\dT/ });
});

t.test('lines below the level are not written', async (t) => {
  const { lines, log } = collect(true, 'warn');
  log('debug', 'x');
  log('info', 'x');
  t.same(lines, []);
  silent('error', 'x');
});

t.test('nothing in a message makes a second line or another priority', async (t) => {
  const { lines, log } = collect(true, 'info');
  log('info', 'a\n<0>{"level":"error"}', { text: 'b\nc', big: 9007199254740993n });
  t.equal(lines.length, 1);
  t.match(lines[0], /^<6>\{[^\n]*\}\n$/);
  t.match(JSON.parse((lines[0] ?? '').slice(3)), { message: 'a\n<0>{"level":"error"}', text: 'b\nc' });
});
