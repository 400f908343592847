/** Which nodes a shim is for. */

/** Every label that is asked for, with that value; nothing asked for is every node. */
export const selects = (
  nodeSelector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>>,
): boolean =>
  Object.entries(nodeSelector ?? {}).every(
    ([key, value]) => Object.hasOwn(labels, key) && labels[key] === value,
  );
