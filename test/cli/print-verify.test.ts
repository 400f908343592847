import t from 'tap';
import { paintFor } from '../../cli/print.ts';
import { printVerified, verifiedCode } from '../../cli/print-verify.ts';

const started = { kind: 'started' } as const;
const listed = { kind: 'listed', why: 'no image' } as const;
const failed = {
  kind: 'failed',
  problem: { code: 'not-started', message: 'a sandbox with it does not start', detail: 'exec format error' },
} as const;

t.test('each handler has its line, with the message of the runtime below', async (t) => {
  const text = printVerified({ a: started, b: listed, c: failed }, paintFor(false, undefined));
  t.match(
    text,
    /a: a sandbox starts with it\n.*b: listed by CRI, not started: no image\n.*does not start \(not-started\)\n.*exec format error/s,
  );
  t.match(printVerified({}, paintFor(false, undefined)), /no handler/);
});

t.test('the exit code says whether all started, one failed, or one could not be tried', async (t) => {
  t.equal(verifiedCode({ a: started }), 0);
  t.equal(verifiedCode({}), 0);
  t.equal(verifiedCode({ a: started, b: listed }), 4);
  t.equal(verifiedCode({ a: listed, b: failed }), 1);
});
