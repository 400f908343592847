import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import t, { type Test } from 'tap';
import type { Wanted } from '../../../../host/artifact/archive.ts';
import { pickImage } from '../../../../host/artifact/layers/image.ts';
import { Failure } from '../../../../protocol/problem/problem.ts';
import { paxRecord, tarEnd, tarEntry } from '../../../fixtures/artifacts/hostile.ts';

const shim = 'containerd-shim-spin-v2';
const limits = { maxBytes: 1_000_000, maxEntries: 1000 };
const spin: Wanted = { kind: 'shim', name: 'spin-v2' };

const file = (path: string, body: string): Buffer => tarEntry(path, '0', body);
const folder = (path: string): Buffer => tarEntry(`${path}/`, '5');
const link = (path: string, to: string, type: '1' | '2' = '2'): Buffer =>
  Buffer.concat([tarEntry('x', 'x', paxRecord('linkpath', to)), tarEntry(path, type)]);
const layer = (...entries: readonly Buffer[]): Buffer => Buffer.concat([...entries, tarEnd]);

type Given = { readonly wanted?: Wanted; readonly path?: string; readonly limits?: typeof limits };

const picked = async (t: Test, layers: readonly Buffer[], given: Given = {}) => {
  const root = t.testdir();
  const paths = layers.map((bytes, index) => {
    writeFileSync(join(root, `${index}`), bytes);
    return join(root, `${index}`);
  });
  const into = join(root, 'into');
  mkdirSync(into);
  try {
    const found = await pickImage(paths, given.wanted ?? spin, given.path, into, given.limits ?? limits);
    return Object.fromEntries(found.map(({ name, path }) => [name, readFileSync(path, 'utf8')]));
  } catch (error) {
    t.same(readdirSync(into), [], 'nothing is left');
    if (error instanceof Failure) return error.problem;
    throw error;
  }
};

const refused = async (t: Test, layers: readonly Buffer[], message: RegExp, given: Given = {}) =>
  t.match(await picked(t, layers, given), { code: 'bad-archive', message });

t.test('the node-installer images of SpinKube give the shim that is asked for', async (t) => {
  // busybox, a script, and shims below /assets: its Dockerfile, node-installer/Dockerfile of containerd-shim-spin.
  const base = layer(folder('bin'), file('bin/busybox', 'busybox'), link('bin/sh', 'bin/busybox', '1'));
  const script = layer(folder('script'), file('script/installer.sh', '#!/usr/bin/env sh'));
  const spins = layer(folder('assets'), file(`assets/${shim}`, 'spin'));
  const others = layer(file('assets/containerd-shim-wasmtime-v1', 'wasmtime'));
  const layers = [gzipSync(base), gzipSync(script), zstdCompressSync(spins), others];
  t.same(await picked(t, layers), { [shim]: 'spin' });
  t.same(await picked(t, layers, { path: '/assets/containerd-shim-wasmtime-v1' }), { [shim]: 'wasmtime' });
  t.same(await picked(t, layers, { wanted: { kind: 'shim', name: 'wasmtime-v1' } }), {
    'containerd-shim-wasmtime-v1': 'wasmtime',
  });
  await refused(
    t,
    layers,
    /no "containerd-shim-wws-v1" but several shims: "\/assets\/containerd-shim-spin-v2"/,
    {
      wanted: { kind: 'shim', name: 'wws-v1' },
    },
  );
  await refused(t, layers, /the image has no file "\/assets\/other"$/, { path: 'assets/other' });
});

t.test('a file is of the highest layer that has it, with mode 0755 whatever the layer says', async (t) => {
  const layers = [layer(file(shim, 'old')), layer(file(shim, 'new')), layer(file('other', 'x'))];
  t.same(await picked(t, layers), { [shim]: 'new' });
  t.equal(statSync(join(t.testdirName, 'into', shim)).mode & 0o7777, 0o755);
});

t.test('what a higher layer deletes or covers is not there', async (t) => {
  const base = layer(folder('a'), file(`a/${shim}`, 'spin'));
  const gone = /the image has no file "containerd-shim-spin-v2"/;
  await refused(t, [base, layer(file(`a/.wh.${shim}`, ''))], gone);
  await refused(t, [base, layer(file('.wh.a', ''))], gone, {});
  await refused(t, [base, layer(file('a/.wh..wh..opq', ''))], gone);
  await refused(t, [base, layer(file('.wh..wh..opq', ''))], gone);
  await refused(t, [base, layer(file('a', 'a file now'))], gone);
  await refused(t, [base, layer(folder(`a/${shim}`))], gone);
  await refused(t, [base, layer(file('.wh.a', ''))], /no file "\/a\/containerd-shim-spin-v2"/, {
    path: `/a/${shim}`,
  });
  await refused(t, [base, layer(file('a/.wh.', ''))], /a whiteout of nothing in "\/a"/);
  await refused(t, [base, layer(file('a/.wh...', ''))], /a whiteout of nothing/);
});

t.test('a whiteout is about lower layers only, wherever it stands in its own', async (t) => {
  const base = layer(file(`a/${shim}`, 'old'));
  const opaque = file('a/.wh..wh..opq', '');
  t.same(await picked(t, [base, layer(file(`a/${shim}`, 'new'), opaque)]), { [shim]: 'new' });
  t.same(await picked(t, [base, layer(opaque, file(`a/${shim}`, 'new'))]), { [shim]: 'new' });
  t.same(await picked(t, [base, layer(file(`a/.wh.${shim}`, '')), base]), { [shim]: 'old' });
  // A name that begins alike is another one, and so is what storage drivers leave.
  t.same(await picked(t, [base, layer(file('.wh.a2', ''), file('a/.wh..wh.plnk', ''))]), { [shim]: 'old' });
});

t.test('links are followed inside of the image, and nowhere else', async (t) => {
  const base = layer(file('usr/lib/spin', 'spin'), file('etc/passwd', 'of the image'));
  const to = (target: string, type: '1' | '2' = '2') => [base, layer(link(`bin/${shim}`, target, type))];
  t.same(await picked(t, to('/usr/lib/spin')), { [shim]: 'spin' });
  t.same(await picked(t, to('../usr/lib/spin')), { [shim]: 'spin' });
  t.same(await picked(t, to('usr/lib/spin', '1')), { [shim]: 'spin' }, 'a hard link');
  t.same(
    await picked(t, to('../../../../../../etc/passwd')),
    { [shim]: 'of the image' },
    '".." ends at the root',
  );
  await refused(
    t,
    to('/etc/shadow'),
    /no file "\/bin\/containerd-shim-spin-v2"; it leads to "\/etc\/shadow"/,
  );
  await refused(t, to(`/bin/${shim}`), /leads in a circle/);
  await refused(t, to('../../etc/passwd', '1'), /an entry with "\.\." in its path/);
  const folders = [base, layer(link('bin', 'usr/lib'))];
  t.same(await picked(t, folders, { path: '/bin/spin' }), { [shim]: 'spin' }, 'a folder may be a link');
  await refused(t, [layer(link('bin', 'bin/x'))], /leads in a circle/, { path: '/bin/spin' });
});

t.test('a hard link keeps what it had when another file takes the name', async (t) => {
  const first = layer(file('spin', 'first'), link(shim, 'spin', '1'));
  t.same(await picked(t, [first, layer(file('spin', 'second'))]), { [shim]: 'first' });
});

t.test('paths that lead out, devices and folders are no files', async (t) => {
  await refused(
    t,
    [layer(file(`../${shim}`, 'x'))],
    /an entry with "\.\." in its path: "\.\.\/containerd-shim/,
  );
  await refused(t, [layer(file(`a/../../${shim}`, 'x'))], /"\.\." in its path/);
  t.same(
    await picked(t, [layer(file(`/opt/./${shim}`, 'x'))]),
    { [shim]: 'x' },
    'a root is that of the image',
  );
  await refused(t, [layer(tarEntry(shim, '3'))], /no file "containerd-shim-spin-v2"/);
  await refused(t, [layer(tarEntry(shim, '3'))], /not a regular file in the image but CharacterDevice/, {
    path: shim,
  });
  await refused(t, [layer(file('a', 'x'))], /"\.\." in its path/, { path: '../a' });
});

t.test('the same name at two places is a choice that the Shim has to make', async (t) => {
  const two = [layer(file(`a/${shim}`, 'a'), file(`b/${shim}`, 'b'), file(`a/${shim}.sig`, 'signature'))];
  await refused(t, two, /2 times: "\/a\/containerd-shim-spin-v2", "\/b\/containerd-shim-spin-v2"$/);
  t.match(await picked(t, two), { hint: /fetchStrategy\.oci\.path/ });
  t.same(await picked(t, two, { path: `/b/${shim}` }), { [shim]: 'b' });
});

t.test('an OCI runtime comes with its libraries, which links may name', async (t) => {
  const layers = [
    layer(file('usr/bin/crun', 'crun'), file('usr/lib/libwasmedge.so.0.1', 'engine')),
    layer(link('usr/lib/libwasmedge.so.0', 'libwasmedge.so.0.1'), file('opt/crun', 'another crun')),
  ];
  const wanted: Wanted = { kind: 'named', names: ['crun', 'libwasmedge.so.0'] };
  t.same(await picked(t, layers, { wanted, path: '/opt/crun' }), {
    crun: 'another crun',
    'libwasmedge.so.0': 'engine',
  });
  await refused(t, layers, /"crun" 2 times/, { wanted });
});

t.test('several names may lead to one file, within the limit', async (t) => {
  const body = 'x'.repeat(40_000);
  const wanted: Wanted = { kind: 'named', names: ['engine', 'liba.so', 'liba.so.1'] };
  const layers = [
    layer(file('bin/engine', 'engine'), file('lib/liba.so.1.0', body)),
    layer(link('lib/liba.so', 'liba.so.1'), link('lib/liba.so.1', 'liba.so.1.0')),
  ];
  t.same(await picked(t, layers, { wanted }), { engine: 'engine', 'liba.so': body, 'liba.so.1': body });
  const names = ['engine', ...Array.from({ length: 3 }, (_all, index) => `l${index}`)];
  const links = layer(...names.slice(1).map((name) => link(`lib/${name}`, 'liba.so.1.0')));
  t.match(
    await picked(t, [...layers, links], {
      wanted: { kind: 'named', names },
      limits: { maxBytes: 100_000, maxEntries: 1000 },
    }),
    { code: 'too-large', message: /files that are wanted hold more than the 100000 bytes/ },
  );
});

t.test('neither headers in many layers nor links of many names make it a long search', async (t) => {
  const header = tarEntry('x', 'x', paxRecord('path', `${'a/'.repeat(60_000)}b`));
  const one = gzipSync(layer(...Array(66).fill(Buffer.concat([header, file('f', '')]))));
  const large = { maxBytes: 200_000_000, maxEntries: 10_000 };
  await refused(t, Array(9).fill(one), /more than 67108864 bytes of extended headers/, { limits: large });
  const names = Array.from({ length: 30 }, (_all, index) => `l${index}`);
  const chain = (name: string): Buffer =>
    Buffer.concat([link(name, `${name}.1`), link(`${name}.1`, `${name}.2`), link(`${name}.2`, `${name}.3`)]);
  const links = layer(...names.flatMap((name) => [chain(name), file(`${name}.3`, name)]));
  const wanted: Wanted = { kind: 'named', names };
  await refused(t, [links], /behind too many links/, { wanted, limits: large });
  const fewer: Wanted = { kind: 'named', names: names.slice(0, 20) };
  t.match(await picked(t, [links], { wanted: fewer, limits: large }), { l0: 'l0', l19: 'l19' });
  const body = file('z', 'x'.repeat(500_000));
  const few: Wanted = { kind: 'named', names: names.slice(0, 6) };
  await refused(t, [layer(body), links], /behind too many links/, { wanted: few });
});

t.test('an image has limits of its own: bytes and entries of all layers together', async (t) => {
  const big = layer(file('a', 'x'.repeat(600_000)));
  t.match(await picked(t, [big, gzipSync(big), layer(file(shim, 'x'))]), { code: 'too-large' });
  const many = layer(...Array.from({ length: 600 }, (_, index) => file(`${index}`, '')));
  await refused(t, [many, many], /more than 1000 entries in its layers/);
  const names = layer(...Array.from({ length: 300 }, (_, index) => file(`${index}/${shim}`, '')));
  await refused(t, [names], /more than 256 files of the names/);
  await refused(t, [layer(file(shim, 'x')).subarray(0, 700)], /cut off/);
});
