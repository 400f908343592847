/** How names may be written that Kubernetes, the runtime and the store all have to take. */

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

export const fileNameSays = 'a file name without folders is expected (letters, digits, ".", "_", "+", "-")';

// The runtime matches these with path.Match against the annotations' keys.
export const annotation = /^[A-Za-z0-9_./*?[\]-]{1,253}$/;

export const annotationSays = 'an annotation key or a pattern of one is expected';

/** Names of the runtime itself, or of installers that would overwrite our handlers. */
const reserved = [
  /^(runc|crun|youki|runsc|default|untrusted)$/,
  /^(kata|nvidia)(-|$)/,
  // The one label that every JavaScript object answers to, whether or not it holds a handler of this name.
  /^constructor$/,
];

export const isReserved = (handler: string): boolean => reserved.some((pattern) => pattern.test(handler));
