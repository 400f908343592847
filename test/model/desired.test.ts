import t from 'tap';
import { canonical, digestOf } from '../../protocol/digest.ts';
import { binaryName, type Handler, nothing, storeKey } from '../../daemon/model/desired.ts';

const shim: Handler = {
  name: 'spin',
  shim: 'spin-v2',
  artifact: { url: 'https://example.com/a', sha256: 'a'.repeat(64) },
  runtime: { type: 'shim' },
  options: {},
  podAnnotations: [],
  containerAnnotations: [],
  where: { file: '/f' },
};
const oci = (binary: string, ...libraries: readonly string[]): Handler => ({
  ...shim,
  runtime: { type: 'oci', binary, libraries },
});

t.test('a shim has the file name that containerd expects, an OCI runtime its own', async (t) => {
  t.equal(binaryName(shim), 'containerd-shim-spin-v2');
  t.equal(binaryName(oci('crun', 'libwasmedge.so.0')), 'crun');
});

t.test('a folder of the store is named by the digest of its content', async (t) => {
  t.equal(storeKey({ ...shim, name: 'other' }), storeKey(shim), 'whatever its name');
  t.equal(storeKey({ ...shim, artifact: { url: 'https://example.com/a' } }), undefined);
  t.equal(storeKey({ ...shim, artifact: { url: 'https://example.com/a' } }, 'a'.repeat(64)), storeKey(shim));
  t.not(storeKey(shim, 'b'.repeat(64)), storeKey(shim));
  const oneArchive = [oci('crun'), oci('crun', 'a.so'), oci('crun', 'a.so', 'b.so'), oci('youki')];
  const keys = [...oneArchive, shim, { ...shim, shim: 'slight-v1' }].map((one) => storeKey(one));
  t.equal(new Set(keys).size, 6, 'another choice from one archive is another folder');
  for (const key of keys) t.match(key, /^[0-9a-f]{64}$/);
});

t.test('equal values have one text, whatever the order of their keys', async (t) => {
  t.equal(canonical({ b: [{ d: 1, c: 2n }], a: null }), canonical({ a: null, b: [{ c: 2n, d: 1 }] }));
  t.not(canonical({ a: 1n }), canonical({ a: 1 }));
  t.not(canonical({ a: 1n }), canonical({ a: '1n' }));
  t.not(canonical(['a', 'b']), canonical(['b', 'a']));
  t.equal(canonical({ a: undefined }), '{}');
});

t.test('digests are sha256 in hex', async (t) => {
  t.equal(digestOf(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  t.equal(digestOf('ä'), digestOf(Buffer.from('ä')));
});

t.test('uninstall has an explicitly empty desired state', async (t) => {
  t.same(nothing, { handlers: [], problems: [], lost: [] });
});
