import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { fetchContent, type FetchedContent } from '../../../host/registry/content.ts';
import { Failure, type Problem } from '../../../protocol/problem/problem.ts';
import type { Machine } from '../../../host/facts.ts';
import { type Blob, makeStore, optionsOf, serveRegistry } from './served.ts';

type More = Parameters<typeof optionsOf>[0];

const hex = ({ digest }: Blob): string => digest.slice('sha256:'.length);

const fetchIt = (
  t: Test,
  host: string,
  top: Blob,
  more: More = {},
  machine: Machine = 'amd64',
): Promise<FetchedContent> =>
  fetchContent(
    { host, repository: 'team/shim', digest: hex(top) },
    undefined,
    machine,
    t.testdir(),
    optionsOf(more),
  );

const problemOf = async (work: Promise<unknown>): Promise<Problem> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof Failure) return error.problem;
    throw error;
  }
  throw new Error('expected a Failure');
};

t.test('an artifact comes by digest, with each layer under its title', async (t) => {
  const store = makeStore();
  const top = store.artifact({
    'containerd-shim-spin-v2': Buffer.from('#!one'),
    'README.md': Buffer.from('two'),
  });
  const { host, requests } = await serveRegistry(t, store);
  const got = await fetchIt(t, host, top);
  t.match(got, { sha256: hex(top), manifest: hex(top), content: { kind: 'files' } });
  const files = got.content.kind === 'files' ? got.content.files : [];
  t.same(
    files.map(({ title, path }) => [title, readFileSync(path, 'utf8')]),
    [
      ['containerd-shim-spin-v2', '#!one'],
      ['README.md', 'two'],
    ],
  );
  t.match(requests[0]?.headers.accept, /vnd\.oci\.image\.index\.v1\+json/);
});

t.test('an index leads each machine to its image', async (t) => {
  const store = makeStore();
  const layer = (text: string) => store.blob('application/vnd.oci.image.layer.v1.tar', Buffer.from(text));
  const amd = store.image([layer('base'), layer('amd')]);
  const arm = store.image([layer('base'), layer('arm')], 'arm64');
  const top = store.index({ 'linux/amd64': amd, 'linux/arm64/v8': arm, 'unknown/unknown': amd });
  const { host } = await serveRegistry(t, store);
  for (const [machine, image, text] of [
    ['amd64', amd, 'amd'],
    ['arm64', arm, 'arm'],
  ] as const) {
    const got = await fetchIt(t, host, top, {}, machine);
    t.match(got, { sha256: hex(top), manifest: hex(image), content: { kind: 'image' } });
    const layers = got.content.kind === 'image' ? got.content.layers : [];
    t.same(
      layers.map((path) => readFileSync(path, 'utf8')),
      ['base', text],
    );
  }
  const riscv = store.index({ 'linux/riscv64': amd, 'unknown/unknown': amd });
  t.match(await problemOf(fetchIt(t, host, riscv)), {
    code: 'no-platform',
    message: /^oci:\/\/127.*the index has no entry for linux\/amd64; it is for linux\/riscv64$/,
  });
  t.match(await problemOf(fetchIt(t, host, arm)), {
    code: 'no-platform',
    message: /the image is for "linux\/arm64", and this node is linux\/amd64/,
  });
});
