/**
 * What a real Wasm shim needs on a test node, which has no controllers of cgroups to hand out: its library fails to limit the
 * processors of a sandbox. containerd 1.x then asks for no limits (`disable_cgroup`). 2.x always does, but systemd takes limits that
 * it cannot apply: there it is the driver of cgroups, as it mostly is where a kubelet runs.
 */
import type { Artifact } from '../artifacts/artifact.ts';
import type { Suite } from '../artifacts/images.ts';
import { containerdConfiguration } from '../node/configuration.ts';
import { type Pod, type PodOptions, runPod } from '../node/pods.ts';
import { shimFilePath, shimToml } from '../node/service.ts';
import type { AnyNode } from '../node/test-node.ts';

/** A line of a local file. */
export const systemdCgroup = 'containerdRuntimeOptions = { SystemdCgroup = "true" }\n';

type Means = { readonly options: string; readonly cgroupParent?: string };

const means: Readonly<Record<Suite, Means>> = {
  // 1.6 passes no options to a shim that is not runc's.
  bookworm: { options: '' },
  trixie: { options: '' },
  forky: { options: systemdCgroup, cgroupParent: 'system.slice' },
};

/** Files of a node, beside those that all of its suite have. */
export const wasmFiles = (suite: Suite): Readonly<Record<string, string>> => {
  const text = containerdConfiguration[suite];
  return means[suite].cgroupParent === undefined
    ? {}
    : { '/etc/containerd/config.toml': text.replace('SystemdCgroup = false', 'SystemdCgroup = true') };
};

/** A local file that asks for such a shim; `options` if others than the suite needs. */
export const wasmToml = (
  suite: Suite,
  name: string,
  artifact: Artifact,
  { handler = name, options = means[suite].options } = {},
): string =>
  `${options}runtimeClass = { name = "${handler}", handler = "${handler}" }\n${shimToml(name, artifact)}`;

export const writeWasmShim = (
  node: AnyNode,
  name: string,
  artifact: Artifact,
  more: { readonly handler?: string; readonly options?: string } = {},
): Promise<void> =>
  node.writeFile(shimFilePath(more.handler ?? name), wasmToml(node.suite, name, artifact, more));

/** As the kubelet of such a node does. */
export const runWasmPod = (node: AnyNode, options: PodOptions): Promise<Pod> => {
  const { cgroupParent } = means[node.suite];
  return runPod(node, { ...(cgroupParent === undefined ? {} : { cgroupParent }), ...options });
};
