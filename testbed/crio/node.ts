/** The stand-in on a node: its unit, the programs that the recorded node had, and images that it can pull. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadService, openSocket } from '../../host/cri/cri.ts';
import { type OciImage, ociImage } from '../artifacts/oci.ts';
import { program } from '../artifacts/program.ts';
import type { Progress } from '../machine/command.ts';
import { bootNode, type NodeOptions } from '../node/node.ts';
import type { TestNode } from '../node/test-node.ts';
import { crioExecutable } from './executable.ts';
import { archives } from './serve/daemon.ts';
import { descriptor } from './serve/messages.ts';

/**
 * CRI-O's own unit (contrib/systemd/crio.service) but for two lines: it tells systemd itself that it is ready, and feeds a
 * watchdog; this has a program do the first.
 */
const unit = `[Unit]
Description=Container Runtime Interface for OCI (CRI-O)
Documentation=https://github.com/cri-o/cri-o
Wants=network-online.target
Before=kubelet.service
After=network-online.target

[Service]
Type=notify
NotifyAccess=all
EnvironmentFile=-/etc/sysconfig/crio
Environment=GOTRACEBACK=crash
ExecStart=/usr/local/bin/crio \\
          $CRIO_CONFIG_OPTIONS \\
          $CRIO_RUNTIME_OPTIONS \\
          $CRIO_STORAGE_OPTIONS \\
          $CRIO_NETWORK_OPTIONS \\
          $CRIO_METRICS_OPTIONS
ExecReload=/bin/kill -s HUP $MAINPID
TasksMax=infinity
LimitNOFILE=1048576
LimitNPROC=1048576
LimitCORE=infinity
OOMScoreAdjust=-999
TimeoutStartSec=0
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
Alias=cri-o.service
`;

/** There are no cgroup controllers to hand out; `path` decides what crun takes itself for. */
const wrapper = (path: string): string => `#!/bin/sh\nexec ${path} --cgroup-manager=disabled "$@"\n`;

const asWasm = '/usr/local/lib/crun-wasm';

const runtimes: Readonly<Record<string, string>> = {
  '/usr/local/bin/crun': wrapper('/usr/bin/crun'),
  '/usr/local/bin/inpath': wrapper('/usr/bin/crun'),
  '/usr/local/bin/crun-wasm': wrapper(asWasm),
  '/opt/held/rt': wrapper('/usr/bin/crun'),
  '/opt/held/wasmedge': wrapper('/usr/bin/crun'),
  '/opt/held/crun-wasm': wrapper(asWasm),
  '/opt/held/wasmtime-shim': '#!/bin/sh\nexit 101\n',
  '/opt/held/containerd-shim-wasmtime-v1': '#!/bin/sh\nexit 101\n',
  '/opt/held/containerd-shim-wasmtime-v2': '#!/bin/sh\nexit 101\n',
};

/** Not executable. */
const texts: Readonly<Record<string, string>> = {
  '/usr/lib/systemd/system/crio.service': unit,
  '/opt/held/notexec': wrapper('/usr/bin/crun'),
  '/opt/held/containerd-shim-noexec-v2': '#!/bin/sh\nexit 101\n',
};

export const pauseName = 'feas.test/pause:1';

/** A node whose `criSocket` is that of the stand-in, which is installed and not started. */
export const bootCrioNode = async (
  progress: Progress,
  { binds }: Pick<NodeOptions, 'binds'> = {},
): Promise<TestNode> => {
  const executable = await crioExecutable(progress);
  const node = await bootNode({
    suite: 'trixie',
    kind: 'crio',
    progress,
    ...(binds ? { binds } : {}),
    // No text of ours begins with `#!` that must not be executable.
    files: { ...runtimes, '/usr/lib/systemd/system/crio.service': unit },
  });
  const place = join(node.root, 'usr/local/bin/crio');
  mkdirSync(dirname(place), { recursive: true });
  copyFileSync(executable, place);
  await node.run(['ln', '-s', '/usr/bin/crun', asWasm]);
  // Its `root`: images are elsewhere here, but whether its disk has room is looked at.
  await node.run(['mkdir', '-p', '/var/lib/containers/storage']);
  for (const [path, text] of Object.entries(texts)) await node.writeFile(path, text);
  await node.run(['systemctl', 'daemon-reload']);
  await offerImage(node, ociImage(pauseName, { pause: program('', 'wait') }, ['/pause']));
  return Object.create(node, {
    criSocket: { get: () => node.hostPath('/run/crio/crio.sock') },
  }) as TestNode;
};

/** Puts an image where the stand-in can pull it from. */
export const offerImage = async (node: TestNode, image: OciImage): Promise<void> => {
  const file = `${image.name.replaceAll(/[^\w.]+/g, '-')}.tar`;
  await node.run(['sh', '-c', 'mkdir -p "$1" && cat > "$1/$2"', 'sh', archives, file], {
    input: image.layout,
  });
};

export const pullImage = async (node: TestNode, name: string): Promise<string> => {
  const socket = openSocket(node.criSocket, { deadlineMs: 60_000 });
  try {
    const service = loadService(descriptor, 'runtime.v1.ImageService');
    await socket.call(service, 'PullImage', { image: { image: name } });
    return name;
  } finally {
    socket.close();
  }
};
