/** What stands around the commands, in help and in the man page: what the program is for, its files, and where to begin. */
type Rows = readonly (readonly [shown: string, what: string])[];

export const purpose = "makes this node's container runtime serve the handlers it is asked for";

export const hostFiles: Rows = [
  ['/etc/rcm-node/shims.d/*.toml', 'the shims to install, one per file'],
  ['/etc/rcm-node/config.toml', 'settings and policy of this node'],
  ['/run/rcm-node/status.json', 'the outcome of the last tick'],
];

export const examples: Rows = [
  ['rcm-node help plan', 'what one command does'],
  ['rcm-node plan', 'what would be changed here, and why'],
  ['rcm-node doctor', 'what is wrong here, and how to correct it'],
];
