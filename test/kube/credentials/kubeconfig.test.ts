import { chmodSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { connectApi } from '../../../kube/client.ts';
import { asGiven, type CredentialFiles } from '../../../kube/credentials/credential-files.ts';
import { type Clock, realClock } from '../../../host/host.ts';
import { kubeconfigCredentials } from '../../../kube/credentials/kubeconfig.ts';
import { makeTools, type Tools } from '../../../host/exec.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import {
  json,
  makeAuthority,
  needsOpenssl,
  refuse,
  serveApi,
} from '../../../testbed/simulated/api-server.ts';

const authority = needsOpenssl.skip ? undefined : makeAuthority(t.testdir({}));
const tools = makeTools();

const write = (folder: string, user: object, cluster: object = {}): string => {
  const file = join(folder, 'kubeconfig');
  const value = {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1', ...cluster } }],
    users: [{ name: 'u', user }],
  };
  writeFileSync(file, JSON.stringify(value));
  return file;
};

const fails = async (t: Test, work: Promise<unknown>, expected: object): Promise<Failure> => {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof Failure)) throw error ?? new Error('it worked');
  t.match(error.problem, expected);
  return error;
};

t.test(
  'a certificate that the kubelet renews meanwhile is used for the next connection',
  needsOpenssl,
  async (t) => {
    const folder = t.testdir({});
    const put = (name: string, node: string): void => {
      const { cert, key } = authority!.sign(`/CN=system:node:${node}`);
      writeFileSync(join(folder, name), cert + key);
      // As the kubelet does it: a link, replaced at once.
      symlinkSync(name, join(folder, 'next'));
      renameSync(join(folder, 'next'), join(folder, 'current.pem'));
    };
    put('1.pem', 'one');
    const server = await serveApi(t, authority!, (_, response) => json(response, {}));
    const user = { 'client-certificate': 'current.pem', 'client-key': 'current.pem' };
    writeFileSync(join(folder, 'ca.crt'), authority!.ca);
    const file = write(folder, user, { server: server.url, 'certificate-authority': 'ca.crt' });
    const api = connectApi(kubeconfigCredentials(file, asGiven, tools, realClock), realClock);
    t.teardown(api.close);
    await api.request('GET', '/');
    put('2.pem', 'two');
    server.cut();
    await api.request('GET', '/').catch(() => api.request('GET', '/'));
    t.same(
      server.asked.map(({ client }) => client),
      ['system:node:one', 'system:node:two'],
    );
  },
);

t.test('a refused certificate is read again, and sent over another connection', needsOpenssl, async (t) => {
  const folder = t.testdir({});
  const put = (node: string): void => {
    const { cert, key } = authority!.sign(`/CN=${node}`);
    writeFileSync(join(folder, 'x.pem'), cert + key);
  };
  put('old');
  const server = await serveApi(t, authority!, ({ client }, response) => {
    if (client === 'new') return json(response, {});
    put('new');
    refuse(response, 401, 'Unauthorized');
  });
  const user = { 'client-certificate': 'x.pem', 'client-key': 'x.pem' };
  const ca = { 'certificate-authority-data': Buffer.from(authority!.ca).toString('base64') };
  const file = write(folder, user, { server: server.url, ...ca });
  const api = connectApi(kubeconfigCredentials(file, asGiven, tools, realClock), realClock);
  t.teardown(api.close);
  t.same(await api.request('GET', '/'), {});
  t.equal(server.connections, 2);
});

t.test(
  'certificate and key that do not belong together are read once more, then refused',
  needsOpenssl,
  async (t) => {
    const folder = t.testdir({});
    const [one, two] = [authority!.sign('/CN=one'), authority!.sign('/CN=two')];
    writeFileSync(join(folder, 'cert'), one.cert);
    writeFileSync(join(folder, 'key'), two.key);
    const file = write(folder, { 'client-certificate': 'cert', 'client-key': 'key' });
    const where = { file: join(folder, 'cert') };
    const still: Clock = { ...realClock, sleep: async () => {} };
    await fails(t, kubeconfigCredentials(file, asGiven, tools, still)('first'), {
      code: 'no-identity',
      where,
    });
    const meanwhile: Clock = {
      ...realClock,
      sleep: async () => writeFileSync(join(folder, 'cert'), two.cert),
    };
    t.match(await kubeconfigCredentials(file, asGiven, tools, meanwhile)('first'), {
      client: { cert: two.cert },
    });
    writeFileSync(join(folder, 'key'), 'junk');
    await fails(t, kubeconfigCredentials(file, asGiven, tools, still)('first'), {
      code: 'no-identity',
      where,
    });
  },
);

t.test('a file that cannot be read is named', async (t) => {
  const folder = t.testdir({});
  const missing = join(folder, 'none');
  const code = 'no-identity';
  const ask = (file: string) => kubeconfigCredentials(file, asGiven, tools, realClock)('first');
  await fails(t, ask(missing), { code, message: /ENOENT/, where: { file: missing } });
  await fails(t, ask(write(folder, { tokenFile: 'none' })), { code, where: { file: missing } });
  await fails(t, ask(write(folder, { token: 'x' }, { 'certificate-authority': 'none' })), {
    code,
    where: { file: missing },
  });
  await fails(t, ask(write(folder, { token: 'a\nb' })), { code, message: /no token/ });
});

t.test('a token file is read again after a minute', async (t) => {
  const folder = t.testdir({ token: 'abc\n' });
  const clock: Clock = { ...realClock, now: () => 1000 };
  const credentials = await kubeconfigCredentials(
    write(folder, { tokenFile: 'token' }),
    asGiven,
    tools,
    clock,
  )('first');
  t.match(credentials, { client: { kind: 'token', token: 'abc' }, readAgainAfter: 61_000 });
});

const version = 'client.authentication.k8s.io/v1';

/** A plugin: a real program, whose runs can be counted. */
const plugin = (t: Test, script: string) => {
  const folder = t.testdir({});
  const command = join(folder, 'plugin');
  writeFileSync(command, `#!/bin/sh\necho run >> ${folder}/runs\n${script}\n`);
  chmodSync(command, 0o755);
  const exec = {
    apiVersion: version,
    command: './plugin',
    interactiveMode: 'Never',
    provideClusterInfo: true,
  };
  const file = write(folder, { exec: { ...exec, args: ['a b'], env: [{ name: 'X', value: 'y' }] } });
  const runs = (): number => readFileSync(join(folder, 'runs'), 'utf8').split('\n').length - 1;
  return { folder, file, runs };
};

const says = (status: object): string =>
  `cat <<'END'\n${JSON.stringify({ apiVersion: version, kind: 'ExecCredential', status })}\nEND`;

const at = (now: number): Clock & { time: number } => {
  const clock = { ...realClock, time: now, now: () => clock.time };
  return clock;
};

t.test('a plugin is asked as the kubelet asks it, and again shortly before its answer ends', async (t) => {
  const start = Date.parse('2027-01-15T08:00:00Z');
  const given = plugin(
    t,
    `printf '%s' "$1|$X|$KUBERNETES_EXEC_INFO" > "$0.in"; ${says({ token: 'abc', expirationTimestamp: '2027-01-15T09:00:00Z' })}`,
  );
  const clock = at(start);
  const ask = kubeconfigCredentials(given.file, asGiven, tools, clock);
  t.match(await ask('first'), {
    server: 'https://127.0.0.1:1',
    client: { kind: 'token', token: 'abc' },
    readAgainAfter: start + 59 * 60_000,
  });
  const [argument, variable, info] = readFileSync(join(given.folder, 'plugin.in'), 'utf8').split('|');
  t.same([argument, variable], ['a b', 'y']);
  t.same(JSON.parse(info ?? ''), {
    apiVersion: version,
    kind: 'ExecCredential',
    spec: { interactive: false, cluster: { server: 'https://127.0.0.1:1' } },
  });
  clock.time += 58 * 60_000;
  await ask('reconnect');
  t.equal(given.runs(), 1, 'kept while it is good');
  clock.time += 60_000;
  await ask('reconnect');
  t.equal(given.runs(), 2, 'not used to its last second');
});

t.test('an answer without an end is asked for again after a while, and after a refusal', async (t) => {
  const given = plugin(t, says({ token: 'abc' }));
  const clock = at(1_800_000_000_000);
  const ask = kubeconfigCredentials(given.file, asGiven, tools, clock);
  await ask('first');
  await ask('reconnect');
  t.equal(given.runs(), 1);
  await ask('refused');
  t.equal(given.runs(), 2);
  clock.time += 11 * 60_000;
  await ask('reconnect');
  t.equal(given.runs(), 3);
});

t.test('a plugin may give a certificate', async (t) => {
  const given = plugin(t, says({ clientCertificateData: 'C', clientKeyData: 'K', token: 'abc' }));
  t.match(await kubeconfigCredentials(given.file, asGiven, tools, realClock)('first'), {
    client: { kind: 'certificate', cert: 'C', key: 'K' },
  });
});

t.test('a plugin that fails, hangs or gives an invalid answer is named, without its output', async (t) => {
  const secret = 'echo secret >&2';
  const cases: readonly (readonly [script: string, message: RegExp])[] = [
    [`${secret}; exit 3`, /failed with code 3/],
    [`${secret}; kill -9 $$`, /ended by SIGKILL/],
    [`${secret}; echo secret`, /did not answer with JSON/],
    ['echo "{}"', /ExecCredential/],
    [says({ token: 'a b' }), /neither a token nor a certificate/],
    [says({ token: 'abc', expirationTimestamp: '2020-01-01T00:00:00Z' }), /have ended; check the clock/],
    [says({ token: 'abc' }).replace('/v1', '/v1beta1'), /another version/],
  ];
  for (const [script, message] of cases) {
    const { file } = plugin(t, script);
    const error = await fails(t, kubeconfigCredentials(file, asGiven, tools, realClock)('first'), {
      code: 'no-identity',
      message,
    });
    t.notMatch(JSON.stringify(error.problem), /secret/);
  }
  const hangs = plugin(t, `${secret}; sleep 1000`);
  const impatient: Tools = { run: (argv, options) => tools.run(argv, { ...options, deadlineMs: 200 }) };
  await fails(t, kubeconfigCredentials(hangs.file, asGiven, impatient, realClock)('first'), {
    message: /did not answer within/,
  });
  rmSync(join(hangs.folder, 'plugin'));
  await fails(t, kubeconfigCredentials(hangs.file, asGiven, tools, realClock)('first'), {
    message: /cannot be started: ENOENT/,
  });
});

t.test('a plugin that other users can write is not run, nor a missing one', async (t) => {
  const given = plugin(t, says({ token: 'abc' }));
  const refusing: CredentialFiles = {
    ...asGiven,
    program: async (command) => {
      throw new Failure({ code: 'untrusted', message: 'it has mode 0777', where: { file: command } });
    },
  };
  const where = { file: join(given.folder, 'plugin') };
  await fails(t, kubeconfigCredentials(given.file, refusing, tools, realClock)('first'), {
    code: 'untrusted',
    where,
  });
  t.notOk(existsSync(join(given.folder, 'runs')));
  const exec = { apiVersion: version, command: 'no-such-plugin', interactiveMode: 'Never' };
  const file = write(given.folder, { exec });
  await fails(t, kubeconfigCredentials(file, asGiven, tools, realClock)('first'), {
    message: /is in no folder of PATH/,
  });
});
