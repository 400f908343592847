/** The definition of Shim, the samples, and the manifests that others wrote, as far as they can be judged without a server. */

import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { shimKey } from '../../../controller/model/keys.ts';
import { Failure, hintOf } from '../../../protocol/problem/problem.ts';
import type { Policy } from '../../../daemon/shims/location.ts';
import { fieldKeys } from '../../../daemon/shims/fields.ts';
import { parseShimResource } from '../../../daemon/shims/resource.ts';
import { accepted, refused } from '../../fixtures/shims/refused.ts';

const root = join(import.meta.dirname, '../../..');
const read = (path: string) => parse(readFileSync(join(root, path), 'utf8'), { maxAliasCount: 100 });
const named = (pattern: string): readonly (readonly [name: string, path: string])[] =>
  globSync(pattern, { cwd: root })
    .sort()
    .map((path) => [basename(path, '.yaml'), path] as const);

const amd64: Policy = { machine: 'amd64', allowUnpinned: false, allowedHosts: [] };
const arm64: Policy = { ...amd64, machine: 'arm64' };
const open = (policy: Policy): Policy => ({ ...policy, allowUnpinned: true });

/** The code of the problem and what to do about it; `undefined` where it is accepted. */
const refusal = (object: unknown, policy: Policy) => {
  try {
    parseShimResource(object, policy);
    return undefined;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { code, message } = error.problem;
    return { code, message, hint: hintOf(error.problem) };
  }
};

type Schema = {
  readonly type?: string;
  readonly description?: string;
  readonly maxLength?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
};

const crd = read('bootstrap/crd/shims.yaml');
const schema: Schema = crd.spec.versions[0].schema.openAPIV3Schema;

const walk = (
  path: string,
  at: Schema,
  visit: (path: string, at: Schema, isField: boolean) => void,
  isField = true,
): void => {
  visit(path, at, isField);
  for (const [key, inner] of Object.entries(at.properties ?? {})) walk(`${path}.${key}`, inner, visit);
  if (at.items) walk(`${path}[]`, at.items, visit, false);
  if (at.additionalProperties) walk(`${path}{}`, at.additionalProperties, visit, false);
};

t.test('the CRD accepts what users of runtime-class-manager write', async (t) => {
  t.equal(crd.metadata.name, 'shims.runtime.spinkube.dev');
  t.match(crd.spec, {
    group: 'runtime.spinkube.dev',
    scope: 'Cluster',
    names: { kind: 'Shim', plural: 'shims', singular: 'shim' },
    versions: [{ name: 'v1alpha1', served: true, storage: true, subresources: { status: {} } }],
  });
  t.equal(crd.spec.versions.length, 1);
});

t.test('the CRD has the fields that a node reads, and no others', async (t) => {
  t.same(Object.keys(schema.properties?.spec?.properties ?? {}).sort(), [...fieldKeys].sort());
  t.notMatch(JSON.stringify(crd), 'preserve-unknown-fields');
});

t.test('each field has a description and a limit', async (t) => {
  for (const part of ['spec', 'status'])
    walk(part, schema.properties?.[part] ?? {}, (path, at, isField) => {
      const isPlain = path.includes('conditions[]');
      if (isField && !isPlain) t.match(at.description, /^[A-Za-z].{15,}\.$/, path);
      const isEnum = 'enum' in at || 'format' in at;
      if (at.type === 'string' && !isEnum) t.type(at.maxLength, 'number', `${path} has an end`);
      if (at.type === 'array') t.ok('maxItems' in at, `${path} has an end`);
      if (at.additionalProperties) t.ok('maxProperties' in at, `${path} has an end`);
    });
});

t.test('a node refuses what the schema refuses, where the node reads it', async (t) => {
  t.equal(refusal(accepted, amd64), undefined);
  for (const { why, spec, node } of refused) {
    const found = refusal({ ...accepted, spec: { ...accepted.spec, ...spec } }, open(amd64));
    if (node) t.match(found?.message, node, why);
    else t.equal(found, undefined, why);
  }
});

t.test('each sample has a RuntimeClass and a Pod that belong to it', async (t) => {
  const samples = named('bootstrap/samples/shim-*.yaml');
  t.same(samples.map(([name]) => name.slice('shim-'.length)).sort(), [
    ...['crun-nodejs', 'crun-wasmedge', 'crun-wasmtime', 'gvisor', 'kata', 'lunatic', 'slight', 'spin'],
    ...['sysbox', 'wasmedge', 'wasmer', 'wasmtime', 'wws', 'youki'],
  ]);
  const fields = (field: (shim: { spec: Schema & Record<string, Record<string, string>> }) => unknown) =>
    new Set(samples.map(([, path]) => field(read(path))));
  t.equal(fields(({ spec }) => spec.runtimeClass?.handler).size, samples.length, 'all fit on one node');
  for (const [name, path] of samples) {
    const shim = read(path);
    const sibling = (kind: string) => read(path.replace(name, name.replace('shim', kind)));
    const { name: runtimeClassName, handler, labels, overhead, scheduling = {} } = shim.spec.runtimeClass;
    const ofPerson = sibling('runtimeclass');
    t.same(
      [ofPerson.overhead, ofPerson.scheduling.tolerations],
      [overhead, scheduling.tolerations],
      `${name}: as the controller would make it`,
    );
    t.match(ofPerson.metadata.labels, labels ?? {}, name);
    t.match(
      ofPerson,
      {
        apiVersion: 'node.k8s.io/v1',
        kind: 'RuntimeClass',
        // By the label a controller that comes later takes it over.
        metadata: { name: runtimeClassName, labels: { [shimKey]: shim.metadata.name } },
        handler,
        scheduling: { nodeSelector: { [`shim.rcm.spinkube.dev/${handler}`]: 'served' } },
      },
      name,
    );
    t.match(sibling('pod'), { apiVersion: 'v1', kind: 'Pod', spec: { runtimeClassName } }, name);
  }
  t.equal(
    globSync('bootstrap/samples/*.yaml', { cwd: root }).length,
    3 * samples.length,
    'and there is no other object',
  );
});

t.test('a node accepts every sample, or refuses it for a missing digest only', async (t) => {
  for (const [name, path] of named('bootstrap/samples/shim-*.yaml')) {
    const shim = read(path);
    t.equal(refusal(shim, open(amd64)), undefined, name);
    const isPinned = shim.spec.fetchStrategy.platforms[0].sha256 !== undefined;
    t.equal(refusal(shim, amd64)?.code, isPinned ? undefined : 'unpinned', name);
  }
});

t.test('a sample works, or names what is missing', async (t) => {
  const sample = (name: string) => read(`bootstrap/samples/shim-${name}.yaml`);
  for (const policy of [amd64, arm64]) {
    t.match(parseShimResource(sample('spin'), policy), {
      name: 'spin-v2',
      shim: 'spin-v2',
      options: { SystemdCgroup: true },
    });
    t.match(refusal(sample('wasmedge'), policy), { code: 'unpinned', hint: /allowUnpinned = true/ });
    t.match(parseShimResource(sample('wasmedge'), open(policy)), { name: 'wasmedge-v1' });
  }
  t.match(refusal(sample('crun-wasmedge'), amd64), { code: 'unpinned' });
  t.match(parseShimResource(sample('crun-wasmedge'), open(amd64)), {
    name: 'wasmedge',
    runtime: { type: 'oci', binary: 'crun', libraries: ['libwasmedge.so.0'] },
    podAnnotations: ['module.wasm.image/*'],
  });
  t.match(refusal(sample('crun-wasmedge'), open(arm64)), { code: 'no-platform' });
});

/** What each of the manifests in test/fixtures/rcm asks for, and whether it names the digest of it. */
const asked: Readonly<
  Record<string, readonly [handler: string, shim: string, isPinned: boolean, from: RegExp]>
> = {
  'as-stored': ['spin-v2', 'spin-v2', true, /v0\.23\.0\/.*x86_64/],
  lunatic: ['lunatic', 'lunatic-v1', false, /lunatic-linux-aarch64/],
  'odd-values': ['spin-v2', 'spin-v2', false, /v0\.22\.0\/.*x86_64/],
  slight: ['slight', 'slight-v1', false, /slight-linux-aarch64/],
  spin: ['spin-v2', 'spin-v2', true, /v0\.23\.0\/.*x86_64/],
  'spin-both-ways': ['spin-v2', 'spin-v2', true, /v0\.23\.0\/.*x86_64/],
  'spin-no-digest': ['spin-v2', 'spin-v2', false, /v0\.22\.0\/.*x86_64/],
  'spin-no-type': ['spin-v2', 'spin-v2', false, /v0\.22\.0\/.*aarch64/],
  'spin-single-location': ['spin-v2', 'spin-v2', false, /v0\.19\.0\/.*aarch64/],
  wasmtime: ['wasmtime-v1', 'wasmtime-v1', false, /%2Fv0\.6\.0\/.*x86_64/],
  'wasmtime-single-location': ['wasmtime', 'wasmtime-v1', false, /%2Fv0\.6\.0\/.*aarch64/],
  wws: ['wws', 'wws-v1', false, /wws-linux-aarch64/],
};

t.test('every manifest of runtime-class-manager has the same meaning here', async (t) => {
  const manifests = named('test/fixtures/rcm/*.yaml');
  t.same(manifests.map(([name]) => name).sort(), Object.keys(asked).sort());
  for (const [name, path] of manifests) {
    const [handler, shim, isPinned, from] = asked[name] ?? ['', '', false, /^$/];
    const object = read(path);
    const parsed = parseShimResource(object, open(amd64));
    t.match(parsed, { name: handler, shim, artifact: { url: from } }, name);
    t.equal(parsed.artifact.sha256 !== undefined, isPinned, name);
    const strict = refusal(object, amd64);
    if (isPinned) t.equal(strict, undefined, name);
    else
      t.match(
        strict,
        { code: 'unpinned', hint: /allowUnpinned = true in \/etc\/rcm-node\/config\.toml/ },
        name,
      );
    t.match(object.spec.nodeSelector, { [shim.replace(/-v\d$/, '')]: 'true' }, name);
    const cgroup = object.spec.containerdRuntimeOptions?.SystemdCgroup === 'true';
    const odd = name === 'odd-values' ? { Ratio: 1.5, Features: ['sqlite', 'key-value'] } : {};
    t.same(parsed.options, cgroup ? { SystemdCgroup: true, ...odd } : {}, name);
  }
});
