/** The rows of the table of problems that are about files, units, and what the machine has left; problem.ts says what a row is. */
import { changed, soon } from './rows.ts';
/** What is said, and is no fault: it changes no exit code, and is logged once. */
export const noteCodes: ReadonlySet<string> = new Set([
  'ignored-file',
  'assumed-start',
  'copied',
  'frozen-template',
  'leftover',
  'not-prepared',
  'no-slot',
  'pods-may-end',
]);

export const fileCodes = {
  ...changed({
    'bind-mounted': 'This file is a mount point and cannot be replaced; mount its folder instead.',
    'hard-linked': 'Give this name a file of its own, or remove the other names of the file.',
    'attribute-lost':
      'The file was left as it was. Remove the attribute (setfattr -x, setfacl -b), or run rcm-node once from a root shell, which has more rights than the service has.',
    'unclear-start':
      'Start the runtime by ExecStart= itself, or by "exec containerd" (with CRI-O: "exec crio") as the last command of a shell, and name its configuration there (-c FILE); see systemctl cat of the unit.',
    'assumed-start':
      'Install the unit of the runtime before, or name it: [runtime] unit in /etc/rcm-node/config.toml.',
    'not-prepared':
      'Nothing has to be done. To have it now: rcm-node once when no Pod runs on this node, or add a handler that is not prepared.',
    leftover: 'Look at it with rcm-node takeover, and remove it with rcm-node takeover --apply.',
    'ignored-file':
      'Only names that end in .toml are read here. Rename what is meant to be read; move everything else to another folder.',
    'frozen-template':
      'Put {{ template "base" . }} in the place of the copied tables when the node can be restarted; keep what was added to them.',
  }),
  ...soon({
    'unrendered-template':
      'When the node can bear it, restart the unit of the distribution: that renders the template, and rcm-node continues by itself.',
    'disk-full': 'Free space or inodes on the file system that holds this path.',
    'read-only':
      'The file system is read-only; make it writable, or add the path to ReadWritePaths of rcm-node.service.',
    'cannot-write': 'Check permissions, immutable attributes (lsattr) and SELinux denials for this path.',
    'out-of-resources':
      'Find what exhausts them: ls /proc/<pid>/fd | wc -l; systemctl show rcm-node -p LimitNOFILE -p TasksCurrent -p TasksMax; free -m.',
    'changed-meanwhile': 'Another program wrote the file at the same moment; it is read again.',
  }),
};
