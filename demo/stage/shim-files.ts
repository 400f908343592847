/** The one file that asks for the handler, as an administrator would write it. */
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import type { WasmedgeBundle } from '../../testbed/artifacts/wasmedge.ts';

export const handler = 'wasmedge';

export const shimFilePath = '/etc/rcm-node/shims.d/wasmedge.toml';

/** Where the node finds a version of the artifact; a real node would have a URL of a release here. */
export const artifactPath = (version: 1 | 2): string => `/srv/artifacts/crun-wasmedge-${version}.tar.gz`;

export const shimFileText = (bundle: WasmedgeBundle, version: 1 | 2): string => `name = "${handler}"
podAnnotations = ["module.wasm.image/*"]
containerAnnotations = ["module.wasm.image/*"]

[runtime]
type = "oci"
binary = "crun"
libraries = [
${bundle.libraries.map((library) => `  "${library}",`).join('\n')}
]

[[fetchStrategy.platforms]]
os = "linux"
arch = "amd64"
location = "file://${artifactPath(version)}"
sha256 = "${bundle.sha256}"
`;

/** Another handler, with which this node's containerd does not start (acts/rollback.ts). */
export const secondHandler = 'spin-v2';

export const secondShimFilePath = '/etc/rcm-node/shims.d/spin.toml';

export const secondArtifactPath = '/srv/artifacts/spin-v2.tar.gz';

export const secondShimFileText = ({ sha256 }: Artifact): string => `name = "${secondHandler}"

[[fetchStrategy.platforms]]
os = "linux"
arch = "amd64"
location = "file://${secondArtifactPath}"
sha256 = "${sha256}"
`;

/** By which crun takes a module for one: https://github.com/containers/crun/blob/main/docs/wasm-wasi-on-kubernetes.md */
export const annotations = { 'module.wasm.image/variant': 'compat' };
