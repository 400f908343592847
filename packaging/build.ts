/**
 * `npm run build`: the daemon as one executable per architecture, both from either one.
 *
 *     dist/rcm-node.cjs                   the bundle
 *     dist/linux-<architecture>/          what a host gets: rcm-node, libatomic.so.1, units, README.md, licences
 *     dist/image/                         the image that brings it there (image.ts)
 *     dist/SHA256SUMS
 *
 * The same inputs give the same bytes on the same build architecture.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { architecturesOf, distOf, fromArguments } from './arguments.ts';
import { bundle } from './bundle.ts';
import { FIXED_SEED, forAnySeed, keepsCode } from './codecache.ts';
import { libatomicFor } from './debian.ts';
import { type Architecture, nodeFor } from './downloads.ts';
import { architecture as architectureOf, strip, withFullLastPage, withRunPath } from './elf.ts';
import { writeImage } from './image.ts';
import { licenses } from './licenses.ts';

const root = join(import.meta.dirname, '..');
/** A version brings the units that fit it, so that going back to it brings them back. */
const units = ['rcm-node.service', 'rcm-node-uninstall.service'];

/** What `Documentation=` of the units names, in the folder of the same version. */
const documentation = 'README.md';

/**
 * A young generation that may not grow: it would fill with what one tick leaves behind, and stay that large. A flag here must be one with
 * which Node takes its own compiled code; host/memory.ts sets others for the service.
 */
const v8Flags = ['--max-semi-space-size=1'];

type Manifest = { readonly version: string; readonly devDependencies: { readonly node: string } };

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

const usage = `npm run build [-- OPTIONS]

Makes the executables and the image in dist/, which is emptied first: packaging/README.md.

  --only x64|arm64   one architecture
  --version VERSION  another version than that of package.json
  --dist DIR         another folder than dist/
`;

/** Another entry than the daemon's, as an argument, serves to try the packaging itself. */
const { architectures, dist, entry, version } = fromArguments(
  usage,
  { version: { type: 'string' }, dist: { type: 'string' }, only: { type: 'string' } },
  ({ values, positionals }) => ({
    architectures: architecturesOf(values.only),
    dist: values.dist === undefined ? join(root, 'dist') : distOf(values.dist),
    entry: positionals[0] ?? 'cli/main.ts',
    version: values.version ?? manifest.version,
  }),
);

/**
 * Where the loader looks for our libraries: beside the executable; and, because it ignores `$ORIGIN` when SELinux
 * changes domain at exec (secure execution, see ld.so(8)), at the absolute path of an installed version.
 */
const runPath = `$ORIGIN:/opt/rcm-node/bin/versions/${version}`;

/**
 * Writes the single executable for `architecture` to `output`. Names in its configuration are relative, because
 * Node keeps that of the main file: it is what stack traces show, and must not depend on where this tree is.
 */
function singleExecutable(architecture: Architecture, node: Buffer, text: string, output: string): void {
  if (architectureOf(node) !== architecture)
    throw new Error(`the Node for ${architecture} is for another machine`);
  // Compiled code fits only the architecture (and the Node) that made it.
  const useCodeCache = architecture === process.arch;
  const work = mkdtempSync(join(tmpdir(), 'rcm-node-build-'));
  try {
    writeFileSync(join(work, 'node'), withRunPath(withFullLastPage(strip(node)), runPath), { mode: 0o755 });
    writeFileSync(join(work, 'rcm-node.cjs'), text);
    const config = {
      main: 'rcm-node.cjs',
      mainFormat: 'commonjs',
      executable: 'node',
      output: 'rcm-node',
      disableExperimentalSEAWarning: true,
      useSnapshot: false,
      useCodeCache,
      // That node:ffi (host/libc.ts) is experimental is known here, and nothing that an admin could act on.
      execArgv: [...v8Flags, '--disable-warning=ExperimentalWarning'],
      // A host's NODE_OPTIONS is meant for other programs.
      execArgvExtension: 'none',
    };
    writeFileSync(join(work, 'sea.json'), JSON.stringify(config));
    execFileSync(process.execPath, [FIXED_SEED, '--build-sea', 'sea.json'], { stdio: 'pipe', cwd: work });
    const made = readFileSync(join(work, 'rcm-node'));
    writeFileSync(output, useCodeCache ? forAnySeed(made, v8Flags) : made, { mode: 0o755 });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A unit names its documentation in the folder that it is installed from. */
function unitText(unit: string): string {
  const named = (of: string): string =>
    `Documentation=file:///opt/rcm-node/bin/versions/${of}/${documentation}\n`;
  const text = readFileSync(join(root, 'systemd', unit), 'utf8');
  if (!text.includes(named(manifest.version)))
    throw new Error(`systemd/${unit} lacks ${named(manifest.version)}`);
  return text.replace(named(manifest.version), named(version));
}

/** Starts what was built where this machine can: it must say its version, and V8 must take the compiled code. */
function prove(executable: string): void {
  const environment = { NODE_DEBUG_NATIVE: 'SEA' };
  const { stdout, stderr, status } = spawnSync(executable, ['version'], {
    encoding: 'utf8',
    env: environment,
  });
  if (status !== 0 || !stdout.includes(version))
    throw new Error(`${executable} version: ${status} ${stdout}${stderr}`);
  if (/cache data rejected/i.test(stderr))
    throw new Error('V8 does not take the compiled code in the executable');
}

if (process.version !== `v${manifest.devDependencies.node}`) {
  throw new Error(`this is Node ${process.version}; "npm run build" runs the one that package.json pins`);
}
if (!keepsCode(v8Flags))
  throw new Error(`with ${v8Flags.join(' ')} each start compiles the code of Node anew`);
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });

const { text, inputs } = await bundle(root, entry, version);
const main = join(dist, 'rcm-node.cjs');
writeFileSync(main, text);

const made = [main];
for (const architecture of architectures) {
  const folder = join(dist, `linux-${architecture}`);
  mkdirSync(folder);
  const node = await nodeFor(architecture, manifest.devDependencies.node);
  singleExecutable(architecture, node.executable, text, join(folder, 'rcm-node'));
  writeFileSync(join(folder, 'libatomic.so.1'), libatomicFor(architecture));
  if (architecture === process.arch) prove(join(folder, 'rcm-node'));
  writeFileSync(join(folder, 'THIRD-PARTY-LICENSES'), licenses(root, Object.keys(inputs), node.license));
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  copyFileSync(join(root, 'packaging', 'on-the-host.md'), join(folder, documentation));
  for (const unit of units) writeFileSync(join(folder, unit), unitText(unit));
  made.push(
    ...['rcm-node', 'libatomic.so.1', ...units, documentation, 'THIRD-PARTY-LICENSES', 'LICENSE'].map(
      (name) => join(folder, name),
    ),
  );
}
const image = await writeImage(dist, version, architectures);
made.push(...image.files);

const sums = made.map((path) => {
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
  return { path: relative(dist, path), sha256, size: statSync(path).size };
});
writeFileSync(join(dist, 'SHA256SUMS'), sums.map(({ path, sha256 }) => `${sha256}  ${path}\n`).join(''));
for (const { path, sha256, size } of sums) {
  console.log(`${(size / 1e6).toFixed(1).padStart(7)} MB  ${sha256}  dist/${path}`);
}
console.log(`once the image is in REGISTRY, for bootstrap/images/kustomization.yaml:
  - name: rcm-node
    newName: REGISTRY/rcm-node
    digest: ${image.digest}`);
console.log(
  `rcm-node ${version} on Node ${manifest.devDependencies.node}: a host gets a whole folder dist/linux-<architecture>/`,
);
