import t from 'tap';
import type { ShimObject } from '../../protocol/shim-object.ts';
import { faultOf, revisionOf } from '../../daemon/shims/revision.ts';

const of = (spec: unknown): string => revisionOf({ metadata: { name: 'spin' }, spec } as ShimObject);
const sha256 = 'ab'.repeat(32);
const fetchStrategy = { anonHttp: { location: 'https://example.com/a', sha256 } };
const platform = (arch: string, more: object = {}) => ({
  os: 'linux',
  arch,
  location: `https://example.com/${arch === 'x86_64' ? 'amd64' : arch === 'aarch64' ? 'arm64' : arch}`,
  sha256,
  ...more,
});
const on = (...platforms: object[]) => ({ fetchStrategy: { platforms } });

t.test('a revision covers what is asked of a node, in any order of keys', async (t) => {
  const one = of({ fetchStrategy, runtimeClass: { name: 'a', handler: 'spin' } });
  t.match(one, /^[0-9a-f]{16}$/);
  t.equal(of({ runtimeClass: { handler: 'spin', name: 'a' }, fetchStrategy }), one);
  t.not(of({ fetchStrategy, runtimeClass: { name: 'a', handler: 'other' } }), one);
  t.not(of({ fetchStrategy: {}, runtimeClass: { name: 'a', handler: 'spin' } }), one);
});

t.test('selector, strategy and name of the RuntimeClass do not change the revision', async (t) => {
  const one = of({ fetchStrategy, runtimeClass: { name: 'a' } });
  const another = {
    nodeSelector: { a: 'b' },
    rolloutStrategy: { paused: true },
    runtimeClass: {
      name: 'b',
      ...{ labels: { a: 'b' }, overhead: { podFixed: { cpu: '1' } }, scheduling: { tolerations: [] } },
    },
  };
  t.equal(of({ fetchStrategy, ...another }), one);
  for (const odd of [undefined, null, 'x', [], { runtimeClass: null }, { fetchStrategy: 1, runtime: [] }])
    t.match(of(odd), /^[0-9a-f]{16}$/);
});

t.test('equivalent specs have the same revision', async (t) => {
  const both = of(on(platform('amd64'), platform('arm64')));
  t.equal(of(on(platform('arm64'), platform('amd64'))), both, 'platforms in another order');
  t.equal(of(on(platform('x86_64'), platform('aarch64'))), both, 'architectures by their other names');
  t.equal(
    of(on(platform('amd64'), platform('arm64'), platform('riscv64'))),
    both,
    'one that is not built for',
  );
  t.equal(of(on(platform('amd64'), platform('arm64'), platform('amd64', { os: 'windows' }))), both);
  t.equal(of(on(platform('amd64', { sha256: `sha256:${sha256}` }), platform('arm64'))), both, 'a prefix');
  t.equal(of(on(platform('amd64', { sha256: sha256.toUpperCase() }), platform('arm64'))), both, 'case');
  const one = of({ fetchStrategy });
  t.equal(
    of({ fetchStrategy: { type: 'annonymousHttp', ...fetchStrategy } }),
    one,
    'a field without a meaning',
  );
  t.equal(of({ fetchStrategy: { ...fetchStrategy, platforms: [] } }), one, 'a list of nothing');
  t.equal(of({ fetchStrategy, runtime: { type: 'shim' }, podAnnotations: [] }), one, 'defaults');
  t.equal(of({ fetchStrategy, containerdRuntimeOptions: {} }), one);
  t.equal(of({ fetchStrategy, runtimeClass: { handler: 'spin' } }), one, 'the handler that it has anyway');
  const option = (value: unknown) =>
    of({ fetchStrategy, containerdRuntimeOptions: { SystemdCgroup: value } });
  t.equal(option('true'), option(true));
  t.equal(option('"true"') === option(true), false, 'a string is no boolean');
});

t.test('another table, or other bytes, are another revision', async (t) => {
  const one = of({ fetchStrategy, podAnnotations: ['a', 'b'] });
  const all = [
    one,
    of({ fetchStrategy }),
    of({ fetchStrategy, podAnnotations: ['b', 'a'] }),
    of({ fetchStrategy, containerAnnotations: ['a', 'b'] }),
    of({ fetchStrategy, containerdRuntimeOptions: { SystemdCgroup: 'true' } }),
    of({ fetchStrategy, containerdRuntimeOptions: { Most: '9223372036854775807' } }),
    of({ fetchStrategy, containerdRuntimeOptions: { Most: '9223372036854775807n' } }),
    of({ fetchStrategy, runtime: { type: 'oci', binary: 'crun' } }),
    of(on(platform('amd64'))),
    of(on(platform('arm64'))),
    of(on(platform('amd64'), platform('arm64'))),
    of({ fetchStrategy: { anonHttp: { location: 'https://example.com/a' } } }),
  ];
  t.equal(new Set(all).size, all.length);
});

// A version of this program that gives another answer here starts every rollout of every cluster anew.
t.test('a revision is the same in every version of this program', async (t) => {
  t.equal(of({ fetchStrategy }), '835875d658af59e5');
  t.equal(of(on(platform('amd64'), platform('arm64'))), '1384565eb29a23ee');
  const rest = {
    runtimeClass: { name: 'n', handler: 'h' },
    containerdRuntimeOptions: { SystemdCgroup: 'true', IoUid: '1000', Root: '/x' },
    podAnnotations: ['a.*'],
    containerAnnotations: ['b'],
    runtime: { type: 'oci', binary: 'crun', libraries: ['libwasmedge.so.0'] },
  };
  t.equal(of({ fetchStrategy, ...rest }), 'da4f4ff741c3842b');
});

t.test('a Shim that no node takes has a fault, and one for some nodes has none', async (t) => {
  const fault = (spec: unknown) => faultOf({ metadata: { name: 'spin' }, spec } as ShimObject);
  t.equal(fault({ fetchStrategy: { anonHttp: { location: 'https://example.com/a' } } }), undefined);
  t.equal(fault(on(platform('arm64'))), undefined);
  t.match(fault(on(platform('riscv64'))), { code: 'no-platform' });
  t.match(fault(on(platform('arm64', { sha256: 'x' }))), { code: 'bad-value', message: /\[0\]\.sha256/ });
  t.match(fault({ fetchStrategy: { anonHttp: { location: 'ftp://a' } } }), { message: /anonHttp\.location/ });
  for (const odd of [undefined, null]) t.equal(fault(odd), undefined);
});

t.test('a registry whose name is no address of any server is a fault of the Shim', async (t) => {
  const hosts = [
    'h.example:99999',
    '1.2.3.256',
    '1.2.3.4.5',
    'a.1',
    'a.0xffffffffff',
    '[:::::]:5',
    '[1.2.3.4]',
  ];
  for (const host of hosts)
    for (const spec of [
      { fetchStrategy: { oci: { image: `${host}/spin@sha256:${sha256}` } } },
      { fetchStrategy: { anonHttp: { location: `oci://${host}/spin@sha256:${sha256}` } } },
    ]) {
      t.match(of(spec), /^[0-9a-f]{16}$/, host);
      t.match(faultOf({ metadata: { name: 'spin' }, spec } as ShimObject), { code: 'bad-value' }, host);
    }
});

t.test('a defect of this program that one Shim meets is a fault of that Shim alone', async (t) => {
  const meets = (times: number): ShimObject => {
    const state = { reads: 0 };
    const spec = {
      get fetchStrategy(): object {
        if (state.reads++ < times) throw new TypeError('a defect');
        return fetchStrategy;
      },
    };
    return { metadata: { name: 'spin' }, spec } as ShimObject;
  };
  t.match(faultOf(meets(2)), { code: 'internal', detail: 'a defect' });
  t.match(revisionOf(meets(2)), /^[0-9a-f]{16}$/, 'of what is written, as of any Shim that no node takes');
});

t.test('the name of a Shim that asks for a slot need be none of a handler', async (t) => {
  const spec = { fetchStrategy, rolloutStrategy: { scope: 'no-restart' } };
  const named = (name: string, more: object = {}): ShimObject =>
    ({ metadata: { name }, spec: { ...spec, ...more } }) as ShimObject;
  for (const name of ['spin.v2', 'kata-spin']) {
    t.equal(faultOf(named(name)), undefined);
    t.match(faultOf(named(name, { rolloutStrategy: {} })), { message: /is (not valid|reserved)/ });
    t.not(revisionOf(named(name)), revisionOf(named('spin')));
  }
  t.equal(revisionOf(named('spin')), of({ fetchStrategy }), 'and the scope is no part of the revision');
  t.match(faultOf(named('spin', { runtimeClass: { name: 'a..b' } })), { message: /name of a RuntimeClass/ });
});
