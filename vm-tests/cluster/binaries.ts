/**
 * Kubernetes and etcd as static programs, built from source once and cached by the recipe they were built from: no
 * registry of images is needed, and the same files run on this machine and in nodes of any release.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acquireLock } from '../../daemon/host/lock.ts';
import { type Progress, run } from '../node/command.ts';
import { cacheDir } from '../node/images.ts';
import { provideGo } from './go.ts';

/** The staging modules of Kubernetes 1.x.y are published as 0.x.y. */
const minor = '36';
const patch = '3';
export const kubernetesVersion = `v1.${minor}.${patch}`;

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
const linkFlags = [
  '-s -w', // a third of the size
  `-X ${versionPackage}.gitVersion=${kubernetesVersion}`,
  `-X ${versionPackage}.gitMajor=1`,
  `-X ${versionPackage}.gitMinor=${minor}`,
].join(' ');

/** Without C, so that a program runs with any node's libraries. */
const environment = { CGO_ENABLED: '0', GOFLAGS: '' };

const build = (go: string, out: string, packages: readonly string[]): readonly string[] => [
  ...[go, 'build', '-v', '-mod=mod', '-trimpath', '-buildvcs=false', '-ldflags', linkFlags],
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

/** Kubernetes names its staging modules by a folder of its repository, which is not in the published module. */
const moduleFile = (kubernetes: string): string => {
  const staging = [...kubernetes.matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging\//gm)].map(([, name]) => name);
  const etcd = /^\s*go\.etcd\.io\/etcd\/server\/v3 (\S+)/m.exec(kubernetes)?.[1];
  const go = /^go (\S+)$/m.exec(kubernetes)?.[1];
  const godebug = /^godebug .+$/m.exec(kubernetes)?.[0] ?? '';
  if (staging.length === 0 || etcd === undefined || go === undefined)
    throw new Error(`the module file of Kubernetes ${kubernetesVersion} is not as expected`);
  return [
    'module rcm-node.test/cluster',
    `go ${go}`,
    godebug,
    `require k8s.io/kubernetes ${kubernetesVersion}`,
    `require ${etcdPackage} ${etcd}`,
    ...staging.map((name) => `replace ${name} => ${name} v0.${minor}.${patch}`),
    '',
  ].join('\n');
};

const compile = async (folder: string, progress: Progress): Promise<void> => {
  const go = await provideGo(folder, progress);
  const given = { cwd: folder, env: environment };
  await writeFile(join(folder, 'go.mod'), 'module rcm-node.test/cluster\n');
  const argv = [go, 'mod', 'download', '-json', `k8s.io/kubernetes@${kubernetesVersion}`];
  const { GoMod } = JSON.parse(await run(argv, given)) as { readonly GoMod: string };
  await writeFile(join(folder, 'go.mod'), moduleFile(await readFile(GoMod, 'utf8')));
  let compiled = 0;
  const counting = (line: string): void => {
    if (/\s/.test(line)) return; // what it fetches; a package is one word
    compiled += 1;
    if (compiled % 200 === 0) progress(`compiled ${compiled} Go packages of about 1,900`);
  };
  const options = { ...given, progress: counting, timeoutMs: 3_600_000 };
  await run(build(go, `${folder}/`, kubernetesPackages), options);
  await run(build(go, join(folder, 'etcd'), [etcdPackage]), options);
};

/** The finished programs, built first if need be: about ten minutes on two cores. */
export const kubernetesBinaries = async (progress: Progress): Promise<Binaries> => {
  const hash = createHash('sha256').update(recipe).digest('hex').slice(0, 8);
  const parent = join(cacheDir(), 'kubernetes');
  const finished = join(parent, `${kubernetesVersion}-${hash}`);
  if (!existsSync(finished)) {
    await mkdir(parent, { recursive: true });
    const lock = await acquireLock(join(parent, 'build.lock'), { waitMs: 3_600_000 });
    try {
      if (!existsSync(finished)) {
        progress(`building Kubernetes ${kubernetesVersion} and etcd, about ten minutes; kept in ${finished}`);
        const building = join(parent, '.building');
        await rm(building, { recursive: true, force: true });
        await mkdir(building);
        await compile(building, progress);
        await rename(building, finished);
      }
    } finally {
      await lock.release();
    }
  }
  return { path: (program) => join(finished, program) };
};
