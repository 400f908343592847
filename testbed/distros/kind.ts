/**
 * A node of kind: Debian with the packages of its base image, and the files of that image in the places where its Dockerfile puts them.
 * The files come from the module of kind, which Go fetches and verifies; none of them is a part of this project. What is not kind's:
 * runc, which is a wrapper here (node/configuration.ts), since a test node has no cgroup controllers; containerd, built from source in the
 * version that the Dockerfile names; Debian's plugins of CNI; and no entrypoint runs before systemd, as it repairs what Docker does to a container.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { containerdBinds } from '../artifacts/containerd.ts';
import { provideGo } from '../artifacts/go.ts';
import { dbusPackages, prepareImage } from '../artifacts/images.ts';
import { importImage, ociImage } from '../artifacts/oci.ts';
import { program } from '../artifacts/program.ts';
import { type Progress, run } from '../machine/command.ts';
import { cniConfiguration, runcWrapper } from '../node/configuration.ts';
import { bootNode, type NodeOptions } from '../node/node.ts';
import { waitForCri } from '../node/pods.ts';
import type { TestNode } from '../node/test-node.ts';

export const kindVersion = 'v0.33.0';

export type KindImage = {
  /** The folder that its Dockerfile copies from. */
  readonly files: string;
  readonly dockerfile: string;
};

/** From Go's cache of modules, fetched if need be. */
export const kindImage = async (progress: Progress): Promise<KindImage> => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-node-kind-'));
  try {
    const go = await provideGo(folder, progress);
    writeFileSync(join(folder, 'go.mod'), 'module rcm-node.test/kind\n');
    const argv = [go, 'mod', 'download', '-json', `sigs.k8s.io/kind@${kindVersion}`];
    const { Dir } = JSON.parse(await run(argv, { cwd: folder })) as { readonly Dir: string };
    const base = join(Dir, 'images/base');
    return { files: join(base, 'files'), dockerfile: readFileSync(join(base, 'Dockerfile'), 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** The words behind the first `clean-install`: what apt gets. */
export const packagesIn = (dockerfile: string): readonly string[] =>
  /clean-install \\\n((?:\s+[\w. -]+ \\\n)+)/.exec(dockerfile)?.[1]?.match(/[\w.-]+/g) ?? [];

export const containerdIn = (dockerfile: string): string =>
  /^ARG CONTAINERD_VERSION="v(\S+)"$/m.exec(dockerfile)?.[1] ?? '';

/** As `COPY --chmod` has them: programs 0755, all else 0644. */
const placeFiles = (files: string, root: string): void => {
  for (const folder of ['usr/local/bin', 'kind', 'etc']) {
    mkdirSync(join(root, folder), { recursive: true });
    cpSync(join(files, folder), join(root, folder), { recursive: true });
  }
};

const modes = `
find /kind /etc/containerd /etc/crictl.yaml /etc/default/kubelet /etc/systemd/system -type f -exec chmod 0644 {} +
find /kind /etc/containerd /etc/systemd/system -type d -exec chmod 0755 {} +
chmod 0755 /kind/bin/* /usr/local/bin/entrypoint /usr/local/bin/clean-install`;

/** The Dockerfile makes it with ctr and jq. */
const baseSpec = `
ctr oci spec |
  jq '.hooks.createContainer[.hooks.createContainer | length] |= . + {"path": "/kind/bin/mount-product-files.sh"}' |
  jq 'del(.process.rlimits)' > /etc/containerd/cri-base.json`;

/** As the entrypoint does, and `kind build node-image`. */
const kindFolder = (kubernetes: string): string => `
printf ${kubernetes} > /kind/version
echo kind > /kind/product_name
cat /proc/sys/kernel/random/uuid > /kind/product_uuid
mkdir -p /etc/kubernetes/manifests`;

const behindRunc = '/usr/local/lib/runc-without-cgroups';

/** crun makes a root read-only before it runs the hook of kind, which writes there; runc does it afterwards. */
const runc = `#!/bin/sh -e
for word; do
  if [ "$before" = --bundle ]; then
    jq -c 'if .root.readonly then del(.hooks) else . end' "$word/config.json" > "$word/config.new"
    mv "$word/config.new" "$word/config.json"
  fi
  before=$word
done
exec ${behindRunc} "$@"
`;

const sandboxImage = 'registry.k8s.io/pause:3.10';

export type KindOptions = Pick<NodeOptions, 'binds' | 'files' | 'bridge'> & {
  readonly progress: Progress;
  /** Of Kubernetes, as the image has it in /kind/version. */
  readonly kubernetes: string;
};

/** Its containerd serves CRI, and has the image for sandboxes; there is no D-Bus. */
export const bootKindNode = async (options: KindOptions): Promise<TestNode> => {
  const { progress, kubernetes, binds, files, ...others } = options;
  const image = await kindImage(progress);
  const programs = Object.entries(await containerdBinds(containerdIn(image.dockerfile), progress));
  const debian = await prepareImage('trixie', 'containerd', progress);
  const node = await bootNode({
    ...others,
    suite: 'trixie',
    kind: 'kind',
    progress,
    files: { '/etc/cni/net.d/10-node.conflist': cniConfiguration, ...files },
    binds: {
      ...Object.fromEntries(
        programs.map(([path, from]) => [path.replace('/usr/bin', '/usr/local/bin'), from]),
      ),
      '/opt/cni/bin': { from: join(debian, 'usr/lib/cni'), readOnly: true },
      ...binds,
    },
  });
  try {
    placeFiles(image.files, node.root);
    for (const [path, text] of Object.entries({ '/usr/local/sbin/runc': runc, [behindRunc]: runcWrapper }))
      await node.writeFile(path, text, 0o755);
    await node.run(['bash', '-eu', '-o', 'pipefail', '-c', `${modes}${kindFolder(kubernetes)}${baseSpec}`]);
    await node.run(['systemctl', 'daemon-reload']);
    for (const unit of ['undo-mount-hacks', 'containerd', 'kubelet'])
      await node.run(['systemctl', 'enable', '--now', unit]);
    await waitForCri(node);
    await importImage(node, ociImage(sandboxImage, { pause: program('', 'wait') }, ['/pause']));
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
};

/** As the recipe has it (docs/kind.md), from packages that the image brings: a test node has no network. */
export const addDbus = async (node: TestNode): Promise<void> => {
  await node.run(['sh', '-c', `dpkg --install ${dbusPackages}/*.deb`]);
  await node.run(['systemctl', 'start', 'dbus.socket']);
};
