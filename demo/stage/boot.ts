/** The node of the demo: booted, furnished as its owner would have it, with rcm-node installed but not started. */
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import { installRcmNode } from '../../testbed/node/install.ts';
import { bootNode } from '../../testbed/node/node.ts';
import type { Progress } from '../../testbed/machine/command.ts';
import type { WasmedgeBundle } from '../../testbed/artifacts/wasmedge.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { artifactPath, secondArtifactPath } from './shim-files.ts';

export const nodeName = `rcm-demo-${process.pid}`;

/** One more foreign file, so that the uninstall has more to leave alone than what it edited. */
const mirrors = `# Which mirror this site uses.
server = "https://registry.example"
`;

export const bootDemoNode = async (
  bundles: readonly [WasmedgeBundle, WasmedgeBundle],
  breaking: Artifact,
  progress: Progress,
): Promise<TestNode> => {
  const node = await bootNode({
    suite: 'trixie',
    name: nodeName,
    progress,
    binds: {
      [artifactPath(1)]: { from: bundles[0].path, readOnly: true },
      [artifactPath(2)]: { from: bundles[1].path, readOnly: true },
      [secondArtifactPath]: { from: breaking.path, readOnly: true },
    },
    files: { '/etc/containerd/certs.d/registry.example/hosts.toml': mirrors },
  });
  // Modes and owners that an installer which writes files anew would lose.
  await node.run(['chmod', '0640', '/etc/containerd/config.toml']);
  await node.run(['chown', 'root:adm', '/etc/containerd/config.toml']);
  await node.run(['chmod', '0600', '/etc/containerd/certs.d/registry.example/hosts.toml']);
  await installRcmNode(node);
  return node;
};
