/**
 * The fields of a shim, which a local file and the `Shim` resource of runtime.spinkube.dev/v1alpha1 have in common;
 * `runtime`, `podAnnotations` and `containerAnnotations` are ours.
 */
import type { Handler, RuntimeKind } from '../model/desired.ts';
import { at, type Cursor, fail, required, string, strings, table } from '../toml/cursor.ts';
import { artifact } from './artifact.ts';
import type { Policy } from './location.ts';
import {
  annotation,
  annotationSays,
  className,
  classNameSays,
  fileName,
  fileNameSays,
  isReserved,
  label,
  labelSays,
} from '../../protocol/names.ts';
import { options } from '../toml/options.ts';

export const fieldKeys = [
  'nodeSelector',
  'fetchStrategy',
  'containerdRuntimeOptions',
  'runtimeClass',
  'rolloutStrategy',
  'runtime',
  'podAnnotations',
  'containerAnnotations',
];

/** All but the first two are for the controller, which writes them to the RuntimeClass; to a node they mean nothing, as `nodeSelector` does not. */
const classKeys = ['name', 'handler', 'labels', 'overhead', 'scheduling'];

/**
 * Throws a Failure for the first thing that is wrong. `name`: where the shim's own name stands; `slot`: the handler that it was given,
 * so that its own name need be none of a handler.
 */
export const handlerOf = (
  fields: Cursor,
  name: Cursor,
  policy: Policy,
  slot?: string,
): Omit<Handler, 'where'> => {
  const shim = required(name, string(name, fileName, fileNameSays));
  return {
    name: handlerName(fields, name, shim, slot),
    shim,
    artifact: artifact(at(fields, 'fetchStrategy'), policy),
    runtime: runtimeKind(at(fields, 'runtime')),
    options: options(at(fields, 'containerdRuntimeOptions')),
    podAnnotations: strings(at(fields, 'podAnnotations'), annotation, annotationSays),
    containerAnnotations: strings(at(fields, 'containerAnnotations'), annotation, annotationSays),
  };
};

const handlerName = (fields: Cursor, name: Cursor, shim: string, slot: string | undefined): string => {
  const runtimeClass = table(at(fields, 'runtimeClass'), classKeys);
  if (runtimeClass) string(at(runtimeClass, 'name'), className, classNameSays);
  if (slot !== undefined) return slot;
  const given = runtimeClass ? at(runtimeClass, 'handler') : undefined;
  const cursor = given?.value === undefined ? name : given;
  const handler = given?.value === undefined ? shim : required(given, string(given));
  if (!label.test(handler))
    fail(cursor, `the handler name ${JSON.stringify(handler.slice(0, 120))} is not valid: ${labelSays}`);
  if (isReserved(handler)) fail(cursor, `the handler name "${handler}" is reserved`, 'reserved-handler');
  return handler;
};

const runtimeKind = (cursor: Cursor): RuntimeKind => {
  const runtime = table(cursor, ['type', 'binary', 'libraries']);
  if (!runtime) return { type: 'shim' };
  const type = required(
    at(runtime, 'type'),
    string(at(runtime, 'type'), /^(shim|oci)$/, '"shim" or "oci" is expected'),
  );
  const binary = string(at(runtime, 'binary'), fileName, fileNameSays);
  const libraries = strings(at(runtime, 'libraries'), fileName, fileNameSays);
  if (type === 'shim') {
    if (binary !== undefined || libraries.length > 0)
      fail(runtime, '"runtime.binary" and "runtime.libraries" go with runtime.type = "oci" only');
    return { type: 'shim' };
  }
  const named = required(at(runtime, 'binary'), binary);
  // Names of our own in a folder of the store.
  if ([named, ...libraries].some((name) => ['manifest.json', 'lib', 'launch'].includes(name)))
    fail(runtime, 'a file of the artifact cannot be called manifest.json, lib or launch');
  if (new Set([named, ...libraries]).size !== libraries.length + 1)
    fail(at(runtime, 'libraries'), '"runtime.libraries" names a file twice');
  return { type: 'oci', binary: named, libraries };
};
