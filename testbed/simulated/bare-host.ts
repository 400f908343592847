/** The least that a decision can look at: a healthy containerd that serves runc, and nothing of ours. */
import type { Handler } from '../../daemon/model/desired.ts';
import { emptyLedger } from '../../daemon/model/ledger.ts';
import type { FileFact, UnitFacts } from '../../host/facts.ts';
import type { Observed } from '../../daemon/decide/observed.ts';
import type { RuntimeFacts } from '../../daemon/runtimes/facts.ts';

export const key = (letter: string): string => letter.repeat(64);

export const unit: UnitFacts = {
  name: 'containerd.service',
  load: 'loaded',
  active: 'active',
  sub: 'running',
  invocation: 'now',
  restarts: 0,
  mainPid: 1,
  execStart: [],
  environment: [],
  environmentFiles: [],
  fragment: '',
  result: 'success',
};

export const runtime: RuntimeFacts = {
  name: 'containerd',
  version: '2.1.0',
  binary: '/usr/bin/containerd',
  socket: '/run/containerd/containerd.sock',
  configPath: '/etc/containerd/config.toml',
  unit,
  cri: { kind: 'answers', ready: true, reason: '', handlers: ['runc'], sandboxes: [] },
  config: [],
  dangling: [],
};

export const serving = (
  handlers: readonly string[] | 'unknown',
  ...sandboxes: readonly (readonly [id: string, handler: string])[]
): RuntimeFacts => ({
  ...runtime,
  cri: {
    kind: 'answers',
    ready: true,
    reason: '',
    handlers,
    sandboxes: sandboxes.map(([id, handler]) => ({ id, handler })),
  },
});

export const observed: Observed = {
  now: 1_700_000_000_000,
  machine: 'amd64',
  activate: true,
  runtime,
  files: {},
  folders: {},
  store: {},
  links: {},
  mapped: [],
  ledger: emptyLedger,
  trials: [],
  scratch: '/run/rcm-node/trials/own',
};

export const handler: Handler = {
  name: 'spin',
  shim: 'spin-v2',
  artifact: { url: 'https://user:secret@example.com/spin.tar.gz?token=secret', sha256: key('a') },
  runtime: { type: 'shim' },
  options: {},
  podAnnotations: [],
  containerAnnotations: [],
  where: { file: '/etc/rcm-node/shims.d/spin.toml', line: 1 },
};

export const regular = (text: string, digest = 'digest', real = '/real'): FileFact => ({
  kind: 'regular',
  real,
  text,
  digest,
  mode: 0o640,
  uid: 7,
  gid: 8,
});
