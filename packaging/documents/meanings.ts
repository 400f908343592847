/**
 * What each code of a problem means, for docs/troubleshooting.md. The executables do not have these texts: their messages say what was
 * found on this node. A code without a line here does not compile.
 */
import type { Code } from '../../protocol/problem/problem.ts';

const artifacts = {
  'bad-toml': 'A file of `shims.d` is not valid TOML, so its shim is refused.',
  'bad-value': 'A field of a Shim, of a file or of an option has a value that is not allowed there.',
  'unknown-key':
    'A file has a key that this version does not know. It is refused because a spelling mistake would otherwise be ignored.',
  'reserved-handler': 'The handler has a name that the runtime, or another installer, uses itself.',
  'handler-claimed':
    'Two shims ask for the same handler. A local file has precedence over a Shim; of two files or two Shims the one in force keeps it.',
  'no-platform': 'The Shim has artifacts for other processors or systems, and none for this node.',
  unpinned: 'The Shim has no digest, and this node demands one.',
  'policy-denied': 'The policy of this node does not allow the location, the handler or the source.',
  'unreadable-source':
    'A file or folder of the desired state cannot be read. Nothing is removed for that reason.',
  untrusted: 'A file that decides what runs as root can be written by others than root.',
  'download-refused':
    'The server answered that the artifact does not exist, or that this node may not have it.',
  'digest-mismatch':
    'The bytes at the location are not those that the Shim names by their digest. They were deleted.',
  'too-large': 'The artifact, or what it unpacks to, is larger than the limit of this node.',
  'bad-archive': 'The artifact is not an archive that can be read, or does not hold the program.',
  'wrong-machine': 'The program is for another processor architecture.',
  'missing-library': 'The program needs shared libraries that this node does not have.',
  'will-not-run': 'The program was started for a test, and did not run.',
  'registry-config': 'The files that say where this node takes images from cannot be read.',
  'registry-credentials':
    'The credentials for a registry cannot be read, or the program that provides them failed.',
  'download-failed':
    'The artifact could not be fetched: network, name, certificate, or a server that failed.',
  interrupted: 'rcm-node ended in the middle of this step before.',
} as const;

const signatures = {
  'signature-policy':
    'A policy of `[[signatures]]`, or a key or trust root that it names, cannot be read. What cannot be read denies.',
  unsigned: 'The policy of this node demands a signature, and none was found.',
  'bad-signature': 'A signature was found, and it is not valid or cannot be read.',
  'other-artifact': 'The signature is valid, and was made for other bytes.',
  'wrong-key': 'The signature was made with another key than the policy names.',
  'wrong-identity': 'The certificate of the signature is for another identity than the policy names.',
  'wrong-issuer': 'The identity was confirmed by another issuer than the policy names.',
  'untrusted-signer': 'The certificate of the signature does not lead to a root that the policy trusts.',
  'certificate-expired': 'The certificate was not valid at the time that is proven for the signature.',
  'no-log-proof':
    'The policy demands an entry in a transparency log, and the signature has none that is valid.',
  'no-timestamp': 'The policy demands a signed timestamp, and the signature has none that is valid.',
} as const;

const files = {
  'bind-mounted': 'The file to be changed is a mount point, so no new file can take its place.',
  'hard-linked': 'The file to be changed has several names. A new file in its place would separate them.',
  'attribute-lost': 'The file to be changed has an attribute or an ACL that the new file could not get.',
  'unclear-start':
    'The unit starts the runtime by a script, and it cannot be told which configuration it reads.',
  'assumed-start': 'No unit of a runtime is installed yet. What is usual is assumed.',
  'not-prepared':
    'Handlers of `[runtime] prepare` are not in the configuration yet: that needs a restart of the runtime, and nothing else does.',
  leftover: 'A former installer left files or tables on this node.',
  'ignored-file': 'A file in a folder of rcm-node is not read, because of its name.',
  'frozen-template':
    'A template of the distribution has tables copied into it, which no longer follow its updates.',
  'unrendered-template': 'The template was written, and the distribution has not rendered it yet.',
  'disk-full': 'A write failed because the file system has no space or no inodes.',
  'read-only': 'A write failed because the file system, or the path for this service, is read-only.',
  'cannot-write': 'A write was refused by the kernel.',
  'out-of-resources':
    'The machine, or the limits of this service, have no more processes, open files or memory.',
  'changed-meanwhile':
    'Another program wrote a file between the reading and the writing. Nothing was written.',
} as const;

const cluster = {
  'api-invalid': 'The API server refused what was written to it as invalid.',
  'bad-kubeconfig': 'The kubeconfig cannot be read, or has no usable server or credentials.',
  'needs-restart':
    'The Shim says `scope: no-restart`, and its handler is not prepared on this node with the same options and annotations.',
  'no-slot':
    'The Shim says `scope: no-restart` and names no handler, and the controller has given it none yet.',
  'cannot-listen': 'The controller cannot open its port for metrics or probes.',
  'api-unreachable': 'The API server does not answer.',
  'api-unauthorized': 'The API server does not know the credentials.',
  'api-forbidden': 'The API server knows the credentials, and does not allow the request.',
  'api-missing': 'The API server has no such object, or no definition of Shims.',
  'api-conflict': 'The object was changed between the reading and the writing.',
  'api-gone': 'A watch was too far behind, and has to begin again.',
  'api-busy': 'The API server asked to be left alone for some time.',
  'no-identity': 'This node has no kubeconfig of a kubelet yet, so the cluster cannot be asked.',
  'rollout-pending':
    'The change restarts the runtime, and the controller has not approved it for this node yet.',
} as const;

const node = {
  'needs-root': 'The command reads or writes what only root may.',
  'bad-usage': 'The command line is not valid.',
  'unsupported-host': 'The host is one that rcm-node does not change.',
  'unsupported-runtime':
    'The runtime, or the version of its configuration, is not one that this version of rcm-node knows.',
  'unsupported-handler': 'The runtime has no way to serve this kind of handler.',
  'unit-masked': 'The unit of the runtime is masked, so it cannot be restarted.',
  'no-runtime': 'No container runtime runs here.',
  'systemd-unreachable': 'systemd cannot be asked over D-Bus.',
  'runtime-unreachable': 'The runtime does not answer over CRI.',
  'broken-config': 'The runtime refuses the configuration that is there already. No change is added to it.',
  'cri-disabled': 'The configuration turns the CRI plugin of containerd off.',
  'default-handler-lost': 'The default handler of the configuration is not defined.',
  shadowed: 'A later file defines a handler of rcm-node again, so the definition of rcm-node has no effect.',
  'owned-by-another': 'A handler of this name is in the configuration, and rcm-node did not write it.',
  copied: 'A handler of rcm-node was also copied into a file of another owner.',
  'version-mix': 'Files that one configuration imports have different versions.',
  'dangling-import': 'The configuration imports a file that does not exist.',
  'would-change-others': 'The trial showed that the new configuration changes a foreign setting.',
  'cannot-splice': 'A table has a form that no text can be added to without a change of foreign text.',
  'generated-file': 'The configuration file is generated by another program, which would undo any change.',
  'activation-failed': 'The runtime did not start with the new configuration.',
  'not-served': 'The runtime started, and does not list the new handler.',
  'handler-lost': 'The runtime started, and does not list a handler that it served before.',
  'not-ready': 'The runtime started, and does not say that it is ready.',
  'not-started': 'The runtime lists the handler, and a sandbox with it does not start.',
  'known-bad': 'This change failed its proof before.',
  'undo-failed': 'A change was rolled back, and the runtime is not healthy afterwards either.',
  'pods-may-end':
    'A restart of containerd is planned while Pods run whose shims may not survive it: from version 1.7 on, containerd gives up a shim that does not tell its processes, as those made with runwasi.',
  'write-conflict': 'A file was written by rcm-node several times, and changed by another program each time.',
  'restart-budget': 'The runtime was restarted as often in the last hour as the settings allow.',
  'state-newer': 'The state on this node has a format that this version does not know.',
  'not-ours': 'A file that rcm-node wrote was changed by others, so it is not removed.',
  'bad-settings': 'config.toml cannot be read. The last valid settings stay in force.',
  'state-damaged': 'A file of the state of rcm-node cannot be read.',
  locked: 'Another rcm-node process works on this host.',
  'handler-in-use': 'A handler is to be removed, and running Pods use it.',
  'host-stopping': 'The host shuts down in the middle of a change.',
  internal: 'rcm-node met an error that it does not know.',
} as const;

export const meanings: Readonly<Record<Code, string>> = {
  ...artifacts,
  ...signatures,
  ...files,
  ...cluster,
  ...node,
};
