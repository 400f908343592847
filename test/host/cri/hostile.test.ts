import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { connectCri, endOfCall } from '../../../host/cri/cri.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { message, replies } from '../../../testbed/simulated/scripted-cri.ts';

/** An HTTP/2 server that keeps to no rule of gRPC. */
const answering = async (t: Test, answer: (stream: ServerHttp2Stream) => void, deadlineMs = 10_000) => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-cri-'));
  const socket = join(folder, 'containerd.sock');
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    answer(stream);
  });
  await new Promise<void>((done) => server.listen(socket, done));
  const cri = connectCri(socket, { deadlineMs });
  t.teardown(() => {
    cri.close();
    for (const session of sessions) session.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return cri;
};

const headers = { ':status': 200, 'content-type': 'application/grpc' };
const version = replies.version('containerd', 'v2.1.9');

const framed = (body: Buffer, flag = 0, length = body.length): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, body]);
};

/** A body and, at its end, trailers. */
const reply =
  (body: Buffer, trailers: Readonly<Record<string, string>>) =>
  (stream: ServerHttp2Stream): void => {
    stream.respond(headers, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(body);
  };

const fine = { 'grpc-status': '0' };

t.test('what is not one whole answer is none', async (t) => {
  for (const [what, answer, end, says] of [
    ['no message', reply(Buffer.alloc(0), fine), 'refused', /refused Version \(INTERNAL\)/],
    ['half a message', reply(framed(version, 0, version.length + 1), fine), 'refused', /refused Version/],
    ['half a prefix', reply(Buffer.from([0, 0]), fine), 'refused', /refused Version/],
    ['two messages', reply(Buffer.concat([framed(version), framed(version)]), fine), 'refused', /refused/],
    ['a compressed message', reply(framed(version, 1), fine), 'refused', /refused Version/],
    ['a message that is none', reply(framed(Buffer.from([0x0a, 0x7f])), fine), 'refused', /refused Version/],
    ['no status', reply(framed(version), {}), 'refused', /refused Version \(UNKNOWN\)/],
    [
      'a status that is no number',
      reply(framed(version), { 'grpc-status': '0x0' }),
      'refused',
      /\(UNKNOWN\)/,
    ],
    [
      'a status that does not exist',
      reply(framed(version), { 'grpc-status': '99' }),
      'refused',
      /\(UNKNOWN\)/,
    ],
    [
      'another HTTP status',
      (stream) => stream.respond({ ':status': 404 }, { endStream: true }),
      'refused',
      /UNKNOWN/,
    ],
    ['a stream that is reset', (stream) => stream.close(2), 'refused', /\(INTERNAL\)/],
    ['a stream that is refused', (stream) => stream.close(7), 'silent', /failed during Version/],
    ['a lost connection', (stream) => stream.session?.destroy(), 'silent', /failed during Version/],
    [
      'a connection that is lost in the middle of an answer',
      (stream) => {
        stream.respond(headers);
        stream.write(framed(version).subarray(0, 9), () => stream.session?.destroy());
      },
      'silent',
      /failed during Version/,
    ],
  ] as const satisfies readonly (readonly [string, (stream: ServerHttp2Stream) => void, string, RegExp])[])
    t.test(what, async (t) => {
      const cri = await answering(t, answer);
      const error: unknown = await cri.version().catch((caught: unknown) => caught);
      t.match(problemOf(error), { code: 'runtime-unreachable', message: says });
      t.equal(endOfCall(error), end);
    });
});

t.test('the message of an error is decoded, also where it is badly encoded', async (t) => {
  for (const [sent, said] of [
    ['shim%20%C3%A4%0A gone', 'shim ä gone'],
    ['100% gone', '100% gone'],
  ] as const) {
    const cri = await answering(t, (stream) =>
      stream.respond({ ...headers, 'grpc-status': '2', 'grpc-message': sent }, { endStream: true }),
    );
    t.match(problemOf(await cri.version().catch((caught: unknown) => caught)), {
      message: /refused Version \(UNKNOWN\)$/,
      detail: said,
    });
  }
});

t.test('an answer without end is left at its limit, and the connection serves on', async (t) => {
  let endless = true;
  const block = framed(Buffer.alloc(1024 * 1024));
  const cri = await answering(t, (stream) => {
    if (!endless) return reply(framed(version), fine)(stream);
    stream.respond(headers);
    const more = (): void => {
      while (!stream.destroyed && stream.write(block));
      if (!stream.destroyed) stream.once('drain', more);
    };
    more();
  });
  const error: unknown = await cri.version().catch((caught: unknown) => caught);
  t.match(problemOf(error), { message: /the answer to Version on .* is too large/ });
  t.equal(endOfCall(error), 'silent');
  endless = false;
  t.match(await cri.version(), { name: 'containerd' });
});

t.test('an answer of a few megabytes with millions of empty messages is too large', async (t) => {
  const empty = Buffer.alloc(4_200_000, Buffer.from([0x0a, 0]));
  const cri = await answering(t, reply(framed(empty), fine));
  const error: unknown = await cri.sandboxes().catch((caught: unknown) => caught);
  t.match(problemOf(error), { message: /the answer to ListPodSandbox on .* is too large/ });
});

t.test('an answer by single bytes ends at the deadline', async (t) => {
  const cri = await answering(
    t,
    (stream) => {
      stream.respond(headers);
      const timer = setInterval(() => stream.write(Buffer.from([0])), 20);
      stream.on('close', () => clearInterval(timer));
    },
    300,
  );
  const error: unknown = await cri.version().catch((caught: unknown) => caught);
  t.match(problemOf(error), { message: /did not answer Version within 300 ms/ });
  t.equal(endOfCall(error), 'late');
});

t.test('calls at once share a connection, and the end of one leaves the others', async (t) => {
  let sessions = 0;
  const seen = new Set<unknown>();
  const cri = await answering(t, (stream) => {
    if (!seen.has(stream.session)) sessions += 1;
    seen.add(stream.session);
    setTimeout(() => !stream.destroyed && reply(framed(message([2, 'x'])), fine)(stream), 200);
  });
  const [late, ...others] = await Promise.allSettled([
    cri.startSandbox({ handler: '', namespace: '', name: '', uid: '', labels: {}, cgroupParent: '' }, 50),
    cri.version(),
    cri.version(),
  ]);
  t.equal(late.status, 'rejected');
  t.match(others, [{ value: { name: 'x' } }, { value: { name: 'x' } }]);
  t.equal(sessions, 1);
});

t.test('a client that was closed fails its calls, those under way too', async (t) => {
  const cri = await answering(t, () => undefined);
  const pending = cri.version().catch((caught: unknown) => caught);
  await new Promise((next) => setTimeout(next, 50));
  cri.close();
  t.equal(endOfCall(await pending), 'silent');
  t.equal(endOfCall(await cri.version().catch((caught: unknown) => caught)), 'silent');
});
