/**
 * The revision of a Shim: the same for two that ask the same of nodes, however they are written. A rollout, and what was
 * tried and failed, goes by it, so another order of platforms or another case of a digest must not start either anew; and
 * neither must another version of this program, so fields that are not given stand for nothing in it.
 */
import { type Problem, problemOf } from '../../protocol/problem/problem.ts';
import { at, rootOf } from '../toml/cursor.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { Machine } from '../../host/facts.ts';
import { type ShimObject, wantsSlot } from '../../protocol/shim-object.ts';
import { handlerOf } from './fields.ts';

export const machines: readonly Machine[] = ['amd64', 'arm64'];

/** What concerns who gets it, in which order, and under which name Pods ask for it, makes no other handler. */
const orderFields = ['nodeSelector', 'rolloutStrategy'];

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

const given = (fields: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && !isEmpty(value)));

/**
 * As a node of this machine takes it whose settings allow everything. Which slot it has is no part of its revision: the name of the Shim
 * stands for it, which need be none of a handler.
 */
export const handlerFor = (machine: Machine, name: string, spec: ShimObject['spec']) => {
  const root = rootOf({ spec, metadata: { name } }, '');
  const policy = { machine, allowUnpinned: true, allowedHosts: [] };
  const slot = spec && wantsSlot({ spec }) ? name : undefined;
  return handlerOf(at(root, 'spec'), at(at(root, 'metadata'), 'name'), policy, slot);
};

/** Why no node takes it, whatever the node's settings; of two reasons the one that is not about a single machine. */
export const faultOf = ({ metadata, spec }: ShimObject): Problem | undefined => {
  if (!spec) return undefined;
  const faults = machines.flatMap((machine) => {
    try {
      handlerFor(machine, metadata.name, spec);
      return [];
    } catch (error) {
      // Also a defect of this program: thrown, it would stop the work for all other Shims.
      return [problemOf(error)];
    }
  });
  if (faults.length < machines.length) return undefined;
  return faults.find(({ code }) => code !== 'no-platform') ?? faults[0];
};

/** What one machine is asked for, or `undefined` where nodes would refuse it. */
const meaningFor = (machine: Machine, name: string, spec: ShimObject['spec']): object | undefined => {
  try {
    const handler = handlerFor(machine, name, spec);
    const { artifact, runtime, options, podAnnotations, containerAnnotations } = handler;
    return given({
      handler: handler.name,
      ...artifact,
      runtime: runtime.type === 'shim' ? undefined : runtime,
      options,
      // In the order of the file: it is that of the runtime's table, and another one there is a restart.
      podAnnotations,
      containerAnnotations,
    });
  } catch {
    return undefined;
  }
};

/** Of a Shim that no node takes: whatever is changed in it may mend it. */
const asWritten = (spec: ShimObject['spec']): object =>
  Object.fromEntries(
    Object.entries(spec ?? {}).flatMap(([key, value]) => {
      if (orderFields.includes(key)) return [];
      return [
        [key, key === 'runtimeClass' ? { handler: (value as { handler?: unknown } | null)?.handler } : value],
      ];
    }),
  );

const shortDigest = (value: unknown): string => digestOf(canonical(value)).slice(0, 16);

/** The revision that a node gives a Shim of which it can take nothing, as an older release does with a value that is new. */
export const unreadRevisionOf = ({ spec }: ShimObject): string => shortDigest(asWritten(spec));

/**
 * 16 hex digits of what a Shim asks of any node: the same for the controller and for nodes of all architectures, and for
 * a Shim that was deleted and made again as it was. Takes objects of any shape, and never throws for one.
 */
export const revisionOf = ({ metadata, spec }: ShimObject): string => {
  const meanings = machines.flatMap((machine) => {
    const meaning = spec ? meaningFor(machine, metadata.name, spec) : undefined;
    return meaning === undefined ? [] : [[machine, meaning] as const];
  });
  const value = meanings.length === 0 ? asWritten(spec) : Object.fromEntries(meanings);
  return shortDigest(value);
};
