/**
 * Codes by their names of before, for what an older program wrote: state on the disk, status.json, annotations and labels of a
 * Node. Users may have alerts on a former name, so `--json` and the log still show it beside the present one.
 */

const formerCodes: Readonly<Record<string, string>> = {
  'write-conflict': 'fight',
  'rollout-pending': 'waits-for-turn',
  // The controller's own, which it keeps in labels of a Node.
  'approval-expired': 'turn-ran-out',
  'approval-withdrawn': 'taken-back',
};

const presentCodes: ReadonlyMap<string, string> = new Map(
  Object.entries(formerCodes).map(([present, former]) => [former, present]),
);

/** The name that this version has for a code of any version. */
export const presentCode = (code: string): string => presentCodes.get(code) ?? code;

/** Undefined for a code that was never renamed. */
export const formerCode = (code: string): string | undefined =>
  Object.hasOwn(formerCodes, code) ? formerCodes[code] : undefined;
