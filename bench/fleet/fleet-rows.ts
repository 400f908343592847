/** The figures of the controller's memory. */
import type { ProcessMemory } from '../rollout/controller-process.ts';
import type { Row } from '../row.ts';

type Sample = ProcessMemory & { readonly cpuSeconds: number; readonly groupMb: number };

export type GivenFleet = {
  readonly nodes: number;
  /** Bytes of one Node as the API server sends it. */
  readonly whole: number;
  readonly podMib: number;
  /** From its start until it had all Nodes. */
  readonly seconds: number;
  readonly synced: Sample;
  readonly rolling: Sample & { readonly serving: number };
  /** Pss_Anon after each of the rounds that kubelets write in an hour. */
  readonly rounds: readonly number[];
  readonly after: Sample;
  readonly serving: number;
};

/** Resident, with 15,000 Nodes. */
const mostMb = 350;
/** Of the Pod's limit: what is left is for other kernels, larger Nodes and more Shims. */
const mostOfLimit = 0.75;

export const fleetRows = (given: GivenFleet): readonly Row[] => {
  const { nodes, whole, podMib, seconds, synced, rolling, rounds, after, serving } = given;
  const mb = (value: number): string => `${value.toFixed(0)} MB`;
  return [
    {
      what: `${nodes} nodes: most memory of the controller`,
      value: after.peakMb,
      unit: 'MB',
      limit: mostMb,
      how: `resident, over start, rollout and ${rounds.length * nodes} writes of kubelets; Nodes of ${(whole / 1000).toFixed(1)} kB. The built program, with the ${podMib} MiB that its Pod may have. ${mb(synced.peakMb)} until it had all Nodes, ${mb(rolling.peakMb)} when ${rolling.serving} served the Shim`,
    },
    {
      what: `${nodes} nodes: memory of its Pod, against its limit`,
      value: after.groupMb / ((podMib * 2 ** 20) / 1e6),
      unit: 'ratio',
      limit: mostOfLimit,
      how: `the most that the kernel counted for the cgroup, ${mb(after.groupMb)}`,
    },
    {
      what: `${nodes} nodes: its own memory with all Nodes`,
      value: synced.anonMb,
      unit: 'MB',
      how: `Pss_Anon, ${seconds.toFixed(1)} s after its start; ${mb(synced.residentMb)} resident; ${synced.cpuSeconds.toFixed(1)} s of processor time`,
    },
    {
      what: `${nodes} nodes: its own memory during a rollout`,
      value: rolling.anonMb,
      unit: 'MB',
      how: `Pss_Anon, when all nodes waited and ${rolling.serving} served the Shim; ${mb(rolling.residentMb)} resident. The agents are a stand-in: one client reports for all nodes`,
    },
    {
      what: `${nodes} nodes: its own memory after what kubelets write in ${rounds.length * 5} minutes`,
      value: after.anonMb,
      unit: 'MB',
      how: `Pss_Anon; ${mb(after.residentMb)} resident. After each of ${rounds.length} rounds: ${rounds.map((one) => one.toFixed(0)).join(', ')} MB. The rollout went on beside them, until ${serving} nodes served the Shim; ${(after.cpuSeconds - rolling.cpuSeconds).toFixed(0)} s of processor time`,
    },
  ];
};
