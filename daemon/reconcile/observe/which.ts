/**
 * Which container runtime of this host is served: the one whose unit a person names, the one that its distribution starts, the
 * only one, or the one of the kubelet.
 */
import type { UnitFacts } from '../../../host/facts.ts';
import type { Host } from '../../../host/host.ts';
import { findUnit } from '../../../host/systemd/unit-search.ts';
import { fileOf } from '../../../protocol/host-paths.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import type { Served } from '../../runtimes/distro.ts';
import { identify } from './identify.ts';
import { endpointOfKubelet } from './kubelet-endpoint.ts';
import { runtimeBy, runtimes, usualRuntime } from '../../runtimes/table.ts';

export type Chosen = {
  readonly row: Runtime;
  readonly unit: string;
  /** Absent: a plain host. */
  readonly distro?: Served;
  /** Absent: the unit was not looked at for the choice. */
  readonly facts?: UnitFacts | undefined;
};

/** Where a kubelet has the socket of its runtime: as its own configuration, and as kubeadm and packages write its flags. */
const kubeletFiles = [
  ...['/var/lib/kubelet/config.yaml', '/var/lib/kubelet/instance-config.yaml'],
  ...['/var/lib/kubelet/kubeadm-flags.env', '/etc/default/kubelet', '/etc/sysconfig/kubelet'],
  ...['/etc/kubernetes/kubelet.conf', '/etc/systemd/system/kubelet.service'],
];

/** Throws the Failure that says that it cannot be told, or that this host is not served. */
export const whichRuntime = async (host: Host, settings: Settings): Promise<Chosen> => {
  const { distro, units } = await identify(host, settings);
  const chosen = distro?.runner
    ? await ofRunner(host, distro, units, settings.unit)
    : await plainly(host, settings);
  return distro ? { ...chosen, distro } : chosen;
};

/** In a root that is prepared, nothing depends on which of several units it will be. */
const ofRunner = async (
  host: Host,
  { name, runner }: Served,
  units: ReadonlySet<string>,
  named: string | undefined,
): Promise<Chosen> => {
  const there = named ? [named] : [...units].filter((one) => runner?.units.test(one)).sort();
  const running: string[] = [];
  for (const unit of there.length > 1 && host.systemd ? there : [])
    if ((await host.systemd?.unit(unit))?.active !== 'inactive') running.push(unit);
  const [unit = '', ...others] = running.length > 0 ? running : host.systemd ? there : there.slice(0, 1);
  if (others.length === 0) return { row: usualRuntime, unit };
  throw new Failure({
    code: 'unclear-start',
    message: `${there.join(' and ')} are units of ${name}, and ${running.length > 0 ? `${running.length} of them run` : 'none of them runs'}`,
    hint: 'Start the one that is meant, or say which one it is: runtime.unit in /etc/rcm-node/config.toml.',
  });
};

const plainly = async (host: Host, { unit }: Settings): Promise<Chosen> => {
  if (unit !== undefined) {
    const row = runtimeBy(unit);
    return { row, unit: row.usual.aliases?.includes(unit) ? row.usual.unit : unit };
  }
  const there: Runtime[] = [];
  const running: Runtime[] = [];
  const states = await Promise.all(runtimes.map(async (row) => ({ row, state: await stateOn(host, row) })));
  for (const { row, state } of states) {
    if (state.kind !== 'absent') there.push(row);
    if (state.kind === 'running') running.push(row);
  }
  const usually = (row: Runtime): Chosen => ({
    row,
    unit: row.usual.unit,
    facts: states.find((one) => one.row === row)?.state.facts,
  });
  if (there.every((row) => row === usualRuntime)) return usually(usualRuntime);
  const named = await ofKubelet(host);
  const here = named.filter((one) => there.includes(one));
  const asked = here.length > 0 ? here : named;
  const [row, ...others] = asked.length > 0 ? asked : withoutKubelet(host, there, running);
  // The unit of the one that is named may be away for a moment, as in an upgrade: that is no reason to serve another one.
  const isPlain = row && (!there.includes(row) || running.includes(row) || running.length === 0);
  if (row && others.length === 0 && isPlain) return usually(row);
  const all = there.map(({ usual }) => usual.unit).join(' and ');
  const why =
    row && others.length === 0
      ? `the kubelet, or its files, name ${row.name}, which does not run, and another one runs`
      : 'neither the running kubelet nor its files say which one it uses';
  throw new Failure({
    code: 'unclear-start',
    message: `${all} are both here, and ${why}`,
    hint: 'Say which one it is: runtime.unit in /etc/rcm-node/config.toml.',
  });
};

/**
 * A package that is installed beside it, and was never started, is no second runtime. Where none runs nothing is written, so
 * that it is the usual one until one of them runs.
 */
const withoutKubelet = (
  host: Host,
  there: readonly Runtime[],
  running: readonly Runtime[],
): readonly Runtime[] => {
  if (running.length > 0) return running;
  return host.systemd && there.includes(usualRuntime) ? [usualRuntime] : there;
};

type State = { readonly kind: 'absent' | 'idle' | 'running'; readonly facts?: UnitFacts };

/** One that failed, or is being started again, counts as running. */
const stateOn = async (host: Host, { usual }: Runtime): Promise<State> => {
  if (!host.systemd)
    return { kind: (await findUnit(host.files, usual.unit)).kind === 'absent' ? 'absent' : 'idle' };
  const facts = await host.systemd.unit(usual.unit);
  if (facts.load === 'not-found') return { kind: 'absent', facts };
  return { kind: facts.active === 'inactive' ? 'idle' : 'running', facts };
};

/** The running one knows best, also where it names none of these; a file may be left from before a change of the runtime. */
const ofKubelet = async (host: Host): Promise<readonly Runtime[]> => {
  const endpoint = await endpointOfKubelet(host);
  if (endpoint !== undefined)
    return runtimes.filter(({ usual }) => endpoint.endsWith(`/${fileOf(usual.socket)}`));
  const named: Runtime[] = [];
  for (const row of runtimes) if (await isInFiles(host, row)) named.push(row);
  return named;
};

/** A file that others can write decides nothing, and a comment says nothing. */
const isInFiles = async ({ files }: Host, { usual }: Runtime): Promise<boolean> => {
  for (const path of kubeletFiles) {
    const fact = await files.lookTrusted(path);
    const says = fact.kind === 'regular' ? fact.text.replaceAll(/^[ \t]*#.*$/gm, '') : '';
    if (says.includes(`/${fileOf(usual.socket)}`)) return true;
  }
  return false;
};
