/**
 * `npm run release`: dist/release/, out of what the build makes. `--built` takes dist/ as it is, `--version` another version,
 * `--dist` another folder, `--only` one architecture, `--image` where the image will be: REGISTRY/rcm-node. packaging/README.md has all of it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from '../bundle.ts';
import { writeShared } from '../documents/share.ts';
import { ARCHITECTURES } from '../downloads.ts';
import { provideNfpm } from './packages/build-nfpm.ts';
import { makeRelease } from './release.ts';
import { sourceOf } from './source.ts';
import { builderOf } from './statements/provenance.ts';
import { howToSign, sign } from './statements/sign.ts';

const root = join(import.meta.dirname, '..', '..');
const { values } = parseArgs({
  options: {
    built: { type: 'boolean' },
    version: { type: 'string' },
    dist: { type: 'string' },
    only: { type: 'string' },
    image: { type: 'string' },
  },
});
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
const version = values.version ?? manifest.version;
const dist = values.dist ?? join(root, 'dist');
const how = howToSign(process.env);
const nfpm = await provideNfpm(console.log);
if (values.built !== true) {
  const only = values.only === undefined ? [] : ['--only', values.only];
  const argv = [join(root, 'packaging', 'build.ts'), '--version', version, '--dist', dist, ...only];
  execFileSync(process.execPath, argv, { stdio: 'inherit' });
}

const source = sourceOf(root, process.env);
if (source.changed) console.log('warning: files differ from the commit; provenance says so (sourceChanged)');
const folder = join(dist, 'release');

/** Man pages, completions and schemas; of an earlier release there could be others. */
const share = join(dist, 'share');
rmSync(share, { recursive: true, force: true });
writeShared(share, new Date(source.time * 1000));

const { inputs } = await bundle(root, 'cli/main.ts', version);
const names = makeRelease({
  root,
  dist,
  folder,
  version,
  architectures: ARCHITECTURES.filter((one) => values.only === undefined || one === values.only),
  share,
  nfpm,
  inputs: Object.keys(inputs),
  source,
  builder: builderOf(process.env),
  maintainer: process.env.RCM_NODE_MAINTAINER ?? 'The rcm-node authors',
  image: values.image ?? process.env.RCM_NODE_IMAGE,
});
for (const name of [...names, ...sign(folder, how)])
  console.log(`${(statSync(join(folder, name)).size / 1e6).toFixed(1).padStart(7)} MB  dist/release/${name}`);
if (how.kind === 'none') console.log('not signed: neither COSIGN_KEY nor COSIGN_KEYLESS=1 is set');
