/**
 * `decide` on a large node: 200 handlers, and 1 MB of configuration that is not ours. The host is plain data here, and
 * the plan is carried out on that data until nothing is left to do, so that the settled tick is a real one.
 */
import { limitsOf } from '../../daemon/decide/backoff.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { decide } from '../../daemon/decide/decide.ts';
import { binaryName, type Desired, type Handler, storeKey } from '../../daemon/model/desired.ts';
import { emptyLedger } from '../../daemon/model/ledger.ts';
import type { Observed } from '../../daemon/decide/observed.ts';
import type { RuntimeFacts, Trial } from '../../daemon/runtimes/facts.ts';
import type { Plan } from '../../daemon/model/plan.ts';
import { digestOf } from '../../protocol/digest.ts';
import type { FileFact } from '../../host/facts.ts';
import { median, type Row } from '../row.ts';
import { configFile } from '../../daemon/runtimes/parsed.ts';

const defaultLimits = limitsOf(defaultSettings);

const handlerCount = 200;
const foreignBytes = 1_000_000;

const main = '/etc/containerd/config.toml';

/** What a node with very many registry mirrors has: small tables, comments, both kinds of strings. */
const foreignText = (): string => {
  const parts = [
    'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n',
    `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`,
  ];
  for (let bytes = 0, at = 0; bytes < foreignBytes; at += 1) {
    const table = `\n[plugins."io.containerd.cri.v1.images".registry.mirrors."host${at}.example.com"] # mirror ${at}
  endpoint = ["https://mirror${at}.example.com/v2/prefix", 'https://second${at}.example.com']
  timeout = ${at}\n`;
    parts.push(table);
    bytes += table.length;
  }
  return parts.join('');
};

const handlers: readonly Handler[] = Array.from({ length: handlerCount }, (_, at) => ({
  name: `handler${at}`,
  shim: `handler${at}`,
  artifact: { url: `https://example.com/${at}.tar.gz`, sha256: digestOf(String(at)) },
  runtime: { type: 'shim' },
  options: { SystemdCgroup: true },
  podAnnotations: [],
  containerAnnotations: [],
  where: { file: `/etc/rcm-node/shims.d/${at}.toml` },
}));

const desired: Desired = { handlers, problems: [], lost: [] };

const regular = (path: string, text: string): FileFact => ({
  kind: 'regular',
  real: path,
  text,
  digest: digestOf(text),
  mode: 0o644,
  uid: 0,
  gid: 0,
});

const runtimeOf = (foreign: FileFact): RuntimeFacts => ({
  name: 'containerd',
  version: '2.1.9',
  binary: '/usr/bin/containerd',
  socket: '/run/containerd/containerd.sock',
  configPath: main,
  unit: {
    name: 'containerd.service',
    load: 'loaded',
    active: 'active',
    sub: 'running',
    invocation: 'first',
    restarts: 0,
    mainPid: 1,
    execStart: [],
    environment: [],
    environmentFiles: [],
    fragment: '',
    result: 'success',
  },
  cri: { kind: 'answers', ready: true, reason: '', handlers: ['runc'], sandboxes: [] },
  config: [configFile(main, foreign)],
  dangling: [],
});

type Host = Observed & { readonly runtime: RuntimeFacts };

/** Every artifact is in the store already: what is measured is configuration. */
const bareHost = (): Host => {
  const foreign = regular(main, foreignText());
  return {
    now: 1_700_000_000_000,
    machine: 'amd64',
    activate: true,
    runtime: runtimeOf(foreign),
    files: { [main]: foreign, '/etc/containerd/conf.d/zz-rcm-node.toml': { kind: 'absent' } },
    folders: { '/etc/containerd/conf.d': true, '/etc/containerd': true, '/etc': true },
    store: Object.fromEntries(
      handlers.map((one) => [
        storeKey(one) ?? '',
        {
          kind: 'whole',
          sha256: one.artifact.sha256 ?? '',
          url: one.artifact.url,
          binary: binaryName(one),
        },
      ]),
    ),
    links: {},
    mapped: [],
    ledger: emptyLedger,
    trials: [],
    scratch: '/run/rcm-node/trials/own',
  };
};

/** What the runtime's own parser would print: all staged files as one, with one version and no imports. */
const dumped = (staged: Extract<Plan, { kind: 'trial' }>['before']): Trial['before'] => ({
  kind: 'dumped',
  text: `version = 3\n${staged
    .map(({ text }) => (text ?? '').replaceAll(/^(version|imports) *=.*\n/gm, ''))
    .join('\n')}`,
});

/** The host after a plan of steps. */
const carriedOut = (host: Host, plan: Extract<Plan, { kind: 'steps' }>): Host => {
  let { files, links, ledger, runtime } = host;
  for (const step of plan.steps) {
    if (step.kind === 'write') {
      const fact: FileFact =
        step.after.kind === 'absent' ? { kind: 'absent' } : regular(step.path, step.after.text);
      files = { ...files, [step.path]: fact };
      const others = runtime.config.filter((file) => file.path !== step.path);
      const config =
        step.path === main ? [configFile(main, fact), ...others] : [...others, configFile(step.path, fact)];
      runtime = { ...runtime, config: fact.kind === 'absent' ? others : config };
    } else if (step.kind === 'link') links = { ...links, [step.path]: { target: step.after } };
    else if (step.kind === 'record') ledger = step.ledger;
    else if (step.kind === 'prove')
      runtime = {
        ...runtime,
        cri: {
          kind: 'answers',
          ready: true,
          reason: '',
          handlers: ['runc', ...handlers.map((one) => one.name)],
          sandboxes: [],
        },
      };
  }
  return { ...host, files, links, ledger, runtime, trials: [] };
};

const rules = { force: false, since: undefined };

/** Milliseconds of this thread's processor time: `decide` neither waits nor hands anything over. */
const timed = <T>(act: () => T): { readonly ms: number; readonly result: T } => {
  const from = process.threadCpuUsage();
  const result = act();
  const spent = process.threadCpuUsage(from);
  return { ms: (spent.user + spent.system) / 1000, result };
};

const consider = (host: Host): { readonly ms: number; readonly host: Host; readonly plan: Plan } => {
  const { ms, result } = timed(() => decide(desired, host, defaultLimits, rules));
  const { plan } = result;
  if (plan.kind !== 'trial') return { ms, host, plan };
  const trial = { id: plan.id, before: dumped(plan.before), after: dumped(plan.after) };
  const heard = { ...host, trials: [trial] };
  const again = timed(() => decide(desired, heard, defaultLimits, rules));
  return { ms: ms + again.ms, host: heard, plan: again.result.plan };
};

/** Facts are read anew for each tick, so nothing may be remembered by the identity of an object. */
const fresh = (host: Host): Host => structuredClone(host);

const settle = (): Host => {
  let host = bareHost();
  for (let round = 0; round < 5; round += 1) {
    const { plan } = consider(host);
    if (plan.kind === 'settled') return host;
    if (plan.kind !== 'steps')
      throw new Error(`the large node is not served: ${JSON.stringify(plan).slice(0, 500)}`);
    host = carriedOut(host, plan);
  }
  throw new Error('the large node does not settle');
};

export const measureDecision = (): readonly Row[] => {
  const settledHost = settle();
  const settled = Array.from({ length: 21 }, () => consider(fresh(settledHost)));
  if (settled.some(({ plan }) => plan.kind !== 'settled')) throw new Error('the settled node is not settled');
  const first = Array.from({ length: 7 }, () => consider(bareHost()).ms);
  const size = `${handlerCount} handlers, ${foreignBytes / 1e6} MB of foreign configuration`;
  return [
    {
      what: `decide, settled (${size})`,
      value: median(settled.map(({ ms }) => ms)),
      unit: 'ms',
      limit: 50,
      how: 'what runs every minute; median of 21, processor time of the deciding thread, Node 26 in-process',
    },
    {
      what: `decide, all ${handlerCount} new`,
      value: median(first),
      unit: 'ms',
      limit: 200,
      how: 'before and after a trial: wiring, splicing, and judging what the runtime would understand before and after; median of 7',
    },
  ];
};
