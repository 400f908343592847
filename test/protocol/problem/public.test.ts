import t from 'tap';
import { codes, hintOf } from '../../../protocol/problem/problem.ts';
import { publicJson } from '../../../protocol/problem/public.ts';

t.test('of a problem, every user reads our message and where root finds the rest', async (t) => {
  const problem = {
    code: 'broken-config',
    message: 'odd',
    detail: 'hunter2',
    where: { file: '/a' },
  } as const;
  const text = publicJson({
    a: [{ problem }, { deep: { for: [problem] } }],
    detail: 'a field of another kind',
  });
  t.notMatch(text, 'hunter2');
  const { hint, ...shown } = JSON.parse(text).a[0].problem;
  t.same(shown, { code: 'broken-config', message: 'odd', where: { file: '/a' } });
  t.equal(
    hint,
    `${codes['broken-config'].hint} What was printed: rcm-node doctor, or journalctl -u rcm-node, as root.`,
  );
  t.equal(JSON.parse(text).detail, 'a field of another kind');
  const plain = { code: 'unpinned', message: 'odd', hint: 'mine' } as const;
  t.same(JSON.parse(publicJson(plain)), plain);
  t.equal(
    hintOf(JSON.parse(publicJson({ ...plain, detail: 'x' }))).startsWith('mine What was printed'),
    true,
  );
});

t.test('no address in it has credentials', async (t) => {
  const text = publicJson({ server: 'https://u:hunter2@h', notes: [{ message: 'see https://h/a?hunter2' }] });
  t.same(JSON.parse(text), { server: 'https://h', notes: [{ message: 'see https://h/a?…' }] });
});

t.test('a text that is no address stays JSON, whatever it contains', async (t) => {
  for (const message of ['https:\n@host', 'https:\u0001a@b', 'https:\\\n@h', 'x://\t"a@b"', '"https:\\'])
    t.equal(typeof JSON.parse(publicJson({ notes: [{ message }] })).notes[0].message, 'string');
  t.same(JSON.parse(publicJson({ message: 'https:\n@host' })), { message: 'https:\n@host' });
});
