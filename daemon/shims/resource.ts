/**
 * One `Shim` of runtime.spinkube.dev/v1alpha1: JSON in, the `Handler` that a file with the same fields would give out.
 * Its name is the shim's name, so the binary is `containerd-shim-<metadata.name>`.
 */
import type { Handler } from '../model/desired.ts';
import { at, type Cursor, required, rootOf, string, table } from '../toml/cursor.ts';
import type { Policy } from './location.ts';
import { handlerOf } from './fields.ts';
import { type ShimObject, slotOf, wantsSlot } from '../../protocol/shim-object.ts';
import { revisionOf } from './revision.ts';

/** Stands in place of the path that a local file has. */
export const resourceFile = (name: string): string => `shims.runtime.spinkube.dev/${name}`;

/** The other way round; undefined for the path of a file. */
export const shimOfResource = (file: string): string | undefined =>
  file.startsWith(resourceFile('')) ? file.slice(resourceFile('').length) : undefined;

const namedRoot = (object: unknown): Cursor => {
  const root = rootOf(object, resourceFile('?'));
  // What is no object at all, or has no name, cannot be told by its name.
  required(root, table(root, []));
  const metadata = at(root, 'metadata');
  const name = at(required(metadata, table(metadata, [])), 'name');
  return { ...root, file: resourceFile(required(name, string(name))) };
};

/** Throws a Failure for the first thing that is wrong. Which nodes it is for is not looked at here. */
export const parseShimResource = (object: unknown, policy: Policy): Handler => {
  const root = namedRoot(object);
  const spec = at(root, 'spec');
  const fields = required(spec, table(spec, []));
  const { metadata, spec: whole } = object as ShimObject;
  const slot = wantsSlot(object as ShimObject) ? slotOf(object as ShimObject) : undefined;
  const handler = handlerOf(fields, at(at(root, 'metadata'), 'name'), policy, slot);
  // Without a schema a Shim may contain anything; a strategy that cannot be read counts as absent.
  const given = whole?.rolloutStrategy?.scope;
  const scope = given === 'all' || given === 'no-restart' ? given : 'restarts';
  return {
    ...handler,
    where: { file: root.file },
    order: { shim: metadata.name, revision: revisionOf(object as ShimObject), scope },
  };
};
