import t from 'tap';
import { json } from '../../cli/output.ts';

t.test('JSON output is valid, without credentials in addresses', async (t) => {
  const written = t.capture(process.stdout, 'write');
  const value = { a: 'https:\n@host', b: ['https://u:hunter2@h/p?hunter2'], c: 2n ** 60n };
  json(value);
  const [call] = written();
  t.same(JSON.parse(String(call?.args[0])), { a: value.a, b: ['https://h/p?…'], c: `${value.c}` });
});
