/** Refusals of what is written in a Shim, which another definition of Shims than that of rcm-node may let pass. Every stop: many whole ticks. */
import { createHash } from 'node:crypto';
import { location, pinned, place, type Row, refuseAll, text } from './checks.ts';

const sha256 = createHash('sha256').update(text).digest('hex');
const written = (more: object) => ({ spec: { ...pinned(text), ...more }, setUp: place() });
const from = (anonHttp: object) => written({ fetchStrategy: { anonHttp } });

const rows: readonly Row[] = [
  {
    why: 'a location of an unknown scheme',
    asked: from({ location: 'ftp://example.com/shim' }),
    code: 'bad-value',
    says: /spec\.fetchStrategy\.anonHttp\.location: location has the scheme "ftp:"/,
  },
  {
    why: 'a digest that is none',
    asked: from({ location, sha256: 'abc' }),
    code: 'bad-value',
    says: /"spec\.fetchStrategy\.anonHttp\.sha256" is "abc", but a sha256 has 64 hexadecimal digits/,
  },
  {
    why: 'no digest',
    asked: from({ location }),
    code: 'unpinned',
    says: /spec\.fetchStrategy\.anonHttp: no sha256 is given for file:\/\/\/srv\/artifacts\/bad/,
  },
  {
    why: 'no digest over http',
    asked: from({ location: 'http://example.com/shim' }),
    code: 'unpinned',
    says: /spec\.fetchStrategy\.anonHttp: no sha256 is given for http:\/\/example\.com\/shim, and http proves/,
  },
  {
    why: 'no digest of an image',
    asked: written({ fetchStrategy: { oci: { image: 'registry.example/team/shim:v1' } } }),
    code: 'unpinned',
    says: /spec\.fetchStrategy\.oci\.image: no digest is given in oci:\/\/registry\.example\/team\/shim:v1/,
  },
  {
    why: 'a reference without a registry',
    asked: from({ location: 'oci://team/shim:v1' }),
    code: 'bad-value',
    says: /"spec\.fetchStrategy\.anonHttp\.location" is no reference to an image or artifact: after oci:/,
  },
  {
    why: 'a path of an image that leads out of it',
    asked: written({
      fetchStrategy: { oci: { image: `registry.example/a@sha256:${sha256}`, path: '/a/../b' } },
    }),
    code: 'bad-value',
    says: /"spec\.fetchStrategy\.oci\.path" is "\/a\/\.\.\/b", but the absolute path of a file/,
  },
  {
    why: 'two kinds of sources',
    asked: written({
      fetchStrategy: {
        anonHttp: { location, sha256 },
        oci: { image: `registry.example/a@sha256:${sha256}` },
      },
    }),
    code: 'bad-value',
    says: /"spec\.fetchStrategy\.oci" goes with neither "platforms" nor "anonHttp"/,
  },
  {
    why: 'no entry for this platform',
    asked: written({ fetchStrategy: { platforms: [{ os: 'linux', arch: 'arm64', location, sha256 }] } }),
    code: 'no-platform',
    says: /no entry of "spec\.fetchStrategy\.platforms" is for linux\/amd64, only for linux\/arm64/,
  },
  {
    why: 'a handler of the runtime',
    asked: written({ runtimeClass: { name: 'bad', handler: 'runc' } }),
    code: 'reserved-handler',
    says: /spec\.runtimeClass\.handler: the handler name "runc" is reserved/,
  },
  {
    why: 'an OCI runtime without a program',
    asked: written({ runtime: { type: 'oci' } }),
    code: 'bad-value',
    says: /"spec\.runtime\.binary" is missing/,
  },
  {
    why: 'an option that containerd would not start with',
    asked: written({ containerdRuntimeOptions: { SystemdCgroup: 'yes' } }),
    code: 'bad-value',
    says: /spec\.containerdRuntimeOptions\.SystemdCgroup" must be true or false/,
  },
];

refuseAll(rows);
