/** Fills a folder with all files of a release out of what `npm run build` made. The same inputs give the same bytes. */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGES } from '../debian.ts';
import { type Architecture, NODE } from '../downloads.ts';
import { render } from '../manifests.ts';
import { digestOf } from '../oci.ts';
import { writeChart } from './chart.ts';
import { unit, unitOfPackage } from './packages/contents.ts';
import { pack } from './packages/nfpm.ts';
import type { Source } from './source.ts';
import { type Builder, provenanceOf } from './statements/provenance.ts';
import { type Inside, type Library, type Locked, sbomOf } from './statements/sbom.ts';
import { tarball, tarballName } from './tarball.ts';

export type Release = {
  readonly root: string;
  /** What the build made. */
  readonly dist: string;
  readonly folder: string;
  readonly version: string;
  readonly architectures: readonly Architecture[];
  /** Files for /usr/share: man pages, completions, schemas. */
  readonly share: string;
  /** Undefined leaves deb and rpm out. */
  readonly nfpm: string | undefined;
  /** Files of the bundle. */
  readonly inputs: readonly string[];
  readonly source: Source;
  readonly builder: Builder;
  readonly maintainer: string;
  /** Where the image will be, without tag: REGISTRY/rcm-node. */
  readonly image: string | undefined;
};

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const debian = { x64: 'amd64', arm64: 'arm64' } as const;

/** Of a host, libatomic alone is ours; an image from scratch has the rest, too. */
const librariesOf = (architecture: Architecture, isImage: boolean): readonly Library[] =>
  (isImage ? (['libatomic1', 'libc6', 'libstdc++6', 'libgcc-s1'] as const) : (['libatomic1'] as const)).map(
    (name) => ({
      name,
      version: PACKAGES[name].version,
      sha256: PACKAGES[name].sha256[architecture],
    }),
  );

const insideOf = (
  { root, inputs }: Release,
  architectures: readonly Architecture[],
  isImage: boolean,
): Inside => ({
  lock: JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Locked,
  inputs,
  node: {
    version: NODE.version,
    platforms: architectures.map((one) => ({
      name: `node-linux-${one}`,
      integrity: NODE.integrity[one],
    })),
  },
  libraries: Object.fromEntries(
    architectures.map((one) => [debian[one], librariesOf(one, isImage)] as const),
  ),
});

/** For one architecture: the archive, deb, rpm, each with what is inside. */
const forArchitecture = (release: Release, architecture: Architecture, work: string): readonly string[] => {
  const { root, dist, folder, version, source, maintainer, nfpm, share } = release;
  const built = join(dist, `linux-${architecture}`);
  const unitFile = join(work, `${architecture}.service`);
  writeFileSync(unitFile, unitOfPackage(readFileSync(join(built, unit), 'utf8')));
  const name = tarballName(version, architecture);
  writeFileSync(join(folder, name), tarball({ built, architecture, version, time: source.time, share }));
  const given = { root, built, unitFile, share, architecture, version, time: source.time, maintainer };
  const packages =
    nfpm === undefined ? [] : (['deb', 'rpm'] as const).map((one) => pack(nfpm, given, one, folder, work));
  return [name, ...packages];
};

/** Writes all of it into an empty `folder`; answers the names, SHA256SUMS last. */
export const makeRelease = (release: Release): readonly string[] => {
  const { root, dist, folder, version, architectures, source } = release;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'rcm-node-release-'));
  const withSbom = (name: string, which: readonly Architecture[], isImage: boolean): readonly string[] => {
    const inside = insideOf(release, which, isImage);
    const artifact = { name, version, sha256: sha256(join(folder, name)) };
    const bom = `${name}.cdx.json`;
    writeFileSync(join(folder, bom), `${JSON.stringify(sbomOf(artifact, inside, source.time), null, 1)}\n`);
    return [name, bom];
  };
  try {
    const perArchitecture = architectures.flatMap((one) =>
      forArchitecture(release, one, work).flatMap((name) => withSbom(name, [one], false)),
    );
    const image = `rcm-node-${version}-image.tar`;
    copyFileSync(join(dist, 'image', `rcm-node-${version}.tar`), join(folder, image));
    const index = readFileSync(join(dist, 'image', 'oci', 'index.json'));
    const digest = digestOf([{ path: 'index.json', bytes: index, mode: 0 }]);
    const own = { newName: release.image ?? 'rcm-node', digest };
    writeFileSync(join(folder, 'bootstrap.yaml'), render(join(root, 'bootstrap'), own));
    writeFileSync(join(folder, 'IMAGE'), `${own.newName}@${digest}\n`);
    // For a Prometheus and a Grafana that no cluster sets up.
    const monitoring = ['rcm-node.rules.yaml', 'rcm-node.dashboard.json'];
    for (const name of monitoring) copyFileSync(join(root, 'packaging/monitoring', name), join(folder, name));
    const made = [
      ...perArchitecture,
      ...withSbom(image, architectures, true),
      'bootstrap.yaml',
      'IMAGE',
      ...monitoring,
      ...writeChart(root, folder, source.time, own),
    ];
    const subjects = made.map((name) => ({ name, sha256: sha256(join(folder, name)) }));
    const statement = provenanceOf(
      [...subjects, { name: own.newName, sha256: digest.replace(/^sha256:/, '') }],
      source,
      release.builder,
      {
        version,
        nodeVersion: NODE.version,
        lockSha256: sha256(join(root, 'package-lock.json')),
        image: release.image,
      },
    );
    writeFileSync(join(folder, 'provenance.intoto.json'), `${JSON.stringify(statement, null, 1)}\n`);
    const all = readdirSync(folder).sort();
    const sums = all.map((name) => `${sha256(join(folder, name))}  ${name}\n`).join('');
    writeFileSync(join(folder, 'SHA256SUMS'), sums);
    return [...all, 'SHA256SUMS'];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};
