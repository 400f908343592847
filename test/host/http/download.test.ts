import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { type DownloadOptions, download, placesFor } from '../../../host/http/download.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { makeAuthority, needsOpenssl } from '../../../testbed/simulated/api-server.ts';

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const BODY = Buffer.alloc(300_000, 'the bytes of a shim ');
const SHA = digest(BODY);

/** A CA and a certificate of it for localhost and *.example. */
const makeCertificates = (folder: string) => {
  const names = 'DNS:localhost,DNS:artifacts.example,IP:127.0.0.1';
  return { ca: join(folder, 'ca.pem'), ...makeAuthority(folder).sign('/CN=localhost', { names }) };
};

const shared = t.testdir({ junk: 'not a certificate' });
const certificates = needsOpenssl.skip ? { ca: '', key: '', cert: '' } : makeCertificates(shared);

const listen = async (t: Test, server: Server): Promise<number> => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
};

type Handle = (request: http.IncomingMessage, response: http.ServerResponse, count: number) => void;

const serve = async (t: Test, handle: Handle) => {
  const requests: http.IncomingMessage[] = [];
  const server = http.createServer((request, response) => {
    requests.push(request);
    handle(request, response, requests.length);
  });
  const port = await listen(t, server);
  return { url: `http://127.0.0.1:${port}`, port, requests };
};

const serveTls = async (t: Test, handle: Handle) => {
  const requests: http.IncomingMessage[] = [];
  const server = https.createServer(
    { key: certificates.key, cert: certificates.cert },
    (request, response) => {
      requests.push(request);
      handle(request, response, requests.length);
    },
  );
  const port = await listen(t, server);
  return { url: `https://localhost:${port}`, port, requests };
};

/** A server below HTTP, for what http.createServer would not let out. */
const serveRaw = async (t: Test, handle: (socket: Socket) => void): Promise<string> => {
  const port = await listen(t, createServer(handle));
  return `http://127.0.0.1:${port}/file`;
};

const options: DownloadOptions = {
  mirrors: [],
  maxBytes: 1_000_000,
  connectTimeoutMs: 20_000,
  idleTimeoutMs: 20_000,
  totalTimeoutMs: 60_000,
  attempts: 1,
  backoffMs: 1,
  allowHttp: true,
};
const withCa: DownloadOptions = { ...options, allowHttp: false, extraCaFile: certificates.ca };

const target = (t: Test): string => join(t.testdir(), 'artifact');

type Expected = { readonly code: string; readonly message: RegExp; readonly hint?: RegExp };
const fails = async (
  t: Test,
  location: string,
  given: DownloadOptions,
  expected: Expected,
  sha: string | undefined = SHA,
) => {
  const into = target(t);
  try {
    await download(location, sha, into, given);
    t.fail(`it was accepted; expected ${expected.message}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    t.match(error.problem, expected);
  }
  t.notOk(existsSync(into), 'and no file is left');
};

t.test('a file is downloaded completely, private, with its digest, and progress is reported', async (t) => {
  const { url, requests } = await serve(t, (_, response) => {
    response.setHeader('content-length', BODY.length).end(BODY);
  });
  const into = target(t);
  const steps: [number, number | undefined][] = [];
  const onProgress = (done: number, total: number | undefined) => steps.push([done, total]);
  t.same(await download(`${url}/shim`, SHA.toUpperCase(), into, { ...options, onProgress }), {
    sha256: SHA,
    bytes: BODY.length,
  });
  t.ok((await readFile(into)).equals(BODY));
  t.equal(statSync(into).mode & 0o7777, 0o600);
  t.same(steps.at(-1), [BODY.length, BODY.length]);
  t.equal(requests[0]?.headers['accept-encoding'], 'identity');
});

t.test('leftovers of a killed run are replaced, also a link, whose target is not touched', async (t) => {
  const { url } = await serve(t, (_, response) => response.end(BODY));
  const folder = t.testdir({ precious: 'precious' });
  symlinkSync(join(folder, 'precious'), join(folder, 'artifact'));
  await download(url, SHA, join(folder, 'artifact'), options);
  t.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'precious');
  t.ok(readFileSync(join(folder, 'artifact')).equals(BODY));
});

t.test('a body with content-encoding gzip is stored as it was served', async (t) => {
  const packed = gzipSync(BODY);
  const { url } = await serve(t, (_, response) => {
    response.setHeader('content-encoding', 'gzip').end(packed);
  });
  const into = target(t);
  await download(url, digest(packed), into, options);
  t.ok(readFileSync(into).equals(packed));
});

t.test('a wrong digest is a mismatch that names both', async (t) => {
  const { url } = await serve(t, (_, response) => response.end('something else'));
  const message = new RegExp(`expected sha256 ${SHA}, found ${digest(Buffer.from('something else'))}`);
  await fails(t, url, { ...options, attempts: 5 }, { code: 'digest-mismatch', message }, SHA);
});

t.test('a 404 with an HTML page is refused at once, and its address is shown without secrets', async (t) => {
  const { port, requests } = await serve(t, (_, response) => {
    response.writeHead(404, { 'content-type': 'text/html' }).end('<html>no</html>');
  });
  const location = `http://user:secret@127.0.0.1:${port}/a/shim.tar.gz?token=secret`;
  const into = target(t);
  const error = await download(location, SHA, into, { ...options, attempts: 5 }).catch((error) => error);
  t.equal(error.problem.code, 'download-refused');
  t.equal(error.problem.message, `http://127.0.0.1:${port}/a/shim.tar.gz: the server answered 404`);
  t.equal(requests.length, 1, 'it was not asked again');
  t.equal(requests[0]?.headers.authorization, `Basic ${Buffer.from('user:secret').toString('base64')}`);
});

t.test('an HTML page in place of the file is named where its digest is refused', async (t) => {
  for (const [page, named] of [
    ['<!DOCTYPE html>\n<title>Sign in</title>', /expected sha256 .*, found .*; what came is an HTML page$/],
    ['version https://git-lfs.github.com/spec/v1\n', /what came is a git-lfs pointer/],
    ['Not Found', /what came is a text that is no script/],
    ['#!/bin/sh\n', /found [0-9a-f]{64}$/],
  ] as const) {
    const { url } = await serve(t, (_request, response) => response.end(page));
    await fails(t, url, options, { code: 'digest-mismatch', message: named }, SHA);
  }
});

t.test('no message shows a secret, with or without an answer', async (t) => {
  const port = await listen(
    t,
    createServer((socket) => socket.destroy()),
  );
  const location = `http://user:secret@127.0.0.1:${port}/shim?token=secret`;
  const error = await download(location, SHA, target(t), options).catch((error) => error);
  t.equal(error.problem.code, 'download-failed');
  t.notMatch(error.problem.message, /secret|token/);
});

t.test('a server that fails twice and then works is used', async (t) => {
  const { url, requests } = await serve(t, (_, response, count) => {
    if (count < 3) response.writeHead(500).end();
    else response.end(BODY);
  });
  t.match(await download(url, SHA, target(t), { ...options, attempts: 3 }), { sha256: SHA });
  t.equal(requests.length, 3);
  await fails(
    t,
    (await serve(t, (_, response) => void response.writeHead(502).end())).url,
    { ...options, attempts: 2 },
    { code: 'download-failed', message: /the server answered 502/ },
  );
});

t.test('pauses double with jitter, and Retry-After is kept', async (t) => {
  const times: number[] = [];
  const { url } = await serve(t, (_, response, count) => {
    times.push(performance.now());
    if (count === 1) response.writeHead(429, { 'retry-after': '1' }).end();
    else if (count === 2) response.writeHead(503).end();
    else response.end(BODY);
  });
  const asked: number[] = [];
  const random = () => {
    asked.push(1);
    return 1;
  };
  await download(url, SHA, target(t), { ...options, attempts: 3, backoffMs: 20, random });
  t.equal(asked.length, 2);
  t.ok((times[1] ?? 0) - (times[0] ?? 0) >= 990, 'the second attempt waited the second that was asked for');
  t.ok((times[2] ?? 0) - (times[1] ?? 0) >= 39, 'the third waited twice the first pause');
});

t.test('a truncated transfer, by length or in the middle of chunks, is no file', async (t) => {
  const short = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': BODY.length });
    response.write(BODY.subarray(0, 1000), () => response.destroy());
  });
  await fails(t, short.url, options, { code: 'download-failed', message: /127\.0\.0\.1/ });
  const chunked = await serve(t, (_, response) => {
    response.write(BODY.subarray(0, 1000), () => response.destroy());
  });
  await fails(t, chunked.url, options, { code: 'download-failed', message: /127\.0\.0\.1/ });
  const polite = await serveRaw(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this'));
  });
  await fails(t, polite, options, { code: 'download-failed', message: /file: / });
});

t.test('a server that sends more than it announced, or invalid chunks, is refused', async (t) => {
  const more = await serveRaw(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour and more'));
  });
  await fails(t, more, options, { code: 'download-failed', message: /file: / });
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n';
  for (const rest of ['zzz\r\nmore\r\n0\r\n\r\n', '4\r\nto', '0\r\n', '']) {
    const chunks = await serveRaw(t, (socket) => {
      socket.once('data', () => socket.write(head, () => setTimeout(() => socket.end(rest), 20)));
    });
    await fails(t, chunks, options, { code: 'download-failed', message: /file: / });
    const atOnce = await serveRaw(t, (socket) => {
      socket.once('data', () => socket.end(head + rest));
    });
    await fails(t, atOnce, options, { code: 'download-failed', message: /file: / });
  }
  const reset = await serveRaw(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => socket.resetAndDestroy()));
  });
  await fails(t, reset, options, { code: 'download-failed', message: /ECONNRESET/ });
  const junk = await serveRaw(t, (socket) => {
    socket.once('data', () => socket.end(`${head}0\r\n\r\njunk`));
  });
  await fails(t, junk, options, { code: 'download-failed', message: /Parse Error/ });
  const good = await serveRaw(t, (socket) => {
    socket.once('data', () => socket.end(`${head}0\r\n\r\n`));
  });
  t.match(await download(good, digest(Buffer.from('four')), target(t), options), { bytes: 4 });
});

t.test('an answer that is no HTTP is a temporary failure', async (t) => {
  const url = await serveRaw(t, (socket) => {
    socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.6\r\n'));
  });
  await fails(t, url, options, { code: 'download-failed', message: /Parse Error|HTTP/ });
});

t.test('silence before and within an answer ends the transfer', async (t) => {
  const given = { ...options, idleTimeoutMs: 200 };
  const mute = await serveRaw(t, () => undefined);
  await fails(t, mute, given, { code: 'download-failed', message: /nothing came for 200 ms/ });
  const stalls = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': BODY.length }).write(BODY.subarray(0, 1000));
  });
  await fails(t, stalls.url, given, { code: 'download-failed', message: /nothing came for 200 ms/ });
});

t.test('a server that sends one byte after the other is stopped by the total time', async (t) => {
  const { url } = await serve(t, (_, response) => {
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(timer));
  });
  const message = /it took longer than 400 ms/;
  await fails(t, url, { ...options, totalTimeoutMs: 400 }, { code: 'download-failed', message });
});

t.test(
  'a server that accepts the connection and never speaks TLS is stopped by the connect time',
  async (t) => {
    const port = await listen(t, createServer());
    const message = /no connection within 200 ms/;
    const given = { ...options, connectTimeoutMs: 200 };
    await fails(t, `https://127.0.0.1:${port}/x`, given, { code: 'download-failed', message });
  },
);

t.test('a body that is too large is refused when announced, and when it is not', async (t) => {
  const given = { ...options, maxBytes: 1000, attempts: 3 };
  const announced = await serve(t, (_, response) => {
    response.setHeader('content-length', 1001).end(Buffer.alloc(1001));
  });
  await fails(t, announced.url, given, { code: 'too-large', message: /announces 1001 bytes.*1000/ });
  t.equal(announced.requests.length, 1);
  const silent = await serve(t, (_, response) => {
    const timer = setInterval(() => response.write(Buffer.alloc(400)), 5);
    response.on('close', () => clearInterval(timer));
  });
  await fails(t, silent.url, given, { code: 'too-large', message: /sends more.*1000/ });
});

t.test('at most five redirects are followed', async (t) => {
  const { url, requests } = await serve(t, (request, response) => {
    const left = Number(request.url?.slice(1));
    if (left === 0) response.end(BODY);
    else response.writeHead(302, { location: `/${left - 1}` }).end('moved');
  });
  t.match(await download(`${url}/5`, SHA, target(t), options), { sha256: SHA });
  t.equal(requests.length, 6);
  await fails(t, `${url}/6`, options, { code: 'download-refused', message: /more than 5 times/ });
  const loop = await serve(t, (_, response) => void response.writeHead(301, { location: '/' }).end());
  await fails(t, loop.url, options, { code: 'download-refused', message: /more than 5 times/ });
});

t.test('redirects to nowhere, to a file and to other schemes are refused', async (t) => {
  const { url } = await serve(t, (request, response) => {
    const to = { '/none': undefined, '/file': 'file:///etc/passwd', '/data': 'data:,x', '/bad': 'http://[' };
    const location = to[(request.url ?? '') as keyof typeof to];
    response.writeHead(302, location === undefined ? {} : { location }).end();
  });
  const code = 'download-refused';
  await fails(t, `${url}/none`, options, { code, message: /redirects to no address/ });
  await fails(t, `${url}/bad`, options, { code, message: /redirects to no address/ });
  await fails(t, `${url}/file`, options, { code, message: /redirects from http to file/ });
  await fails(t, `${url}/data`, options, { code, message: /redirects from http to data/ });
});

t.test('a redirect from https to http is refused even where http is allowed', needsOpenssl, async (t) => {
  const plain = await serve(t, (_, response) => response.end(BODY));
  const { url } = await serveTls(t, (_, response) => {
    response.writeHead(307, { location: plain.url }).end();
  });
  const expected = { code: 'download-refused', message: /redirects from https to http/ };
  await fails(t, url, { ...withCa, allowHttp: true }, expected);
  t.equal(plain.requests.length, 0);
});

t.test('each redirect must be allowed by the node, before anything is requested there', async (t) => {
  const last = await serve(t, (_, response) => response.end(BODY));
  const other = await serve(t, (_, response) => void response.writeHead(302, { location: last.url }).end());
  const first = await serve(t, (request, response) => {
    response.writeHead(302, { location: request.url === '/' ? '/again' : other.url }).end();
  });
  const only =
    (...urls: readonly string[]) =>
    (to: URL): boolean =>
      urls.some((url) => new URL(url).host === to.host);
  const denied = {
    code: 'policy-denied',
    message: /redirects to the host "127\.0\.0\.1".*\(allowedHosts\)/,
  };
  await fails(t, first.url, { ...options, allows: only(first.url) }, denied);
  t.equal(first.requests.length, 2, 'to itself it may redirect');
  t.equal(other.requests.length, 0);
  await fails(t, first.url, { ...options, allows: only(other.url) }, denied);
  t.equal(other.requests.length, 1);
  t.equal(last.requests.length, 0);
  for (const given of [options, { ...options, allows: only(other.url, last.url) }])
    t.match(await download(first.url, SHA, target(t), given), { sha256: SHA });
});

t.test('without a digest nothing is downloaded over plain http, also not from a mirror', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.end(BODY));
  const message = /plain http proves nothing about the sender/;
  const folder = t.testdir({ shim: BODY });
  const into = join(folder, 'artifact');
  const refused = await download(`${url}/x`, undefined, into, options).catch(
    ({ problem }: Failure) => problem,
  );
  t.match(refused, { code: 'download-refused', message });
  t.notOk(existsSync(into));
  const origin = pathToFileURL(folder).href;
  const given = { ...options, mirrors: [{ prefix: origin, replace: url }] };
  t.match(await download(`${origin}/shim`, undefined, into, given), { bytes: BODY.length });
  t.equal(requests.length, 0, 'the original is asked instead');
  t.match(await download(`${origin}/shim`, SHA, into, given), { sha256: SHA });
  t.equal(requests.length, 1, 'with a digest the mirror will do');
});

t.test('credentials are not sent to another origin after a redirect', async (t) => {
  const other = await serve(t, (_, response) => response.end(BODY));
  const first = await serve(t, (request, response) => {
    response.writeHead(302, { location: request.url === '/' ? '/again' : `${other.url}/x` }).end();
  });
  await download(first.url.replace('//', '//me:secret@'), SHA, target(t), options);
  t.ok(first.requests.every((request) => request.headers.authorization !== undefined));
  t.equal(first.requests.length, 2);
  t.equal(other.requests[0]?.headers.authorization, undefined);
});

t.test('plain http is refused unless allowed, and other schemes always', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.end(BODY));
  const given = { ...options, allowHttp: false };
  await fails(t, url, given, { code: 'download-refused', message: /plain http is not allowed/ });
  t.equal(requests.length, 0);
  await fails(t, 'ftp://example.com/x', options, {
    code: 'download-refused',
    message: /ftp: is not supported/,
  });
  await fails(t, 'not an address', options, { code: 'download-refused', message: /not an address/ });
});

t.test(
  'https needs a certificate that is trusted; the extra CA is added to the roots',
  needsOpenssl,
  async (t) => {
    const { url } = await serveTls(t, (_, response) => response.end(BODY));
    t.match(await download(url, SHA, target(t), withCa), { sha256: SHA });
    await fails(
      t,
      url,
      { ...options, allowHttp: false },
      {
        code: 'download-failed',
        message: /this node trusts no authority of its certificate \([^;]+\)$/,
        hint: /extraCa/,
      },
    );
    const wrongName = url.replace('localhost', 'localhost.localdomain');
    await fails(t, wrongName, withCa, { code: 'download-failed', message: /localhost\.localdomain/ });
  },
);

t.test('an extra CA file that is missing or has no certificate is named', async (t) => {
  const code = 'download-failed';
  const missing = { ...options, extraCaFile: '/no/such.pem' };
  await fails(t, 'https://localhost:1/', missing, {
    code,
    message: /\/no\/such\.pem cannot be read: ENOENT/,
  });
  const junk = { ...options, extraCaFile: join(shared, 'junk') };
  await fails(t, 'https://localhost:1/', junk, { code, message: /junk holds no certificate/ });
});

/** A real forward proxy: CONNECT and absolute form; every host name leads to this machine. */
const serveProxy = async (t: Test, auth?: string) => {
  const seen: { line: string; auth: string | undefined }[] = [];
  const allowed = (request: http.IncomingMessage): boolean => {
    const given = request.headers['proxy-authorization'];
    seen.push({ line: `${request.method} ${request.url}`, auth: given });
    return auth === undefined || given === `Basic ${Buffer.from(auth).toString('base64')}`;
  };
  const server = http.createServer((request, response) => {
    if (!allowed(request)) return void response.writeHead(407).end();
    const url = new URL(request.url ?? '');
    const onward = http.request(
      { host: '127.0.0.1', port: url.port, path: url.pathname, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    onward.end();
  });
  server.on('connect', (request: http.IncomingMessage, client: Socket, head: Buffer) => {
    if (!allowed(request)) return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const onward = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      onward.pipe(client).pipe(onward);
    });
    onward.on('error', () => client.destroy());
    client.on('error', () => onward.destroy());
  });
  return { host: `127.0.0.1:${await listen(t, server)}`, seen };
};

t.test(
  'https goes through CONNECT, and TLS is with the server, not with the proxy',
  needsOpenssl,
  async (t) => {
    const origin = await serveTls(t, (_, response) => response.end(BODY));
    const proxy = await serveProxy(t, 'me:p@ss');
    const location = `https://artifacts.example:${origin.port}/shim`;
    const given = { ...withCa, proxy: { https: `http://me:p%40ss@${proxy.host}` } };
    t.match(await download(location, SHA, target(t), given), { sha256: SHA });
    t.equal(proxy.seen[0]?.line, `CONNECT artifacts.example:${origin.port}`);
    t.equal(origin.requests[0]?.headers['proxy-authorization'], undefined);

    const locked = { ...withCa, proxy: { https: `http://me:secret@${proxy.host}` } };
    await fails(t, location, locked, {
      code: 'download-failed',
      message: /proxy 127.* answered 407 to CONNECT/,
    });
    const error = await download(location, SHA, target(t), locked).catch((error) => error);
    t.notMatch(error.problem.message, /secret/);

    const untrusted = { ...given, extraCaFile: undefined };
    const { extraCaFile: _, ...without } = untrusted;
    await fails(t, location, without, { code: 'download-failed', message: /certificate/ });
  },
);

t.test('plain http goes through the proxy in absolute form', async (t) => {
  const origin = await serve(t, (_, response) => response.end(BODY));
  const proxy = await serveProxy(t);
  const location = `http://artifacts.example:${origin.port}/shim`;
  await download(location, SHA, target(t), { ...options, proxy: { http: proxy.host } });
  t.equal(proxy.seen[0]?.line, `GET ${location}`);
  await download(`${origin.url}/direct`, SHA, target(t), {
    ...options,
    proxy: { http: proxy.host, no: 'example.com,127.0.0.0/8' },
  });
  t.equal(proxy.seen.length, 1, 'an exempted address is asked directly');
});

t.test('a proxy that is silent, unreachable or invalid is named', async (t) => {
  const silent = await listen(t, createServer());
  const gone = await new Promise<number>((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
  const code = 'download-failed';
  const through = (https: string) => ({ ...options, connectTimeoutMs: 200, proxy: { https } });
  const location = 'https://artifacts.example/x';
  await fails(t, location, through(`127.0.0.1:${silent}`), { code, message: /no connection within 200 ms/ });
  const dead = { ...through(`127.0.0.1:${gone}`), connectTimeoutMs: 20_000 };
  await fails(t, location, dead, { code, message: new RegExp(`proxy 127.0.0.1:${gone} cannot be used`) });
  await fails(t, location, through('socks5://me:secret@x'), {
    code,
    message: /https proxy that is set is not/,
  });
});

t.test(
  'the longest prefix that ends at a segment selects the mirror, and the original is last',
  async (t) => {
    const mirrors = [
      { prefix: 'https://github.com', replace: 'https://m1.example/gh/' },
      { prefix: 'https://github.com/spinframework/', replace: 'https://m2.example' },
      { prefix: 'https://github.com/spin', replace: 'https://m3.example' },
    ];
    t.same(placesFor('https://me:x@github.com/spinframework/a?b=c', mirrors), [
      'https://m2.example/a?b=c',
      'https://me:x@github.com/spinframework/a?b=c',
    ]);
    t.equal(placesFor('https://github.com/spinner', mirrors)[0], 'https://m1.example/gh/spinner');
    t.same(placesFor('https://github.com.evil.example/x', mirrors), ['https://github.com.evil.example/x']);
  },
);

t.test('a mirror is asked first; a failing, wrong or invalid one delays only itself', async (t) => {
  const origin = await serve(t, (_, response) => response.end(BODY));
  const mirror = await serve(t, (request, response) => {
    if (request.url === '/good/x') response.end(BODY);
    else if (request.url === '/evil/x') response.end('evil');
    else response.writeHead(404).end();
  });
  const by = (folder: string) => ({
    ...options,
    mirrors: [{ prefix: origin.url, replace: `${mirror.url}/${folder}` }],
  });
  await download(`${origin.url}/x`, SHA, target(t), by('good'));
  t.equal(origin.requests.length, 0);
  await download(`${origin.url}/x`, SHA, target(t), by('evil'));
  await download(`${origin.url}/x`, SHA, target(t), by('none'));
  t.equal(origin.requests.length, 2);
  await fails(
    t,
    `${origin.url}/x`,
    { ...by('none'), maxBytes: 10 },
    { code: 'too-large', message: /; .*404/ },
  );
});

t.test('a mirror may be a folder', async (t) => {
  const folder = t.testdir({ gh: { x: BODY } });
  const mirrors = [{ prefix: 'https://github.com', replace: pathToFileURL(join(folder, 'gh')).href }];
  t.match(await download('https://github.com/x', SHA, join(folder, 'out'), { ...options, mirrors }), {
    sha256: SHA,
  });
});

t.test('an encoded slash leads to no other folder, and no location keeps the original away', async (t) => {
  const mirrors = [{ prefix: 'https://github.com', replace: 'file:///srv/mirror/github.com' }];
  const first = (path: string) => placesFor(`https://github.com/${path}`, mirrors)[0];
  t.equal(
    first('releases/shim%2Fv1/x.tar.gz?y=z'),
    'file:///srv/mirror/github.com/releases/shim/v1/x.tar.gz',
  );
  for (const path of [
    '..%2f..%2Fetc/passwd',
    'a/%2e%2e%2fb',
    'a%2F..%2Fb',
    'a%2f.%2fb',
    'a%zz',
    'a%00b',
    '%ff',
  ])
    t.equal(first(path), `https://github.com/${path}`);
  const here = [{ prefix: 'https://', replace: 'file:///srv/mirror/https' }];
  t.same(placesFor('https://../x', here), ['https://../x']);
  const { url } = await serve(t, (_, response) => response.end(BODY));
  const folder = t.testdir({ shim: { v1: BODY } });
  const given = { ...options, mirrors: [{ prefix: url, replace: pathToFileURL(folder).href }] };
  for (const name of ['shim%2Fv1', 'shim%2Fv2', '%zz'])
    t.equal((await download(`${url}/${name}`, SHA, join(folder, 'out'), given)).sha256, SHA, name);
});

t.test('a file: address copies a regular file, through links, and nothing else', async (t) => {
  const folder = t.testdir({ 'a file': BODY, empty: '' });
  symlinkSync('a file', join(folder, 'link'));
  const into = join(folder, 'out');
  const at = (name: string) => pathToFileURL(join(folder, name)).href;
  t.match(await download(at('a file'), SHA, into, options), { sha256: SHA, bytes: BODY.length });
  t.match(await download(at('link'), SHA, into, options), { sha256: SHA });
  t.ok(readFileSync(into).equals(BODY));
  t.match(await download(at('empty'), undefined, into, options), { bytes: 0 });

  execFileSync('mkfifo', [join(folder, 'pipe')]);
  await mkdir(join(folder, 'folder'));
  const code = 'download-refused';
  const pipe = at('pipe');
  const dir = at('folder');
  const small = at('a file');
  for (const location of [pipe, dir, 'file:///dev/zero']) {
    const error = await download(location, undefined, into, options).catch((error) => error);
    t.match(error.problem, { code, message: /not a regular file/ });
  }
  const cases: [string, DownloadOptions, Expected][] = [
    [at('none'), options, { code: 'download-failed', message: /there is no such file$/ }],
    ['file://server/share', options, { code, message: /names no host/ }],
    [small, { ...options, maxBytes: 10 }, { code: 'too-large', message: /300000 bytes/ }],
  ];
  for (const [location, given, expected] of cases) {
    const error = await download(location, undefined, into, given).catch((error) => error);
    t.match(error.problem, expected);
  }
  t.notOk(existsSync(into));
});

t.test('a file that cannot be created is a fault of this host, and no server is asked twice', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.end(BODY));
  const folder = t.testdir({ taken: {} });
  const given = { ...options, attempts: 5 };
  const first = await download(url, SHA, join(folder, 'taken'), given).catch((error) => error);
  t.equal(first.problem.code, 'cannot-write');
  const second = await download(url, SHA, join(folder, 'none/artifact'), given).catch((error) => error);
  t.match(second.problem, { code: 'cannot-write', where: { file: join(folder, 'none/artifact') } });
  t.equal(requests.length, 0);
});

t.test('a transfer and a pause can both be cancelled', async (t) => {
  // Some time after the answer, however long it takes until the question comes.
  const [transfer, pause] = [new AbortController(), new AbortController()];
  const soon = (stop: AbortController) => () => void setTimeout(() => stop.abort(), 150);
  const stalls = await serve(t, (_, response) => void response.writeHead(200).write('x', soon(transfer)));
  const message = /it was cancelled/;
  await fails(t, stalls.url, { ...options, signal: transfer.signal }, { code: 'download-failed', message });
  const ill = await serve(
    t,
    (_, response) => void response.writeHead(503, { 'retry-after': '60' }).end(soon(pause)),
  );
  const given = { ...options, attempts: 3, signal: pause.signal };
  await fails(t, ill.url, given, { code: 'download-failed', message: /503|cancelled/ });
  t.equal(ill.requests.length, 1);
  await fails(t, ill.url, { ...options, signal: AbortSignal.abort() }, { code: 'download-failed', message });
});

/** Sends the file in parts, as `cut` says; understands `Range` unless told otherwise. */
const serveParts = (
  t: Test,
  cuts: readonly number[],
  answer: (response: http.ServerResponse, from: number, rest: Buffer) => void = (response, from, rest) => {
    response.statusCode = from > 0 ? 206 : 200;
    if (from > 0) response.setHeader('content-range', `bytes ${from}-${BODY.length - 1}/${BODY.length}`);
    response.setHeader('content-length', rest.length);
  },
) =>
  serve(t, (request, response, count) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = BODY.subarray(from);
    answer(response, from, rest);
    const cut = cuts[count - 1];
    if (cut === undefined) response.end(response.statusCode === 200 ? BODY : rest);
    else
      response.write((response.statusCode === 200 ? BODY : rest).subarray(0, cut), () =>
        response.socket?.destroySoon(),
      );
  });

t.test('the rest of an interrupted download is requested, and no byte twice', async (t) => {
  const { url, requests } = await serveParts(t, [100_000, 50_000]);
  const into = target(t);
  t.same(await download(url, SHA, into, { ...options, attempts: 3 }), { sha256: SHA, bytes: BODY.length });
  // Of the last piece before a cut some may be lost on the way through the client.
  const [first, ...more] = requests.map(({ headers }) => headers.range);
  t.equal(first, undefined);
  t.ok(more.length > 0 && more.every((range) => /^bytes=[1-9]\d*-$/.test(range ?? '')), more.join());
  t.same(await readFile(into), BODY);
});

t.test('a server without range requests sends all of it again', async (t) => {
  const { url } = await serveParts(t, [100_000], (response) => {
    response.setHeader('content-length', BODY.length);
  });
  t.equal((await download(url, SHA, target(t), { ...options, attempts: 2 })).sha256, SHA);
});

t.test('parts that do not fit together, or were not requested, start again', async (t) => {
  const forged: Handle = (request, response, count) => {
    if (count === 1) {
      response.setHeader('content-length', BODY.length);
      response.write(Buffer.alloc(1000, 'other'), () => setTimeout(() => response.destroy(), 50));
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.statusCode = from > 0 ? 206 : 200;
    if (from > 0) response.setHeader('content-range', `bytes ${from}-${BODY.length - 1}/${BODY.length}`);
    response.end(BODY.subarray(from));
  };
  const one = await serve(t, forged);
  t.equal((await download(one.url, SHA, target(t), { ...options, attempts: 3 })).sha256, SHA);
  t.equal(one.requests.at(-1)?.headers.range, undefined);
  const elsewhere = await serveParts(t, [100_000], (response, from, rest) => {
    response.statusCode = from > 0 ? 206 : 200;
    if (from > 0) response.setHeader('content-range', `bytes 0-${BODY.length - 1}/${BODY.length}`);
    response.setHeader('content-length', rest.length);
  });
  t.equal((await download(elsewhere.url, SHA, target(t), { ...options, attempts: 3 })).sha256, SHA);
  const gone = await serveParts(t, [100_000], (response, from) => {
    if (from > 0) response.statusCode = 416;
  });
  t.equal((await download(gone.url, SHA, target(t), { ...options, attempts: 3 })).sha256, SHA);
});

t.test(
  'a mirror that always sends the begin of something else does not keep the original away',
  async (t) => {
    const mirror = await serve(t, (_, response) => {
      response.setHeader('content-length', BODY.length);
      response.write(Buffer.alloc(1000, 'other'), () => setTimeout(() => response.destroy(), 50));
    });
    const original = await serveParts(t, []);
    const mirrors = [{ prefix: original.url, replace: mirror.url }];
    for (const attempts of [1, 3]) {
      const { sha256 } = await download(original.url, SHA, target(t), { ...options, mirrors, attempts });
      t.equal(sha256, SHA);
    }
    t.equal(mirror.requests.length, 2);
  },
);

t.test(
  'without a digest no interrupted download is kept, and the limit counts all parts',
  needsOpenssl,
  async (t) => {
    const { url, requests } = await serveTls(t, (_, response, count) => {
      response.setHeader('content-length', BODY.length);
      if (count === 1) response.write(BODY.subarray(0, 1000), () => setTimeout(() => response.destroy(), 50));
      else response.end(BODY);
    });
    t.equal((await download(url, undefined, target(t), { ...withCa, attempts: 2 })).sha256, SHA);
    t.same(
      requests.map(({ headers }) => headers.range),
      [undefined, undefined],
    );
    const parts = await serveParts(t, [100_000], (response, from) => {
      if (from > 0) {
        response.statusCode = 206;
        response.setHeader('content-range', `bytes ${from}-${BODY.length - 1}/${BODY.length}`);
      }
    });
    const small = { ...options, attempts: 2, maxBytes: 200_000 };
    await fails(t, parts.url, small, { code: 'too-large', message: /200000 bytes are allowed/ });
  },
);
