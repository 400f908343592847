import type { ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { connectApi } from '../../kube/client.ts';
import { type KubeObject, type Reflected, reflect } from '../../kube/reflector.ts';
import {
  type ApiServer,
  type Asked,
  briskClock,
  json,
  makeAuthority,
  needsOpenssl,
  refuse,
  serveApi,
  withToken,
} from '../../testbed/simulated/api-server.ts';
import { until } from '../../testbed/until.ts';

const authority = needsOpenssl.skip ? undefined : makeAuthority(t.testdir({}));
const path = '/apis/runtime.spinkube.dev/v1alpha1/shims';

type Thing = KubeObject & { readonly spec?: string };

const thing = (name: string, version: number, spec = ''): Thing => ({
  metadata: { name, resourceVersion: String(version) },
  spec,
});
const list = (version: number, ...items: readonly Thing[]) => ({
  kind: 'ShimList',
  metadata: { resourceVersion: String(version) },
  items,
});
const send = (response: ServerResponse, type: string, object: unknown): void =>
  void response.write(`${JSON.stringify({ type, object })}\n`);

type Answer = (response: ServerResponse, asked: Asked) => void;

/** A server that answers lists and watches as told, the last answer for ever, and a reflector on it. */
const run = async (
  t: Test,
  lists: readonly Answer[],
  watches: readonly Answer[],
  given: {
    idleMs?: number;
    startJitterMs?: number;
    random?: number;
    form?: 'metadata' | 'unmanaged';
    elapsed?: () => number;
  } = {},
) => {
  const counts = { lists: 0, watches: 0 };
  const server: ApiServer = await serveApi(t, authority!, (asked, response) => {
    const isWatch = asked.url.searchParams.has('watch');
    const answers = isWatch ? watches : lists;
    const at = isWatch ? counts.watches++ : counts.lists++;
    if (isWatch) response.flushHeaders();
    answers[Math.min(at, answers.length - 1)]?.(response, asked);
  });
  const clock = { ...briskClock(given.random), ...(given.elapsed && { elapsed: given.elapsed }) };
  const api = connectApi(async () => withToken(server.url, authority!.ca), clock);
  const seen: Reflected<Thing>[] = [];
  const { idleMs = 60_000, startJitterMs = 0, form } = given;
  const query = { labelSelector: 'a=b' };
  const onChange = (now: Reflected<Thing>) => void seen.push(now);
  const reflector = reflect<Thing>(api, clock, {
    path,
    query,
    form,
    startJitterMs,
    onChange,
    idleMs,
  });
  t.teardown(() => {
    reflector.stop();
    api.close();
  });
  const names = () => reflector.current().items?.map(({ metadata }) => metadata.name);
  const queries = (isWatch: boolean) =>
    server.asked
      .map(({ url }) => Object.fromEntries(url.searchParams))
      .filter((query) => (query.watch === 'true') === isWatch)
      .map(({ labelSelector: _, ...rest }) => rest);
  return { server, clock, api, reflector, seen, names, counts, queries };
};

/** Stays open and says nothing. */
const open: Answer = () => undefined;
const lists =
  (...given: Parameters<typeof list>): Answer =>
  (response) =>
    json(response, list(...given));
const refuses =
  (code: number, more: object = {}): Answer =>
  (response) =>
    refuse(response, code, `no ${code}`, more);

/** A watch answer that is no 200; `run` has sent the headers already. */
const fault =
  (code: number): Answer =>
  (response) =>
    send(response, 'ERROR', { kind: 'Status', code, message: 'no' });

t.test('it lists from the cache, watches from there, and applies events', needsOpenssl, async (t) => {
  const state: { response?: ServerResponse } = {};
  const managed = { ...thing('a', 5), metadata: { ...thing('a', 5).metadata, managedFields: [{}] } };
  const { reflector, names, queries, seen, server, clock } = await run(
    t,
    [lists(10, managed, thing('b', 7))],
    [
      (response) => {
        state.response = response;
      },
    ],
  );
  t.same(reflector.current(), {
    items: undefined,
    confirmed: undefined,
    problem: undefined,
  });
  await until(() => state.response !== undefined);
  t.same(names(), ['a', 'b']);
  t.same(queries(false), [{ resourceVersion: '0' }]);
  const [watch] = queries(true);
  t.match(watch, {
    watch: 'true',
    resourceVersion: '10',
    allowWatchBookmarks: 'true',
    timeoutSeconds: '2700',
  });
  t.equal(server.asked[1]?.url.searchParams.get('labelSelector'), 'a=b');
  t.notMatch(JSON.stringify(reflector.current()), /managedFields/);
  const { response } = state;
  if (response === undefined) return;
  await until(() => seen.length === 1);
  const all = [
    { type: 'ADDED', object: thing('c', 11) },
    { type: 'MODIFIED', object: thing('a', 12, 'new') },
    { type: 'DELETED', object: thing('b', 13) },
  ];
  response.write(all.map((event) => `${JSON.stringify(event)}\n`).join(''));
  await until(() => names()?.join() === 'a,c');
  await until(() => seen.length > 1);
  t.equal(seen.length, 2, 'told once for a burst');
  t.equal(seen[1]?.items?.find(({ metadata }) => metadata.name === 'a')?.spec, 'new');
  const before = reflector.current().confirmed ?? 0;
  // In the same millisecond it would be no later.
  await until(() => clock.now() > before);
  send(response, 'BOOKMARK', { metadata: { resourceVersion: '20' } });
  await until(() => (reflector.current().confirmed ?? 0) > before);
  t.equal(seen.length, 2, 'a bookmark is no change');
});

t.test('a watch that ends is resumed where it was, without a list', needsOpenssl, async (t) => {
  const { queries, counts, clock } = await run(
    t,
    [lists(10, thing('a', 5))],
    [
      (response) => {
        send(response, 'BOOKMARK', { metadata: { resourceVersion: '20' } });
        response.end();
      },
      (response) => {
        const line = JSON.stringify({ type: 'ADDED', object: thing('b', 30) });
        response.write(`${line}\n`, () => response.destroy());
      },
      open,
    ],
  );
  await until(() => counts.watches === 3);
  t.same(
    queries(true).map(({ resourceVersion }) => resourceVersion),
    ['10', '20', '30'],
  );
  t.equal(counts.lists, 1);
  t.ok(
    clock.slept.slice(1).every((ms) => ms > 0 && ms <= 1000),
    'after a moment that is not the same for all',
  );
});

t.test('after an expired version it lists again, not older than what was seen', needsOpenssl, async (t) => {
  const { queries, counts, reflector, seen } = await run(
    t,
    [
      lists(10, thing('a', 5)),
      refuses(504, { details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } }),
      lists(7),
    ],
    [fault(410), open],
  );
  await until(() => counts.watches === 2);
  t.same(queries(false), [
    { resourceVersion: '0' },
    { resourceVersion: '10', resourceVersionMatch: 'NotOlderThan' },
    {},
  ]);
  t.equal(queries(true)[1]?.resourceVersion, '7', 'a restored etcd counts from lower');
  t.same(reflector.current().items, []);
  t.notOk(
    seen.some(({ problem }) => problem),
    'which is nothing that a person has to know',
  );
});

t.test('no error is an empty list', needsOpenssl, async (t) => {
  const odd: Answer[] = [
    refuses(500),
    (response) => json(response, { kind: 'Status', metadata: {} }),
    (response) => json(response, { kind: 'ShimList', metadata: { resourceVersion: '1' } }),
    (response) => json(response, { kind: 'ShimList', metadata: {}, items: [] }),
    (response) =>
      json(response, { kind: 'ShimList', metadata: { resourceVersion: '1' }, items: [{ metadata: {} }] }),
    (response) => json(response, { kind: 'ShimList', items: [] }),
    (response) => response.end('<html>'),
    (response) => void response.writeHead(200, { 'content-length': 50 }).write('{', () => response.destroy()),
    (response) => json(response, { kind: 'ShimList', metadata: { resourceVersion: '3' }, items: null }),
  ];
  const { reflector, seen, counts, clock } = await run(t, odd, [open]);
  await until(() => counts.watches === 1);
  const failures = seen.filter(({ problem }) => problem);
  t.ok(failures.length > 0);
  t.ok(failures.every(({ items }) => items === undefined));
  t.same(reflector.current().items, [], 'this one really was');
  t.equal(reflector.current().problem, undefined);
  const limits = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000];
  t.same(clock.slept.slice(1), limits, 'pauses that grow');
});

t.test(
  'a removed definition, or a removed permission, keeps the items and is retried slowly',
  needsOpenssl,
  async (t) => {
    for (const [code, problem] of [
      [404, 'api-missing'],
      [403, 'api-forbidden'],
    ] as const) {
      const state = { refusing: true, count: 0 };
      const server = await serveApi(t, authority!, ({ url }, response) => {
        state.count++;
        if (!url.searchParams.has('watch')) {
          if (state.count === 1 || !state.refusing) return json(response, list(10, thing('a', 5)));
          return refuse(response, code, 'no');
        }
        if (state.count === 2) return void response.writeHead(200).end();
        if (state.refusing) return refuse(response, code, 'no');
        response.writeHead(200).flushHeaders();
      });
      const clock = briskClock();
      const api = connectApi(async () => withToken(server.url, authority!.ca), clock);
      const seen: Reflected<Thing>[] = [];
      const reflector = reflect<Thing>(api, clock, {
        path,
        startJitterMs: 0,
        onChange: (now) => void seen.push(now),
      });
      t.teardown(() => {
        reflector.stop();
        api.close();
      });
      await until(() => state.count > 9);
      t.equal(reflector.current().problem?.code, problem);
      t.equal(reflector.current().items?.length, 1);
      t.ok(clock.slept.slice(6).every((ms) => ms >= 30_000));
      state.refusing = false;
      await until(() => reflector.current().problem === undefined);
      t.equal(reflector.current().items?.length, 1);
      await until(() => seen.at(-1)?.problem === undefined);
      t.same([...new Set(seen.map(({ problem }) => problem?.code))], [undefined, problem]);
    }
  },
);

t.test('after an outage a denial is retried at once', needsOpenssl, async (t) => {
  const away = Array.from({ length: 8 }, () => refuses(500));
  const { clock, counts } = await run(t, [...away, refuses(403), lists(10)], [open]);
  await until(() => counts.watches === 1);
  t.ok((clock.slept[8] ?? 0) > 60_000, 'while it was away it was left alone');
  t.equal(clock.slept[9], 750);
});

t.test('failures before a long watch cause no pause', needsOpenssl, async (t) => {
  for (const [stood, pause] of [
    [20_000, 500],
    [1000, 4000],
  ] as const) {
    const time = { now: 0 };
    const breaks: Answer = (response) => {
      setTimeout(() => {
        time.now += stood;
        response.destroy();
      }, 50);
    };
    const { clock, counts } = await run(
      t,
      [refuses(500), refuses(500), refuses(500), lists(10)],
      [breaks, open],
      { elapsed: () => time.now },
    );
    await until(() => counts.watches === 2);
    t.same(clock.slept.slice(1, 4), [500, 1000, 2000], 'lists that failed');
    t.equal(clock.slept[4], pause, `a watch that broke off after ${stood} ms`);
  }
});

t.test('a busy server is not asked for as long as it says', needsOpenssl, async (t) => {
  const { clock, counts } = await run(
    t,
    [(response) => void response.writeHead(429, { 'retry-after': '20' }).end('{}'), lists(10)],
    [open],
  );
  await until(() => counts.watches === 1);
  t.equal(clock.slept[1], 25_000, 'and a little more, not the same for all');
});

t.test('a half-open connection is closed, and the watch resumed', needsOpenssl, async (t) => {
  const { counts, queries, seen } = await run(
    t,
    [lists(10)],
    [open, (response) => send(response, 'ADDED', thing('b', 11))],
    {
      idleMs: 100,
    },
  );
  await until(() => counts.watches >= 3);
  t.equal(queries(true)[1]?.resourceVersion, '10');
  t.equal(queries(true)[2]?.resourceVersion, '11');
  t.notOk(seen.some(({ problem }) => problem));
});

t.test('a server whose watches never send anything is asked for a list', needsOpenssl, async (t) => {
  const { counts, queries } = await run(t, [lists(10)], [open], { idleMs: 50 });
  await until(() => counts.lists === 2);
  t.equal(counts.watches, 2);
  t.match(queries(false)[1], { resourceVersion: '10', resourceVersionMatch: 'NotOlderThan' });
});

t.test('a list in pieces is put together', needsOpenssl, async (t) => {
  const { counts, queries, names } = await run(
    t,
    [
      (response) =>
        json(response, { ...list(10, thing('a', 5)), metadata: { resourceVersion: '10', continue: 'more' } }),
      lists(10, thing('b', 6)),
    ],
    [open],
  );
  await until(() => counts.watches === 1);
  t.same(queries(false), [{ resourceVersion: '0' }, { continue: 'more' }]);
  t.same(names(), ['a', 'b']);
});

t.test('nodes that start together do not ask at the same moment', needsOpenssl, async (t) => {
  const { clock, counts } = await run(t, [lists(10)], [open], { startJitterMs: 60_000, random: 0.25 });
  await until(() => counts.watches === 1);
  t.equal(clock.slept[0], 15_000);
});

t.test('where only metadata is needed, nothing else is requested', needsOpenssl, async (t) => {
  const { server, counts } = await run(t, [lists(10)], [open], { form: 'metadata' });
  await until(() => counts.watches === 1);
  t.match(
    server.asked.map(({ headers }) => headers.accept),
    [/as=PartialObjectMetadataList;/, /as=PartialObjectMetadata;/],
  );
});

t.test(
  'a server that can is asked to leave managedFields out; others send the whole object',
  needsOpenssl,
  async (t) => {
    const { server, counts } = await run(t, [lists(10)], [open], { form: 'unmanaged' });
    await until(() => counts.watches === 1);
    // Twice the same type: what a server does not know of the first it takes by the second.
    const asked = 'application/json;drop=metadata.managedFields,application/json';
    t.same(
      server.asked.map(({ headers }) => headers.accept),
      [asked, asked],
    );
  },
);

t.test('after a stop it is silent and closes its connection', needsOpenssl, async (t) => {
  const state = { closed: false };
  const { reflector, seen, counts } = await run(
    t,
    [lists(10)],
    [
      (response) => {
        response.on('close', () => {
          state.closed = true;
        });
        send(response, 'ADDED', thing('a', 11));
      },
    ],
  );
  await until(() => reflector.current().items?.length === 1);
  reflector.stop();
  const told = seen.length;
  await until(() => state.closed);
  t.equal(seen.length, told);
  t.same(counts, { lists: 1, watches: 1 });
});

t.test('stopped before the start, it never asks', needsOpenssl, async (t) => {
  const { reflector, server, clock } = await run(t, [lists(10)], [open], { startJitterMs: 1000 });
  reflector.stop();
  await clock.sleep(1);
  await pause(20);
  t.equal(server.asked.length, 0);
});

t.test(
  'a long list is read in pages, and only the needed fields of each object are kept',
  needsOpenssl,
  async (t) => {
    const state: { response?: ServerResponse } = {};
    const server = await serveApi(t, authority!, ({ url }, response) => {
      if (url.searchParams.has('watch')) {
        state.response = response;
        return response.flushHeaders();
      }
      const first = !url.searchParams.has('continue');
      const metadata = { resourceVersion: '10', ...(first ? { continue: 'more' } : {}) };
      json(response, { ...list(10, thing(first ? 'a' : 'b', 5, 'x')), metadata });
    });
    const clock = briskClock();
    const api = connectApi(async () => withToken(server.url, authority!.ca), clock);
    const seen: unknown[] = [];
    const odd: string[] = [];
    const reflector = reflect<{ name: string; resourceVersion: string | undefined; spec: string }>(
      api,
      clock,
      {
        path,
        startJitterMs: 0,
        limit: 1,
        keep: (object) => {
          if ((object as Thing).spec === 'odd') throw new Error('odd');
          return {
            name: object.metadata.name,
            resourceVersion: object.metadata.resourceVersion,
            spec: (object as Thing).spec ?? '',
          };
        },
        onOdd: (key, { message }) => void odd.push(`${key}: ${message}`),
        onChange: (now) => void seen.push(now.items),
      },
    );
    t.teardown(() => {
      reflector.stop();
      api.close();
    });
    await until(() => state.response !== undefined && seen.length === 1);
    t.same(
      server.asked.slice(0, 2).map(({ url }) => Object.fromEntries(url.searchParams)),
      [{ limit: '1' }, { limit: '1', continue: 'more' }],
      'not from a cache, which knows no pages',
    );
    const kept = (name: string, resourceVersion: string, spec: string) => ({ name, resourceVersion, spec });
    t.same(reflector.current().items, [kept('a', '5', 'x'), kept('b', '5', 'x')]);
    send(state.response!, 'MODIFIED', { ...thing('a', 11, 'x'), status: 'a heartbeat' });
    await until(() => reflector.version() === '11');
    await pause(20);
    t.equal(seen.length, 1, 'an event of an unknown object is not reported');
    t.same(reflector.current().items?.[0], kept('a', '11', 'x'), 'but its version is known');
    send(state.response!, 'MODIFIED', thing('a', 12, 'y'));
    await until(() => seen.length === 2);
    send(state.response!, 'MODIFIED', thing('a', 13, 'odd'));
    send(state.response!, 'ADDED', thing('c', 14, 'odd'));
    send(state.response!, 'DELETED', thing('b', 15, 'x'));
    await until(() => seen.length === 3);
    t.same(
      reflector.current().items,
      [kept('a', '12', 'y')],
      'what cannot be read is as it was, or left out',
    );
    t.same(odd, ['/a: an unforeseen error (Error)', '/c: an unforeseen error (Error)']);
    t.equal(server.asked.length, 3, 'in the same watch');
  },
);
