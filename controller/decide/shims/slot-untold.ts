/**
 * Nodes that do not tell which handlers are prepared on them. No slot is given while a Shim selects one, because it might not be there;
 * so the Shim says which nodes these are, why, and what to do. Nodes where rcm-node never reported are not selected at all.
 */
import type { NodeFacts } from '../../model/fleet.ts';
import { nodeKeys } from '../../model/keys.ts';
import { someOf } from '../../model/wording.ts';

type Why = 'too-new' | 'unreadable' | 'cut' | 'refused';

const whyUntold = ({ state, detail, skew }: NodeFacts): Why | undefined => {
  if (detail === undefined) return skew === 'too-new' ? 'too-new' : 'unreadable';
  if (detail.trunc === true) return 'cut';
  return state === 'Refused' ? 'refused' : undefined;
};

export const isUntold = (node: NodeFacts): boolean => whyUntold(node) !== undefined;

const sentences: Readonly<Record<Why, (names: string) => string>> = {
  'too-new': (names) => `the rcm-node of ${names} is too new for this controller: upgrade the controller`,
  unreadable: (names) =>
    `the annotation ${nodeKeys.status} of ${names} is missing or cannot be read: check that rcm-node runs there (systemctl status rcm-node), which writes it again`,
  cut: (names) =>
    `not all handlers of ${names} fit into the annotation ${nodeKeys.status}: take some out of [runtime] prepare`,
  refused: (names) => `rcm-node changes nothing on ${names}: kubectl describe node NAME says why`,
};

/** Empty where all tell it. */
export const untoldOf = (targets: readonly NodeFacts[]): string => {
  const parts = (Object.keys(sentences) as Why[]).flatMap((why) => {
    const names = targets.filter((node) => whyUntold(node) === why).map(({ name }) => name);
    return names.length === 0 ? [] : [sentences[why](someOf(names))];
  });
  return parts.length === 0
    ? ''
    : `${parts.join('; ')}; or leave out these nodes (spec.nodeSelector of the Shim; kubectl delete node NAME for one that is lost)`;
};
