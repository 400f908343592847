/**
 * The keys of CRI-O 1.36.3's configuration in the order in which `crio config` prints them, with the kind of value and the
 * default (`tomlConfig`, `DefaultConfig` and `initCrioTemplateConfig` in its pkg/config). A key that it reads and never
 * prints has a `-`.
 */

export type Kind = 'string' | 'bool' | 'int' | 'list' | 'duration' | 'map' | 'handlers' | 'any';
export type Setting = string | boolean | bigint | readonly string[] | Readonly<Record<string, string>>;
export type Key = {
  readonly name: string;
  readonly kind: Kind;
  readonly fallback: Setting;
  readonly printed: boolean;
};

const rows = `
[crio]
root string /var/lib/containers/storage
runroot string /run/containers/storage
imagestore string
storage_driver string
storage_option list
log_dir string /var/log/crio/pods
version_file string /var/run/crio/version
version_file_persist string
internal_wipe bool true
internal_repair bool true
clean_shutdown_file string /var/lib/crio/clean.shutdown
[api]
listen string /var/run/crio/crio.sock
stream_address string 127.0.0.1
stream_port string 0
stream_enable_tls bool
stream_idle_timeout string
stream_tls_cert string
stream_tls_key string
stream_tls_ca string
tls_min_version string VersionTLS12
tls_cipher_suites list
grpc_max_send_msg_size int 83886080
grpc_max_recv_msg_size int 83886080
[runtime]
default_ulimits list
no_pivot bool
decryption_keys_path string /etc/crio/keys/
additional_artifact_stores list
conmon string
conmon_cgroup string
conmon_env list
default_env list
min_injected_gomaxprocs int
selinux bool
seccomp_profile string
privileged_seccomp_profile string
apparmor_profile string crio-default
blockio_config_file string
blockio_reload bool
irqbalance_config_file string /etc/sysconfig/irqbalance
irqbalance_config_restore_file string /etc/sysconfig/orig_irq_banned_cpus
rdt_config_file string
cgroup_manager string systemd
separate_pull_cgroup string
default_capabilities list CHOWN DAC_OVERRIDE FSETID FOWNER SETGID SETUID SETPCAP NET_BIND_SERVICE KILL
add_inheritable_capabilities bool
default_sysctls list
allowed_devices list /dev/fuse /dev/net/tun
additional_devices list
cdi_spec_dirs list /etc/cdi /var/run/cdi
device_ownership_from_security_context bool
hooks_dir list /usr/share/containers/oci/hooks.d
default_mounts_file string
pids_limit int -1
log_size_max int -1
log_to_journald bool
container_exits_dir string /var/run/crio/exits
container_attach_socket_dir string /var/run/crio
bind_mount_prefix string
read_only bool
log_level string info
log_filter string
uid_mappings string
gid_mappings string
minimum_mappable_uid int -1
minimum_mappable_gid int -1
ctr_stop_timeout int 30
drop_infra_ctr bool true
infra_ctr_cpuset string
shared_cpuset string
namespaces_dir string /var/run
pinns_path string
enable_criu_support bool true
enable_pod_events bool
default_runtime string crun
absent_mount_sources_to_reject list
runtimes handlers
-workloads any
hostnetwork_disable_selinux bool true
disable_hostport_mapping bool
timezone string
[image]
default_transport string docker://
global_auth_file string
pause_image string registry.k8s.io/pause:3.10.1
pause_image_auth_file string
pause_command string /pause
pinned_images list
signature_policy string
signature_policy_dir string /etc/crio/policies
insecure_registries list
image_volumes string mkdir
big_files_temporary_dir string
auto_reload_registries bool
pull_progress_timeout duration 0s
short_name_mode string enforcing
oci_artifact_mount_support bool true
-namespaced_auth_dir string
[network]
-cni_default_network string
network_dir string /etc/cni/net.d/
plugin_dirs list /opt/cni/bin/
-plugin_dir string
cni_status_grace_period duration 0s
[metrics]
enable_metrics bool
metrics_collectors list
metrics_host string 127.0.0.1
metrics_port int 9090
metrics_socket string
metrics_cert string
metrics_key string
[tracing]
enable_tracing bool
tracing_endpoint string 127.0.0.1:4317
tracing_sampling_rate_per_million int
[nri]
enable_nri bool true
nri_listen string /var/run/nri/nri.sock
nri_plugin_dir string /opt/nri/plugins
nri_plugin_config_dir string /etc/nri/conf.d
nri_disable_connections bool
nri_plugin_registration_timeout duration 5s
nri_plugin_request_timeout duration 2s
-default_validator any
[stats]
stats_collection_period int
collection_period int
included_pod_metrics list
`;

/** A handler's table; the order is that of the type `RuntimeHandler`. */
const handlerRows = `
runtime_config_path string
runtime_path string
runtime_type string
runtime_root string
privileged_without_host_devices bool
allowed_annotations list
monitor_path string
monitor_cgroup string
monitor_env list
monitor_exec_cgroup string
platform_runtime_paths map
runtime_pull_image bool
container_min_memory string
no_sync_log bool
inherit_default_runtime bool
default_annotations map
stream_websockets bool
exec_cpu_affinity string
seccomp_profile string
container_create_timeout int
`;

const fallbackOf = (kind: Kind, words: readonly string[]): Setting => {
  switch (kind) {
    case 'bool':
      return words[0] === 'true';
    case 'int':
      return BigInt(words[0] ?? 0);
    case 'list':
      return words;
    case 'map':
    case 'handlers':
    case 'any':
      return {};
    case 'string':
    case 'duration':
      return words.join(' ');
    default:
      return kind satisfies never;
  }
};

const keyOf = (row: string): Key => {
  const [name = '', kind = 'any', ...words] = row.split(' ');
  const printed = !name.startsWith('-');
  return {
    name: name.replace('-', ''),
    kind: kind as Kind,
    fallback: fallbackOf(kind as Kind, words),
    printed,
  };
};

export const sections: ReadonlyMap<string, readonly Key[]> = new Map(
  rows
    .split(/^\[/m)
    .slice(1)
    .map((part) => {
      const [name = '', ...keys] = part.trim().split('\n');
      return [name.replace(']', ''), keys.map(keyOf)] as const;
    }),
);

export const handlerKeys: readonly Key[] = handlerRows.trim().split('\n').map(keyOf);
