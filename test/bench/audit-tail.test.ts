import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { tailAudit } from '../../bench/cluster/audit-tail.ts';
import { version } from '../../protocol/version.ts';

const event = (given: object): string =>
  `${JSON.stringify({
    stage: 'ResponseComplete',
    verb: 'patch',
    requestURI: '/api/v1/nodes/a?fieldManager=x',
    user: { username: 'system:node:a' },
    userAgent: `rcm-node/${version}`,
    objectRef: { resource: 'nodes' },
    responseStatus: { code: 200 },
    requestReceivedTimestamp: '2027-01-15T08:00:00.000000Z',
    ...given,
  })}\n`;

t.test('the log is read while it grows, and an incomplete last line is kept for later', async (t) => {
  const file = join(t.testdir({}), 'audit.log');
  const line = event({});
  writeFileSync(file, line + line.slice(0, 50));
  const tail = tailAudit(file);
  t.teardown(tail.close);
  const [first, ...others] = tail.read();
  t.match(first, { what: 'PATCH nodes', ours: true, user: 'system:node:a', code: 200 });
  t.equal(others.length, 0);
  appendFileSync(file, line.slice(50));
  t.equal(tail.read().length, 2);
  t.equal(tail.read().length, 2);
});

t.test('a watch is one request, whether it was accepted or refused', async (t) => {
  const watch = { verb: 'watch', objectRef: { resource: 'shims' } };
  const file = join(t.testdir({}), 'audit.log');
  writeFileSync(
    file,
    [
      event({ ...watch, stage: 'ResponseStarted' }),
      event(watch),
      event({ ...watch, responseStatus: { code: 403 } }),
      event({ userAgent: 'kubelet/v1.36.3', objectRef: { resource: 'nodes', subresource: 'status' } }),
      event({ objectRef: undefined, verb: 'get', requestURI: '/apis/a/v1?timeout=1s' }),
    ].join(''),
  );
  const tail = tailAudit(file);
  t.teardown(tail.close);
  t.same(
    tail.read().map(({ what, ours, code }) => [what, ours, code]),
    [
      ['WATCH shims', true, 200],
      ['WATCH shims', true, 403],
      ['PATCH nodes/status', false, 200],
      ['GET /apis/a/v1', true, 200],
    ],
  );
});
