/**
 * Kubernetes and etcd as static programs, built from source once and cached by the recipe they were built from: no
 * registry of images is needed, and the same files run on this machine and in nodes of any release.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Progress, run } from '../machine/command.ts';
import { provideGo } from '../artifacts/go.ts';
import { kept } from '../artifacts/kept.ts';

export const kubernetesVersion = 'v1.36.3';

const programs = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kubectl',
] as const;

export type Program = (typeof programs)[number] | 'etcd';

export type Binaries = { path(program: Program): string };

const versionPackage = 'k8s.io/component-base/version';
const linkFlags = (version: string): string =>
  [
    '-s -w', // a third of the size
    `-X ${versionPackage}.gitVersion=${version}`,
    `-X ${versionPackage}.gitMajor=1`,
    `-X ${versionPackage}.gitMinor=${version.split('.')[1]}`,
  ].join(' ');

/** Without C, so that a program runs with any node's libraries. */
const environment = { CGO_ENABLED: '0', GOFLAGS: '' };

const build = (
  go: string,
  out: string,
  packages: readonly string[],
  version = kubernetesVersion,
): readonly string[] => [
  ...[go, 'build', '-v', '-mod=mod', '-trimpath', '-buildvcs=false', '-ldflags', linkFlags(version)],
  ...['-o', out, ...packages],
];

const kubernetesPackages = programs.map((name) => `k8s.io/kubernetes/cmd/${name}`);
const etcdPackage = 'go.etcd.io/etcd/server/v3';

/** What identifies a build; the module file follows from the version. */
const recipe = JSON.stringify([
  kubernetesVersion,
  build('go', '', [...kubernetesPackages, etcdPackage]),
  environment,
]);

/**
 * Kubernetes names its staging modules by a folder of its repository, which is not in the published module: those of 1.x.y are
 * published as 0.x.y.
 */
const moduleFile = (kubernetes: string, version: string): string => {
  const staging = [...kubernetes.matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging\//gm)].map(([, name]) => name);
  const etcd = /^\s*go\.etcd\.io\/etcd\/server\/v3 (\S+)/m.exec(kubernetes)?.[1];
  const go = /^go (\S+)$/m.exec(kubernetes)?.[1];
  const godebug = /^godebug .+$/m.exec(kubernetes)?.[0] ?? '';
  if (staging.length === 0 || etcd === undefined || go === undefined)
    throw new Error(`the module file of Kubernetes ${version} is not as expected`);
  return [
    'module rcm-node.test/cluster',
    `go ${go}`,
    godebug,
    `require k8s.io/kubernetes ${version}`,
    `require ${etcdPackage} ${etcd}`,
    ...staging.map((name) => `replace ${name} => ${name} ${version.replace(/^v1\./, 'v0.')}`),
    '',
  ].join('\n');
};

/** Writes the module file, and returns the Go to build with. */
const prepare = async (folder: string, version: string, progress: Progress): Promise<string> => {
  const go = await provideGo(folder, progress);
  await writeFile(join(folder, 'go.mod'), 'module rcm-node.test/cluster\n');
  const argv = [go, 'mod', 'download', '-json', `k8s.io/kubernetes@${version}`];
  const { GoMod } = JSON.parse(await run(argv, { cwd: folder, env: environment })) as {
    readonly GoMod: string;
  };
  await writeFile(join(folder, 'go.mod'), moduleFile(await readFile(GoMod, 'utf8'), version));
  return go;
};

const building = (folder: string, progress: Progress) => {
  let compiled = 0;
  const counting = (line: string): void => {
    if (/\s/.test(line)) return; // what it fetches; a package is one word
    compiled += 1;
    if (compiled % 200 === 0) progress(`compiled ${compiled} Go packages of about 1,900`);
  };
  return { cwd: folder, env: environment, progress: counting, timeoutMs: 3_600_000 };
};

const compile = async (folder: string, progress: Progress): Promise<void> => {
  const go = await prepare(folder, kubernetesVersion, progress);
  const options = building(folder, progress);
  await run(build(go, `${folder}/`, kubernetesPackages), options);
  await run(build(go, join(folder, 'etcd'), [etcdPackage]), options);
};

/** The finished programs, built first if need be: about ten minutes on two cores. */
export const kubernetesBinaries = async (progress: Progress): Promise<Binaries> => {
  const hash = createHash('sha256').update(recipe).digest('hex').slice(0, 8);
  const finished = await kept(
    `kubernetes/${kubernetesVersion}-${hash}`,
    `Kubernetes ${kubernetesVersion} and etcd, about ten minutes`,
    progress,
    (folder) => compile(folder, progress),
  );
  return { path: (program) => join(finished, program) };
};

/** One program alone, kept beside the others. */
const single = async (name: string, version: string, progress: Progress): Promise<string> => {
  const finished = await kept(
    `kubernetes/${name}-${version}`,
    `${name} ${version}, up to ten minutes`,
    progress,
    async (folder) => {
      const go = await prepare(folder, version, progress);
      const argv = build(go, `${folder}/`, [`k8s.io/kubernetes/cmd/${name}`], version);
      await run(argv, building(folder, progress));
    },
  );
  return join(finished, name);
};

/** The API server of another version, v1.28.15 for instance. */
export const apiserverOf = (version: string, progress: Progress): Promise<string> =>
  single('kube-apiserver', version, progress);

/** Of the same version as the other programs, from which most of its packages are compiled already. */
export const kubeadm = (progress: Progress): Promise<string> =>
  single('kubeadm', kubernetesVersion, progress);
