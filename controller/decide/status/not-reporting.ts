/** Nodes that a Shim selects and where rcm-node never reported: why, and what to do. They count nowhere and block nothing. */
import type { NodeFacts } from '../../model/fleet.ts';
import { unableBy } from '../rollout/unable.ts';
import { someOf } from '../../model/wording.ts';

/** What the metric calls them. */
export type Why = 'unable' | 'replaced' | 'not-ready' | 'silent';

export const whyNotReporting = (node: NodeFacts): Why => {
  if (unableBy(node.labels) !== undefined) return 'unable';
  if (!node.ready) return 'not-ready';
  return node.machine === 'replaced' ? 'replaced' : 'silent';
};

/** In whatever namespace it was installed. */
const hint =
  'kubectl get pods -A -l app.kubernetes.io/name=rcm-node -o wide shows whether its bootstrap ran there';
const namesOf = (given: readonly NodeFacts[]): string => someOf(given.map(({ name }) => name));

const unservedOf = (given: readonly NodeFacts[]): string =>
  someOf(given.map(({ name, unserved }) => `${name} (${unserved})`));
const skip = 'leave them out: kubectl label node NODE rcm.spinkube.dev/bootstrap=skip';

const sentences: Readonly<Record<Why, (given: readonly NodeFacts[]) => string>> = {
  unable: (given) =>
    `rcm-node does not run on ${someOf(given.map((node) => `${node.name} (${unableBy(node.labels)})`))}.`,
  replaced: (given) =>
    `rcm-node has not reported since the machine was replaced on ${namesOf(given)}; ${hint}.`,
  'not-ready': (given) => `rcm-node has not reported on ${namesOf(given)}, not ready.`,
  silent: (given) => {
    const plain = given.filter(({ unserved }) => unserved === undefined);
    const refused = given.filter(({ unserved }) => unserved !== undefined);
    return [
      ...(plain.length > 0 ? [`rcm-node has not reported on ${namesOf(plain)}; ${hint}.`] : []),
      ...(refused.length > 0 ? [`rcm-node does not run on ${unservedOf(refused)}; ${skip}.`] : []),
    ].join(' ');
  },
};

/** One sentence for each reason; empty where there is none. */
export const notReporting = (given: readonly NodeFacts[]): string =>
  (Object.keys(sentences) as Why[])
    .map((why) => [why, given.filter((node) => whyNotReporting(node) === why)] as const)
    .filter(([, nodes]) => nodes.length > 0)
    .map(([why, nodes]) => sentences[why](nodes))
    .join(' ');

/** For nodes of which none reports; `who`: "nodes", or "nodes with pool=wasm". */
export const noneReports = (given: readonly NodeFacts[], who: string): string =>
  given.every((node) => whyNotReporting(node) === 'silent' && node.unserved === undefined)
    ? `rcm-node has not reported on any of the ${who}: ${namesOf(given)}; ${hint}.`
    : `rcm-node reports on none of the ${who}. ${notReporting(given)}`;
