/** `npm run release`: dist/release/, out of what the build makes. */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { architecturesOf, distOf, fromArguments } from '../arguments.ts';
import { bundle } from '../bundle.ts';
import { writeShared } from '../documents/share.ts';
import { provideNfpm } from './packages/build-nfpm.ts';
import { makeRelease } from './release.ts';
import { sourceOf } from './source.ts';
import { builderOf } from './statements/provenance.ts';
import { howToSign, sign } from './statements/sign.ts';

const root = join(import.meta.dirname, '..', '..');
const usage = `npm run release [-- OPTIONS]

Builds, and makes all files of a release in dist/release/: packaging/README.md, also for what the environment can set.

  --image REGISTRY/rcm-node  where the image will be; without it manifests and chart name no registry
  --built                    of dist/ as it is, without a build
  --only x64|arm64           one architecture
  --version VERSION          another version than that of package.json
  --dist DIR                 another folder than dist/
`;
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
const { architectures, dist, values, version } = fromArguments(
  usage,
  {
    built: { type: 'boolean' },
    version: { type: 'string' },
    dist: { type: 'string' },
    only: { type: 'string' },
    image: { type: 'string' },
  },
  ({ values, positionals }) => {
    if (positionals.length > 0) throw new Error(`${positionals.join(' ')}: it takes options only`);
    const other = values.dist === undefined || values.built === true ? values.dist : distOf(values.dist);
    return {
      architectures: architecturesOf(values.only),
      dist: other ?? join(root, 'dist'),
      values,
      version: values.version ?? manifest.version,
    };
  },
);
const image = values.image ?? process.env.RCM_NODE_IMAGE;
const how = howToSign(process.env);
const nfpm = await provideNfpm(console.log);
if (values.built !== true) {
  const only = values.only === undefined ? [] : ['--only', values.only];
  const other = values.dist === undefined ? [] : ['--dist', values.dist];
  const argv = [join(root, 'packaging', 'build.ts'), '--version', version, ...other, ...only];
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
  architectures,
  share,
  nfpm,
  inputs: Object.keys(inputs),
  source,
  builder: builderOf(process.env),
  maintainer: process.env.RCM_NODE_MAINTAINER ?? 'The rcm-node authors',
  image,
});
for (const name of [...names, ...sign(folder, how)])
  console.log(`${(statSync(join(folder, name)).size / 1e6).toFixed(1).padStart(7)} MB  dist/release/${name}`);
if (how.kind === 'none') console.log('not signed: neither COSIGN_KEY nor COSIGN_KEYLESS=1 is set');
if (image === undefined)
  console.log(
    'bootstrap.yaml and the chart name no registry: --image REGISTRY/rcm-node says where the image will be',
  );
