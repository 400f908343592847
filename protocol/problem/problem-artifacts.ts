/** The rows of the table of problems that are about what is asked for and what is fetched for it; problem.ts says what a row is. */
type Row = { readonly hint: string; readonly retry: 'soon' | 'changed' };

const row = (retry: Row['retry'], hint: string): Row => ({ retry, hint });

export const artifactCodes = {
  // desire
  'bad-toml': row(
    'changed',
    'Correct the file, then check it with rcm-node plan; other shims are not affected.',
  ),
  'bad-value': row(
    'changed',
    'Correct the value, then check it with rcm-node plan; other shims are not affected.',
  ),
  'unknown-key': row('changed', 'Remove the key or correct its spelling.'),
  'reserved-handler': row(
    'changed',
    'Choose another handler name; this one belongs to the runtime or to another installer.',
  ),
  'handler-claimed': row('changed', 'Give one of the two shims another handler name, or remove one of them.'),
  'no-platform': row(
    'changed',
    'Add an entry for this node to fetchStrategy.platforms, or give fetchStrategy.anonHttp.location.',
  ),
  unpinned: row(
    'changed',
    'Add the sha256 of the file at `location`, or set allowUnpinned = true in /etc/rcm-node/config.toml.',
  ),
  'policy-denied': row('changed', "Allow it in this node's /etc/rcm-node/config.toml, or change the shim."),
  'unreadable-source': row(
    'soon',
    'Let root read it (ls -ld shows its owner and mode); until then the last known answer stays in force.',
  ),
  untrusted: row(
    'soon',
    'Only root may own and write this file and every folder above it: chown root:root, chmod go-w.',
  ),
  // artifacts
  'download-failed': row(
    'soon',
    'Try it on this node with curl -fLO LOCATION; check the address, the proxy and the mirrors in /etc/rcm-node/config.toml. It is tried again with growing pauses.',
  ),
  'download-refused': row('changed', 'Correct the location of the artifact.'),
  'digest-mismatch': row(
    'changed',
    'Find out what is published there (curl -fsSL LOCATION | sha256sum): correct sha256 in the shim, or ask who changed the artifact.',
  ),
  'too-large': row('changed', 'Raise maxArtifactBytes in /etc/rcm-node/config.toml if this size is right.'),
  'bad-archive': row(
    'changed',
    'Publish an archive that holds the named regular files (tar, tar.gz, tar.zst, or the binary itself).',
  ),
  'wrong-machine': row('changed', "Give the location of a build for this node's architecture."),
  'missing-library': row(
    'changed',
    'Install the libraries on the node, or carry them in the artifact (runtime.libraries).',
  ),
  'will-not-run': row(
    'changed',
    'Unpack the artifact on this node and run the binary by hand with -v (the copy that was tried is gone); look for a noexec mount, SELinux, or another libc.',
  ),
  interrupted: row(
    'soon',
    'See how it ended (out of memory, killed, power): journalctl -u rcm-node; it is tried again with growing pauses.',
  ),
} as const;
