/**
 * Each refusal of what a Shim asks for: it names the Shim, what is wrong and the way out, everywhere a person looks, and changes
 * nothing for another Shim. Every stop: many whole ticks.
 */
import { createSign, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import type { Report } from '../../daemon/model/outcome.ts';
import { annotations } from '../../protocol/node-annotations.ts';
import { type Code, codes, hintOf } from '../../protocol/problem/problem.ts';
import { tarOf } from '../../testbed/artifacts/tarball.ts';
import { type Asked, type Seen, seeRefusal } from '../../testbed/controller/refused-shim.ts';
import { type Node, program, sha256 } from '../../testbed/simulated/node.ts';

type Row = Asked & {
  readonly why: string;
  readonly code: Code;
  /** What is wrong, with the field or the location. */
  readonly says: RegExp;
  /** What comes first, where that is no fault of the Shim. */
  readonly first?: RegExp;
};

const location = 'file:///srv/artifacts/bad';
const pinned = (text: string | Uint8Array, from = location) => ({
  fetchStrategy: { anonHttp: { location: from, sha256: sha256(text) } },
});
const place = (content: string | Uint8Array) => (host: Node) =>
  writeFileSync(join(host.root, 'srv/artifacts/bad'), content, { mode: 0o755 });
const settings = (lines: string) => (host: Node) => {
  place(text)(host);
  host.write('/etc/rcm-node/config.toml', lines);
};
const text = program('bad');
/** An artifact that is fetched and does not hold what it should. */
const holding = (content: string | Uint8Array, more: object = {}) => ({
  spec: { ...pinned(content), ...more },
  setUp: place(content),
});
const spec = (more: object) => ({ spec: { ...pinned(text), ...more }, setUp: place(text) });
const tar = (...names: readonly string[]) =>
  tarOf(names.map((path) => ({ path, bytes: Buffer.from(text), mode: 0o755 })));
/** The head of an ELF file for arm64. */
const elfOfArm = Buffer.concat([
  Buffer.from('7f454c460201010000000000000000000300b70001000000', 'hex'),
  Buffer.alloc(104),
]);

const keyFile = '/etc/rcm-node/keys/team.pub';
const policy = `[[signatures]]\nprefix = "file:///srv/artifacts/bad"\nkey = "${keyFile}"\n`;
const [ours, theirs] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const signed = (bytes: string, pair = ours) =>
  createSign('sha256').update(bytes).sign(pair!.privateKey, 'base64');
const signature = (beside: string | undefined, lines = policy) => ({
  spec: pinned(text),
  setUp: (host: Node): void => {
    settings(lines)(host);
    host.write(keyFile, ours!.publicKey.export({ type: 'spki', format: 'pem' }).toString());
    if (beside !== undefined) host.write('/srv/artifacts/bad.sig', beside);
  },
});

const rows: readonly Row[] = [
  // what is written in the Shim
  {
    why: 'a location of an unknown scheme',
    ...spec({ fetchStrategy: { anonHttp: { location: 'ftp://example.com/shim' } } }),
    code: 'bad-value',
    says: /spec\.fetchStrategy\.anonHttp\.location: location has the scheme "ftp:"/,
  },
  {
    why: 'a digest that is none',
    ...spec({ fetchStrategy: { anonHttp: { location, sha256: 'abc' } } }),
    code: 'bad-value',
    says: /"spec\.fetchStrategy\.anonHttp\.sha256" is "abc", but a sha256 has 64 hexadecimal digits/,
  },
  {
    why: 'no digest',
    ...spec({ fetchStrategy: { anonHttp: { location } } }),
    code: 'unpinned',
    says: /spec\.fetchStrategy\.anonHttp: no sha256 is given for file:\/\/\/srv\/artifacts\/bad/,
  },
  {
    why: 'no digest over http',
    ...spec({ fetchStrategy: { anonHttp: { location: 'http://example.com/shim' } } }),
    code: 'unpinned',
    says: /spec\.fetchStrategy\.anonHttp: no sha256 is given for http:\/\/example\.com\/shim, and http proves/,
  },
  {
    why: 'no entry for this platform',
    ...spec({
      fetchStrategy: { platforms: [{ os: 'linux', arch: 'arm64', location, sha256: sha256(text) }] },
    }),
    code: 'no-platform',
    says: /no entry of "spec\.fetchStrategy\.platforms" is for linux\/amd64, only for linux\/arm64/,
  },
  {
    why: 'a handler of the runtime',
    ...spec({ runtimeClass: { name: 'bad', handler: 'runc' } }),
    code: 'reserved-handler',
    says: /spec\.runtimeClass\.handler: the handler name "runc" is reserved/,
  },
  {
    why: 'an OCI runtime without a program',
    ...spec({ runtime: { type: 'oci' } }),
    code: 'bad-value',
    says: /"spec\.runtime\.binary" is missing/,
  },
  {
    why: 'an option that containerd would not start with',
    ...spec({ containerdRuntimeOptions: { SystemdCgroup: 'yes' } }),
    code: 'bad-value',
    says: /spec\.containerdRuntimeOptions\.SystemdCgroup" must be true or false/,
  },
  // what the node allows
  {
    why: 'a size that is not allowed',
    spec: pinned(Buffer.alloc(2_000_000)),
    setUp: (host) => {
      settings('maxArtifactBytes = 1000000\n')(host);
      place(Buffer.alloc(2_000_000))(host);
    },
    code: 'too-large',
    says: /file:\/\/\/srv\/artifacts\/bad.* 1000000 bytes are allowed/,
  },
  // what is fetched
  {
    why: 'other bytes',
    ...spec(pinned('other')),
    code: 'digest-mismatch',
    says: /file:\/\/\/srv\/artifacts\/bad: expected sha256 [0-9a-f]{64}, found /,
  },
  {
    why: 'nothing at the location',
    spec: pinned(text, 'file:///srv/artifacts/nothing'),
    code: 'download-failed',
    says: /file:\/\/\/srv\/artifacts\/nothing/,
  },
  {
    why: 'an archive without the shim',
    ...holding(tar('README.md', 'bin/other')),
    code: 'bad-archive',
    says: /file:\/\/\/srv\/artifacts\/bad: .*containerd-shim-bad.*README\.md/,
  },
  {
    why: 'an archive with two shims',
    ...holding(tar('containerd-shim-a', 'containerd-shim-b')),
    code: 'bad-archive',
    says: /file:\/\/\/srv\/artifacts\/bad: .*containerd-shim-a.*containerd-shim-b/,
  },
  {
    why: 'a damaged archive',
    ...holding(gzipSync(tar('containerd-shim-bad')).subarray(0, 60)),
    code: 'bad-archive',
    says: /file:\/\/\/srv\/artifacts\/bad: the artifact cannot be read to its end/,
  },
  {
    why: 'a program for another machine',
    ...holding(elfOfArm),
    code: 'wrong-machine',
    says: /file:\/\/\/srv\/artifacts\/bad: .*(arm64|aarch64)/,
  },
  {
    why: 'an OCI runtime without its library',
    ...holding(tar('crun'), { runtime: { type: 'oci', binary: 'crun', libraries: ['libwasmedge.so.0'] } }),
    code: 'bad-archive',
    says: /file:\/\/\/srv\/artifacts\/bad: .*libwasmedge\.so\.0/,
  },
  // who signed it
  { why: 'no signature', ...signature(undefined), code: 'unsigned', says: /srv\/artifacts\/bad/ },
  {
    why: 'a signature of another key',
    ...signature(signed(text, theirs)),
    code: 'wrong-key',
    says: /not made with the key/,
  },
  {
    why: 'what is no signature',
    ...signature('x'.repeat(2_000_000)),
    code: 'bad-signature',
    says: /srv\/artifacts\/bad.*larger than/,
  },
  {
    why: 'a policy whose key is missing',
    ...signature(signed(text), policy.replace('team', 'nobody')),
    code: 'signature-policy',
    says: /spec\.fetchStrategy\.anonHttp\.location/,
    first:
      /\/etc\/rcm-node\/config\.toml:1:1: key is \/etc\/rcm-node\/keys\/nobody\.pub: there is no such file/,
  },
];

const conditionOf = (seen: Seen, type: string) => seen.conditions.find((one) => one.type === type);

/** Where each fact is told. */
const check = (t: Test, seen: Seen, { code, says, first }: Row): void => {
  const { outcome } = JSON.parse(seen.json) as Report;
  const problems = outcome.kind === 'degraded' ? outcome.problems : [];
  const problem = problems.find(({ where }) => where?.file === 'shims.runtime.spinkube.dev/bad');
  if (problem === undefined) return void t.fail(`no problem: ${seen.json}`);
  const way = hintOf(problem);
  t.match(problem, { code }, 'status --json');
  const shimAndFault = new RegExp(`shims\\.runtime\\.spinkube\\.dev/bad: .*${says.source}`);
  for (const [where, words] of [
    ['status', seen.status],
    ['the log', seen.log],
  ] as const)
    t.match(words, shimAndFault, where);
  for (const [where, words] of [
    ['an Event of the Node', seen.nodeEvents.at(-1)],
    ['the annotation', seen.annotations[annotations.reason]],
  ] as const)
    t.match(words, first ?? shimAndFault, where);
  t.ok(seen.status.includes(way), `status has the way out: ${way}\n${seen.status}`);
  t.ok(seen.log.includes(way), 'the log has the way out');
  t.match(seen.nodeEvents.at(-1), way.slice(0, 100), 'an Event has the way out');
  t.match(seen.annotations[annotations.status], new RegExp(`"bad":\\{[^}]*"p":"${code}"`));
  const degraded = conditionOf(seen, 'Degraded');
  t.match(degraded, { status: 'True', reason: 'NodesFailed' });
  t.match(degraded?.message, `1 node failed: a (${code}). ${code}: `);
  if (way === codes[code].hint) t.match(degraded?.message, way, 'the Shim has the way out');
  t.ok(
    seen.shimEvents.some((line) => line === `NodesFailed: ${degraded?.message}`),
    'an Event of the Shim',
  );
  t.match(conditionOf(seen, 'Stalled'), { status: 'True' });
};

for (const row of rows)
  t.test(`it is refused everywhere, and nothing else: ${row.why}`, async (t) => {
    const seen = await seeRefusal(t, row);
    check(t, seen, row);
    t.same(seen.served, ['runc', 'good']);
    for (const [type, status] of [
      ['Available', 'True'],
      ['Degraded', 'False'],
      ['Conflict', 'False'],
    ] as const)
      t.match(
        seen.others.find((one) => one.type === type),
        { status },
        `the other Shim: ${type}`,
      );
  });
