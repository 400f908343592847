/** Refusals of what comes from a location, by its bytes and by who signed it. Every stop: many whole ticks. */
import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { tarOf } from '../../../testbed/artifacts/tarball.ts';
import type { Node } from '../../../testbed/simulated/node.ts';
import { pinned, place, type Row, refuseAll, settings, text } from './checks.ts';

/** An artifact that is fetched and does not hold what it should. */
const holding = (content: string | Uint8Array, more: object = {}) => ({
  spec: { ...pinned(content), ...more },
  setUp: place(content),
});
const tar = (...names: readonly string[]) =>
  tarOf(names.map((path) => ({ path, bytes: Buffer.from(text), mode: 0o755 })));
/** The head of an ELF file for arm64. */
const elfOfArm = Buffer.concat([
  Buffer.from('7f454c460201010000000000000000000300b70001000000', 'hex'),
  Buffer.alloc(104),
]);

const keyFile = '/etc/rcm-node/keys/team.pub';
const policy = `[[signatures]]\nprefix = "file:///srv/artifacts/bad"\nkey = "${keyFile}"\n`;
const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signed = (bytes: string, key: KeyObject = ours.privateKey) =>
  createSign('sha256').update(bytes).sign(key, 'base64');
const signature = (beside: string | undefined, lines = policy) => ({
  spec: pinned(text),
  setUp: (host: Node): void => {
    settings(lines)(host);
    host.write(keyFile, ours.publicKey.export({ type: 'spki', format: 'pem' }).toString());
    if (beside !== undefined) host.write('/srv/artifacts/bad.sig', beside);
  },
});
const large = Buffer.alloc(2_000_000);

const rows: readonly Row[] = [
  {
    why: 'a size that is not allowed',
    asked: { spec: pinned(large), setUp: settings('maxArtifactBytes = 1000000\n', large) },
    code: 'too-large',
    says: /file:\/\/\/srv\/artifacts\/bad.* 1000000 bytes are allowed/,
  },
  {
    why: 'other bytes',
    asked: { spec: pinned('other'), setUp: place() },
    code: 'digest-mismatch',
    says: /file:\/\/\/srv\/artifacts\/bad: expected sha256 [0-9a-f]{64}, found /,
  },
  {
    why: 'nothing at the location',
    asked: { spec: pinned(text, 'file:///srv/artifacts/nothing') },
    code: 'download-failed',
    says: /file:\/\/\/srv\/artifacts\/nothing/,
  },
  {
    why: 'an archive without the shim',
    asked: holding(tar('README.md', 'bin/other')),
    code: 'bad-archive',
    says: /file:\/\/\/srv\/artifacts\/bad: .*containerd-shim-bad.*README\.md/,
  },
  {
    why: 'an archive with two shims',
    asked: holding(tar('containerd-shim-a', 'containerd-shim-b')),
    code: 'bad-archive',
    says: /file:\/\/\/srv\/artifacts\/bad: .*containerd-shim-a.*containerd-shim-b/,
  },
  {
    why: 'a damaged archive',
    asked: holding(gzipSync(tar('containerd-shim-bad')).subarray(0, 60)),
    code: 'bad-archive',
    says: /file:\/\/\/srv\/artifacts\/bad: the artifact cannot be read to its end/,
  },
  {
    why: 'a program for another machine',
    asked: holding(elfOfArm),
    code: 'wrong-machine',
    says: /file:\/\/\/srv\/artifacts\/bad: .*(arm64|aarch64)/,
  },
  {
    why: 'an OCI runtime without its library',
    asked: holding(tar('crun'), {
      runtime: { type: 'oci', binary: 'crun', libraries: ['libwasmedge.so.0'] },
    }),
    code: 'bad-archive',
    says: /file:\/\/\/srv\/artifacts\/bad: .*libwasmedge\.so\.0/,
  },
  {
    why: 'no signature',
    asked: signature(undefined),
    code: 'unsigned',
    says: /file:\/\/\/srv\/artifacts\/bad/,
  },
  {
    why: 'a signature of another key',
    asked: signature(signed(text, theirs.privateKey)),
    code: 'wrong-key',
    says: /file:\/\/\/srv\/artifacts\/bad.*not made with the key/,
  },
  {
    why: 'what is no signature',
    asked: signature('x'.repeat(2_000_000)),
    code: 'bad-signature',
    says: /file:\/\/\/srv\/artifacts\/bad.*larger than/,
  },
  {
    why: 'a policy whose key is missing',
    asked: signature(signed(text), policy.replace('team', 'missing')),
    code: 'signature-policy',
    says: /spec\.fetchStrategy\.anonHttp\.location/,
    first:
      /\/etc\/rcm-node\/config\.toml:1:1: key is \/etc\/rcm-node\/keys\/missing\.pub: there is no such file/,
  },
];

refuseAll(rows);
