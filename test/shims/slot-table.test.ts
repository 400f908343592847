import t from 'tap';
import { parseSettings } from '../../daemon/model/settings.ts';
import { entryFor, plainTable, slotTableOf, tableKey } from '../../daemon/shims/slot-table.ts';
import { parseShimResource } from '../../daemon/shims/resource.ts';
import type { Prepared } from '../../daemon/model/desired.ts';

const shimOf = (spec: object) => ({
  metadata: { name: 'spin' },
  spec: {
    fetchStrategy: { anonHttp: { location: 'https://x.example/shim', sha256: 'a'.repeat(64) } },
    rolloutStrategy: { scope: 'no-restart' as const },
    ...spec,
  },
});
const prepared = (entry: string): Prepared => {
  const [one] = parseSettings(`[runtime]\nprepare = [${entry}]\n`, 'config.toml').prepare;
  if (!one) throw new Error(entry);
  return one;
};

/** What a Shim asks for, each as it may be written. */
const specs: Readonly<Record<string, object>> = {
  nothing: {},
  cgroup: { containerdRuntimeOptions: { SystemdCgroup: 'true' } },
  values: {
    containerdRuntimeOptions: {
      Memory: '1Gi',
      Count: '12',
      Share: '1.5',
      List: '["a", 2]',
      Odd: '"a\\"b',
      Quoted: '"[1]"',
    },
  },
  'a large number': { containerdRuntimeOptions: { Most: '9223372036854775807' } },
  'a text like it': { containerdRuntimeOptions: { Most: '9223372036854775807n' } },
  annotations: { podAnnotations: ['a.example/*'], containerAnnotations: ['b', 'c'] },
  oci: { runtime: { type: 'oci', binary: 'crun', libraries: ['libwasmedge.so.0'] } },
  'another program': { runtime: { type: 'oci', binary: 'youki' } },
};

t.test('the entry that is shown prepares the very table that the Shim asks for', async (t) => {
  const keys = Object.entries(specs).map(([what, spec]) => {
    const { key, entry = '' } = slotTableOf(shimOf(spec), 'slot-1');
    t.comment(entry);
    const read = prepared(entry);
    t.equal(read.name, 'slot-1');
    t.equal(tableKey(read), key, what);
    // What the node itself reads of the Shim.
    const policy = { machine: 'amd64', allowUnpinned: false, allowedHosts: [] } as const;
    const asked = parseShimResource({ ...shimOf(spec), status: { slot: 'slot-1' } }, policy);
    t.strictSame(read.options, asked.options, what);
    t.equal(tableKey(asked), key, what);
    return key;
  });
  t.equal(keys[0], plainTable);
  t.equal(new Set(keys).size, keys.length, 'each is another table');
});

t.test(
  'the order of options is no difference, and that of annotations is one, as in the table',
  async (t) => {
    const keyOf = (spec: object) => slotTableOf(shimOf(spec), 'slot-1').key;
    t.equal(
      keyOf({ containerdRuntimeOptions: { A: '1', B: '2' } }),
      keyOf({ containerdRuntimeOptions: { B: '2', A: '1' } }),
    );
    t.not(keyOf({ podAnnotations: ['a', 'b'] }), keyOf({ podAnnotations: ['b', 'a'] }));
  },
);

t.test('a Shim that no node takes counts as plain', async (t) => {
  const odd = shimOf({ fetchStrategy: {}, containerdRuntimeOptions: { SystemdCgroup: 'true' } });
  t.strictSame(slotTableOf(odd, 'slot-1'), { key: plainTable });
  t.equal(entryFor('spin-v2', prepared('"spin-v2"')), '"spin-v2"');
});

t.test('an entry that may hold a credential, or is very long, is not shown', async (t) => {
  for (const value of ['https://user:pass@x', 'x'.repeat(2000)]) {
    const { key, entry } = slotTableOf(shimOf({ containerdRuntimeOptions: { Proxy: value } }), 'slot-1');
    t.match(key, /^[0-9a-f]{12}$/);
    t.equal(entry, undefined);
  }
});

t.test('an entry that would prepare another table is not shown: no file can have such options', async (t) => {
  for (const value of ['"true"', '"12"']) {
    const { key, entry } = slotTableOf(shimOf({ containerdRuntimeOptions: { Text: value } }), 'slot-1');
    t.match(key, /^[0-9a-f]{12}$/);
    t.equal(entry, undefined, value);
  }
});
