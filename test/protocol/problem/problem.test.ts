import t from 'tap';
import {
  codes,
  detailOf,
  Failure,
  hintOf,
  logFields,
  printProblem,
  printWhere,
  problemOf,
  retryOf,
} from '../../../protocol/problem/problem.ts';

t.test('every code has a hint that is a sentence', async (t) => {
  for (const [code, { hint, retry }] of Object.entries(codes)) {
    t.match(hint, /^[A-Z].*[.a-z]$/s, code);
    t.ok(['soon', 'changed'].includes(retry), code);
  }
});

t.test('a command for containerd in a hint has its counterpart for CRI-O', async (t) => {
  for (const [code, { hint }] of Object.entries(codes))
    if (/containerd/.test(hint)) t.match(hint, /CRI-O/, code);
});

t.test('a problem is printed with a place that editors understand', async (t) => {
  t.equal(printWhere({ file: '/a' }), '/a');
  t.equal(printWhere({ file: '/a', line: 3 }), '/a:3');
  t.equal(printWhere({ file: '/a', line: 3, column: 7 }), '/a:3:7');
  t.equal(printWhere({ file: '/a', column: 7 }), '/a', 'a column without a line says nothing');
  t.equal(printProblem({ code: 'bad-toml', message: 'odd' }), 'odd');
  t.equal(printProblem({ code: 'bad-toml', message: 'odd', where: { file: '/a', line: 1 } }), '/a:1: odd');
});

t.test('a problem is one line without control characters, whatever it quotes', async (t) => {
  const message = 'it said "\u001b[31mred\r\nREADY=1\u2028\u009b"';
  t.equal(printProblem({ code: 'internal', message }), 'it said " [31mred READY=1 "');
});

t.test('the hint of a problem takes precedence over that of its code', async (t) => {
  t.equal(hintOf({ code: 'unpinned', message: '' }), codes.unpinned.hint);
  t.equal(hintOf({ code: 'unpinned', message: '', hint: 'mine' }), 'mine');
  t.equal(retryOf({ code: 'disk-full', message: '' }), 'soon');
  t.equal(retryOf({ code: 'digest-mismatch', message: '' }), 'changed');
});

t.test('any thrown value becomes a problem', async (t) => {
  const problem = { code: 'disk-full', message: 'no space', where: { file: '/x' } } as const;
  const cause = new Error('ENOSPC');
  const failure = new Failure(problem, cause);
  t.equal(problemOf(failure), problem);
  t.match(failure, { name: 'Failure', message: '/x: no space', cause });
  t.notOk(Object.hasOwn(new Failure(problem), 'cause'));
  t.same(problemOf(new TypeError('x is undefined')), {
    code: 'internal',
    message: 'an unforeseen error (TypeError)',
    detail: 'x is undefined',
  });
  t.match(problemOf(Object.assign(new Error('EIO: read'), { code: 'EIO' })), {
    message: 'an unforeseen error (Error, EIO)',
  });
  t.same(problemOf('text'), { code: 'internal', message: 'an unforeseen error', detail: 'text' });
});

t.test('the log has the detail of a problem, on one line; a combined one has all details', async (t) => {
  const problem = {
    code: 'not-ready',
    message: 'odd',
    handler: 'spin',
    detail: 'a\nhttps://u:p@h',
  } as const;
  t.same(logFields(problem), { code: 'not-ready', handler: 'spin', detail: 'a https://h' });
  t.same(logFields({ code: 'not-ready', message: 'odd' }), { code: 'not-ready' });
  t.same(detailOf({ detail: 'a' }, {}, { detail: 'b' }, { detail: 'a' }), { detail: 'a / b' });
  t.same(detailOf({ detail: '' }, {}), {});
});
