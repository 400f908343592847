/**
 * The container runtimes that tests on nodes run on: a row says how to make a node with one, where it keeps what, and what a
 * handler is there. A test takes rows and knows no runtime by name, but where it is about one alone.
 */
import { join } from 'node:path';
import { type Artifact, writeArtifact } from '../artifacts/artifact.ts';
import { builtExecutable } from '../artifacts/build.ts';
import { bundlesDir, type Suite } from '../artifacts/images.ts';
import { importImage, type OciImage } from '../artifacts/oci.ts';
import { makeStandInShim } from '../artifacts/shim.ts';
import { bootCrioNode, offerImage, pauseName, pullImage } from '../crio/node.ts';
import type { Progress } from '../machine/command.ts';
import { installRcmNode } from './install.ts';
import { waitForCri } from './pods.ts';
import { artifactBinds, bootWithRcmNode, type Prepared, shimToml, shimFilePath } from './service.ts';
import type { TestNode } from './test-node.ts';

export type Row = {
  readonly name: string;
  readonly runtime: 'containerd' | 'crio';
  readonly unit: string;
  /** All that the runtime reads is below it. */
  readonly folder: string;
  /** The file that others write, and a line that they may add to it. */
  readonly config: string;
  readonly addition: string;
  /** The file that has our text: the same one, or a drop-in of our own. */
  readonly ours: string;
  /** Prints the configuration as the runtime reads it. */
  readonly print: readonly string[];
  /** A node that serves handlers of its own, with rcm-node ready and not started. */
  readonly boot: (options: Prepared) => Promise<TestNode>;
  /** What runs ordinary Pods, in versions that differ by digest. */
  readonly artifact: (handler: string, version: string, progress: Progress) => Promise<Artifact>;
  /** The same, but nothing starts with it. */
  readonly idle: (handler: string) => Promise<Artifact>;
  /** What the runtime says of it. */
  readonly refusal: RegExp;
  readonly binary: (handler: string) => string;
  /** Makes such a program end well at once. */
  readonly harmless: string;
  /** A local file for a handler, as an admin writes it. */
  readonly writeShim: (node: TestNode, handler: string, artifact: Artifact) => Promise<void>;
  readonly image: (node: TestNode, image: OciImage) => Promise<string>;
};

const shimOf = (handler: string): string => `containerd-shim-${handler}`;
const script = (binary: string, text: string, name: string): Promise<Artifact> =>
  writeArtifact(join(bundlesDir(), `${name}.tar.gz`), [
    { path: binary, bytes: Buffer.from(`#!/bin/sh\n${text}\n`), mode: 0o755 },
  ]);

const containerdOn = (suite: Suite): Row => {
  const config = '/etc/containerd/config.toml';
  return {
    name: `a ${suite} node`,
    runtime: 'containerd',
    unit: 'containerd.service',
    folder: '/etc/containerd',
    config,
    addition: '\n[debug]\n  level = "info"\n',
    ours: suite === 'forky' ? '/etc/containerd/conf.d/zz-rcm-node.toml' : config,
    print: ['containerd', 'config', 'dump'],
    boot: (options) => bootWithRcmNode(suite, options),
    artifact: (handler, version, progress) => makeStandInShim(suite, version, progress, handler),
    idle: (handler) => script(shimOf(handler), 'exit 0', `${handler}-${suite}`),
    refusal: /connection refused/,
    binary: shimOf,
    harmless: '-v',
    writeShim: (node, handler, artifact) =>
      node.writeFile(shimFilePath(handler), shimToml(handler, artifact)),
    image: importImage,
  };
};

/** As its owner wrote it. */
const crioConf = `# Written by the node's owner, not by any installer.
[crio.runtime]
  cgroup_manager   = "cgroupfs"
  conmon_cgroup    = "pod"

[crio.image]
  pause_image      = "${pauseName}"   # no registry is reachable
  pause_command    = "/pause"
`;

const bootWithCrio = async (options: Prepared): Promise<TestNode> => {
  const { progress, settings = 'interval = 5\n', binds } = options;
  const from = await builtExecutable(progress);
  const node = await bootCrioNode(progress, { binds: { ...artifactBinds(), ...binds } });
  try {
    // As packages have it: what is not there when the service starts, its sandbox cannot open.
    await node.run(['mkdir', '-p', '/etc/crio/crio.conf.d', '/etc/rcm-node/shims.d']);
    await node.writeFile('/etc/crio/crio.conf', crioConf);
    await node.run(['systemctl', 'start', 'crio']);
    await waitForCri(node);
    await pullImage(node, pauseName);
    await installRcmNode(node, { from });
    await node.writeFile('/etc/rcm-node/config.toml', settings);
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
};

const crun = (handler: string): string => `crun-${handler}`;

/** The stand-in: testbed/crio/. */
const crio: Row = {
  name: 'a node with CRI-O',
  runtime: 'crio',
  unit: 'crio.service',
  folder: '/etc/crio',
  config: '/etc/crio/crio.conf',
  addition: '\n[crio.metrics]\n  enable_metrics = false\n',
  ours: '/etc/crio/crio.conf.d/zz-rcm-node.conf',
  print: ['crio', 'config'],
  boot: bootWithCrio,
  artifact: (handler, version) =>
    script(crun(handler), `# ${version}\nexec /usr/local/bin/crun "$@"`, `${crun(handler)}-${version}`),
  idle: (handler) => script(crun(handler), 'exit 0', crun(handler)),
  refusal: /error reading container/,
  binary: crun,
  harmless: '--version',
  writeShim: (node, handler, artifact) =>
    node.writeFile(
      shimFilePath(handler),
      shimToml(handler, artifact).replace(
        '\n',
        `\nruntime = { type = "oci", binary = "${crun(handler)}" }\n`,
      ),
    ),
  image: async (node, image) => {
    await offerImage(node, image);
    return pullImage(node, image.name);
  },
};

/** containerd 1.6, in tests that take it beside the rows: where it differs, others test it. */
export const oldest = containerdOn('bookworm');

export const rows = { trixie: containerdOn('trixie'), forky: containerdOn('forky'), crio } as const;

/** Whether our text is in a file of its own. */
export const hasDropIn = ({ ours, config }: Row): boolean => ours !== config;

export const linkOf = ({ binary }: Row, handler: string): string =>
  `/opt/rcm-node/shims/${handler}/${binary(handler)}`;

/** The option `skip` of a test that runs every night only, for a row that adds little to the others. */
export const nightly = (why: string): string | false =>
  process.env.NIGHT === undefined ? `runs every night: ${why}` : false;
