import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openPush } from '../../../host/registry/push.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { makeStore, optionsOf, plain, serveRegistry } from './served.ts';
import { takes } from './served-pushes.ts';
import { makeCertificates, serveTls, tlsTest } from './served-tls.ts';

const bytes = 'the bytes';
const digest = createHash('sha256').update(bytes).digest('hex');
const repository = 'team/shim';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';

const file = (t: Test): string => {
  const path = join(t.testdir(), 'file');
  writeFileSync(path, bytes);
  return path;
};

t.test('a blob and a manifest are put once, under a tag, too', async (t) => {
  const [store, told] = [makeStore(), [] as string[]];
  const { host } = await serveRegistry(t, store, takes(store, told));
  const pusher = await openPush(plain({ host, repository }), async () => undefined, optionsOf().http);
  t.notOk(await pusher.has('blobs', `sha256:${digest}`));
  await pusher.blob(digest, bytes.length, file(t));
  await pusher.blob(digest, bytes.length, '/none');
  t.same(told.length, 1);
  t.ok(await pusher.has('blobs', `sha256:${digest}`));
  await pusher.manifest('v1', manifestType, '{}');
  t.ok(await pusher.has('manifests', 'v1'));
});

t.test('what the registry answers is told', async (t) => {
  const says = async (status: number, headers: Readonly<Record<string, string>> = {}) => {
    const { host } = await serveRegistry(t, makeStore(), (request, response) => {
      response.writeHead(request.method === 'HEAD' ? 404 : status, headers).end();
      return true;
    });
    const pusher = await openPush(plain({ host, repository }), async () => undefined, optionsOf().http);
    return pusher.blob(digest, bytes.length, file(t)).catch(problemOf);
  };
  t.match(await says(500), { code: 'download-failed', message: 'an upload: the registry answered 500' });
  t.match(await says(403), {
    code: 'download-refused',
    message: /an upload: the registry refuses access \(403\)/,
  });
  t.match(await says(202), { code: 'download-refused', message: /says not where a blob goes/ });
  const gone = await openPush(
    plain({ host: '127.0.0.1:1', repository }),
    async () => undefined,
    optionsOf().http,
  );
  t.match(await gone.has('blobs', 'x').catch(problemOf), {
    code: 'download-failed',
    message: /ECONNREFUSED/,
  });
});

t.test('credentials go to the registry, and not to where it keeps uploads', tlsTest, async (t) => {
  const folder = t.testdir();
  makeCertificates(folder);
  const [store, told] = [makeStore(), [] as string[]];
  const other = await serveRegistry(t, store, takes(store, told));
  const seen: string[] = [];
  let to = 'https';
  const storage = await serveTls(t, folder, store, ({ request }) => {
    seen.push(`storage ${request.method} ${request.headers.authorization ?? 'none'}`);
    return { status: 201 };
  });
  const host = await serveTls(t, folder, store, ({ request }) => {
    const { authorization } = request.headers;
    seen.push(`registry ${request.method} ${authorization === undefined ? 'none' : 'some'}`);
    if (authorization === undefined)
      return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
    if (request.method === 'HEAD') return { status: 404 };
    const location = to === 'https' ? `https://${storage}/v2/upload` : `http://${other.host}/v2/upload`;
    return { status: 202, headers: { location } };
  });
  const endpoint = {
    ...plain({ host, repository }),
    base: `https://${host}/v2`,
    ca: [join(folder, 'ca.pem')],
  };
  const credential = async () => ({ username: 'me', password: 'hush' });
  const pusher = await openPush(endpoint, credential, optionsOf().http);
  await pusher.blob(digest, bytes.length, file(t));
  t.same(seen, ['registry HEAD none', 'registry HEAD some', 'registry POST some', 'storage PUT none']);
  to = 'http';
  t.match(await pusher.blob(digest, bytes.length, file(t)).catch(problemOf), {
    message: /a blob without TLS/,
  });
  t.same(other.requests, []);
});
