/** The rows of the table of problems that are about what is asked for and what is fetched for it; problem.ts says what a row is. */
import { changed, soon } from './rows.ts';

export const artifactCodes = {
  // desire
  ...changed({
    'bad-toml': 'Correct the file, then check it with rcm-node plan; other shims are not affected.',
    'bad-value': 'Correct the value, then check it with rcm-node plan; other shims are not affected.',
    'unknown-key': 'Remove the key or correct its spelling.',
    'reserved-handler':
      'Choose another handler name; this one belongs to the runtime or to another installer.',
    'handler-claimed': 'Give one of the two shims another handler name, or remove one of them.',
    'no-platform':
      'Add an entry for this node to fetchStrategy.platforms, or give fetchStrategy.anonHttp.location.',
    unpinned:
      'Add the sha256 of the file at `location`, or set allowUnpinned = true in /etc/rcm-node/config.toml.',
    'policy-denied': "Allow it in this node's /etc/rcm-node/config.toml, or change the shim.",
  }),
  ...soon({
    'unreadable-source':
      'Let root read it (ls -ld shows its owner and mode); until then the last known content stays in force.',
    untrusted:
      'Only root may own and write this file and every folder above it: chown root:root, chmod go-w.',
  }),
  // artifacts
  ...changed({
    'download-refused':
      'Correct the location of the artifact; where a registry refuses access (401, 403), correct the credentials of this node (docs/registries.md).',
    'digest-mismatch':
      'Find out what is published there (curl -fsSL LOCATION | sha256sum): correct sha256 in the shim, or ask its publisher why the artifact changed.',
    'too-large': 'Raise maxArtifactBytes in /etc/rcm-node/config.toml if this size is right.',
    'bad-archive':
      'Publish an archive that holds the named regular files (tar, also with bzip2, gzip, xz or zstd; zip; or the binary itself).',
    'wrong-machine': "Give the location of a build for this node's architecture.",
    'missing-library':
      'Install the libraries on the node, or include them in the artifact (runtime.libraries).',
    'will-not-run':
      'Unpack the artifact on this node and run the binary by hand with -v (the tested copy was removed); check for a noexec mount, SELinux denials, or another libc.',
  }),
  ...soon({
    'registry-config':
      'Correct this file, which says from which registries this node takes images; nothing is fetched from elsewhere meanwhile. It is retried with backoff.',
    'registry-credentials':
      'See docs/registries.md for the credentials of registries: the file that config.toml names, and the providers of the kubelet. It is retried with backoff.',
    'download-failed':
      'Try it on this node with curl -fLO LOCATION; check the address, the proxy and the mirrors in /etc/rcm-node/config.toml. It is retried with backoff.',
    interrupted:
      'Find out why rcm-node ended (out of memory, killed, power loss): journalctl -u rcm-node; it is retried with backoff.',
  }),
};
