/**
 * The containerd configuration that a node comes with, as its owner wrote it: comments, odd spacing and
 * all, so that tests can see that it survives rcm-node byte for byte. It also holds what containers need to start in
 * a node that is itself a container without cgroup controllers and without CAP_SYS_RESOURCE.
 */
import type { Suite } from '../artifacts/images.ts';

/** The image every Pod sandbox runs; imported into each node at boot, see oci.ts. */
export const pauseImage = 'rcm-node.test/pause:1';

/** containerd 1.6 and 1.7. `disable_cgroup`: this node has no controllers to hand out. */
const version2 = `# Written by the node's owner, not by any installer.
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image   = "${pauseImage}"   # no registry is reachable
    disable_cgroup  = true
    restrict_oom_score_adj = true

    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"

    # the default handler
    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runc"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"
        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
          SystemdCgroup = false

  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
`;

/** containerd 2.x knows no `disable_cgroup`: there `runc` is a wrapper around crun that leaves cgroups alone. */
const version3 = `# Written by the node's owner, not by any installer.
version = 3

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox   = '${pauseImage}'   # no registry is reachable

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true

  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/usr/lib/cni']
    conf_dir = '/etc/cni/net.d'

  # the default handler
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = 'runc'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = 'io.containerd.runc.v2'
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName    = '/usr/local/sbin/runc'
        SystemdCgroup = false

[plugins.'io.containerd.internal.v1.opt']
  path = '/var/lib/containerd/opt'
`;

/** The bytes of /etc/containerd/config.toml in a node of this suite. */
export const containerdConfiguration = {
  bookworm: version2,
  trixie: version2,
  forky: version3,
} satisfies Record<Suite, string>;

/**
 * First in PATH, so that every shim that looks for `runc` finds it too, also one that is given no options.
 * Only where the configuration cannot switch cgroups off.
 */
export const runcWrapper = `#!/bin/sh
# This node has no cgroup controllers, so crun leaves cgroups alone. But then it finds no processes, and a container
# without processes is one that containerd 2 takes for leaked when it restarts: answer that one from the state.
case " $* " in
*" ps --format json "*)
  while [ "$1" != ps ]; do set -- "$@" "$1"; shift; done
  shift 3; id=$1; shift
  pid=$(/usr/bin/crun "$@" state "$id" | sed -n 's/.*"pid": *\\([1-9][0-9]*\\).*/\\1/p')
  echo "[$pid]"
  ;;
*)
  # The driver of cgroups that the configuration names has no effect.
  for word; do
    shift
    if [ "$word" != --systemd-cgroup ]; then set -- "$@" "$word"; fi
  done
  # Nor CAP_SYS_RESOURCE, without which no score can be lowered; containerd asks for that where no file forbids it.
  for word; do
    if [ "$before" = --bundle ]; then sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$word/config.json"; fi
    before=$word
  done
  exec /usr/bin/crun --cgroup-manager=disabled "$@"
  ;;
esac
`;

/** Enough of a CNI configuration for containerd to call its network ready; test Pods use the host's network. */
export const cniConfiguration = `${JSON.stringify({ cniVersion: '1.0.0', name: 'node', plugins: [{ type: 'loopback' }] })}\n`;

/** What a node with containerd has beyond its packages: path to text. What begins with `#!` is executable. */
export const nodeFiles = (suite: Suite): Readonly<Record<string, string>> => ({
  '/etc/containerd/config.toml': containerdConfiguration[suite],
  '/etc/cni/net.d/10-node.conflist': cniConfiguration,
  ...(suite === 'forky' ? { '/usr/local/sbin/runc': runcWrapper } : {}),
});

/** Units without work in a node that lives for seconds. */
export const maskedUnits: readonly string[] = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'systemd-pstore.service',
];
