/**
 * The fields of a shim, which a local file and the `Shim` resource of runtime.spinkube.dev/v1alpha1 have in common;
 * `runtime`, `podAnnotations` and `containerAnnotations` are ours.
 */
import type { Handler, RuntimeKind } from './desired.ts';
import { at, type Cursor, fail, required, string, strings, table } from './shape.ts';
import { artifact, type Policy } from './shim-artifact.ts';
import { options } from './shim-options.ts';

// A handler becomes RuntimeClass.handler, which Kubernetes requires to be a DNS label:
// https://kubernetes.io/docs/reference/kubernetes-api/node-resources/runtime-class-v1/
export const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
export const labelSays =
  'a handler name has at most 63 lower-case letters, digits and "-", and begins and ends with a letter or digit';
/**
 * That of a RuntimeClass. Nodes have no use for it; but what no RuntimeClass can be called is a mistake, and a handler that no
 * Pod can ask for needs no restart. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
 */
export const className = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
export const classNameSays =
  'the name of a RuntimeClass has at most 253 lower-case letters, digits, "-" and ".", and each part between dots begins and ends with a letter or digit';
export const fileName = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;
const fileNameSays = 'a file name without folders is expected (letters, digits, ".", "_", "+", "-")';
// containerd matches these with path.Match against the annotations' keys.
export const annotation = /^[A-Za-z0-9_./*?[\]-]{1,253}$/;
const annotationSays = 'an annotation key or a pattern of one is expected';

/** Names that belong to the runtime itself or to installers that we would fight with. */
const reserved = [
  /^(runc|crun|youki|runsc|default|untrusted)$/,
  /^(kata|nvidia)(-|$)/,
  // The one label that every JavaScript object answers to, whether or not it holds a handler of this name.
  /^constructor$/,
];

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

/** Throws a Failure for the first thing that is wrong. `name`: where the shim's own name stands. */
export const handlerOf = (fields: Cursor, name: Cursor, policy: Policy): Omit<Handler, 'where'> => {
  const shim = required(name, string(name, fileName, fileNameSays));
  return {
    name: handlerName(fields, name, shim),
    shim,
    artifact: artifact(at(fields, 'fetchStrategy'), policy),
    runtime: runtimeKind(at(fields, 'runtime')),
    options: options(at(fields, 'containerdRuntimeOptions')),
    podAnnotations: strings(at(fields, 'podAnnotations'), annotation, annotationSays),
    containerAnnotations: strings(at(fields, 'containerAnnotations'), annotation, annotationSays),
  };
};

const handlerName = (fields: Cursor, name: Cursor, shim: string): string => {
  const runtimeClass = table(at(fields, 'runtimeClass'), ['name', 'handler']);
  if (runtimeClass) string(at(runtimeClass, 'name'), className, classNameSays);
  const given = runtimeClass ? at(runtimeClass, 'handler') : undefined;
  const cursor = given?.value === undefined ? name : given;
  const handler = given?.value === undefined ? shim : required(given, string(given));
  if (!label.test(handler))
    fail(cursor, `the handler name ${JSON.stringify(handler.slice(0, 120))} is not valid: ${labelSays}`);
  if (reserved.some((pattern) => pattern.test(handler)))
    fail(cursor, `the handler name "${handler}" is reserved`, 'reserved-handler');
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
