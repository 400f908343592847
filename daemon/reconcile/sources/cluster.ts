/** Source of desired handlers: the last answer of the cluster. */
import type { FileFact } from '../../../host/facts.ts';
import type { Host } from '../../../host/host.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { Failure, type Problem, problemOf } from '../../../protocol/problem/problem.ts';
import { isHalted, type ShimObject, slotOf, wantsSlot } from '../../../protocol/shim-object.ts';
import { type ClusterCache, parseClusterCache } from '../../model/cluster-cache.ts';
import type { Handler } from '../../model/desired.ts';
import type { ApprovalFacts } from '../../model/rollout-wait.ts';
import type { Policy } from '../../shims/location.ts';
import { parseShimResource, resourceFile } from '../../shims/resource.ts';
import { revisionOf } from '../../shims/revision.ts';
import { fileFault } from '../../toml/file-fault.ts';
import { type Claim, keep, type Said } from './claims.ts';

/** The last answer of the cluster, as the service keeps it on disk: commands read the same as the service. */
export const cluster = async (host: Host, policy: Policy, installed: readonly Handler[]): Promise<Said> => {
  const kept = keep('cluster', installed, policy);
  const lose = (problem: Problem): Said => ({
    claims: kept(),
    problems: [problem],
    lost: [paths.cluster],
    unheard: true,
  });
  let fact: FileFact;
  try {
    fact = await host.files.lookTrusted(paths.cluster);
  } catch (error) {
    return lose(problemOf(error));
  }
  if (fact.kind === 'absent') {
    if (installed.length === 0) return { claims: [], problems: [], lost: [], unheard: true };
    return lose({
      code: 'unreadable-source',
      message: 'it is not known what the cluster asks for; the handlers that are served stay in service',
      where: { file: paths.cluster },
      hint: 'The service writes the file when the API server answers: systemctl status rcm-node.',
    });
  }
  let answer: ClusterCache;
  try {
    if (fact.kind !== 'regular')
      throw new Failure({
        code: 'unreadable-source',
        ...fileFault(fact),
        where: { file: paths.cluster },
      });
    answer = parseClusterCache(fact.text, paths.cluster);
  } catch (error) {
    return lose(problemOf(error));
  }
  const claims: Claim[] = [];
  const problems: Problem[] = [];
  const lost: string[] = [];
  const notes: Problem[] = [];
  const slotless: Claim[] = [];
  for (const shim of answer.shims) {
    const file = resourceFile(shim.metadata.name);
    if (wantsSlot(shim) && slotOf(shim) === undefined) {
      slotless.push(...kept(file));
      notes.push({
        code: 'no-slot',
        message: 'it waits until the controller gives it a prepared handler',
        where: { file },
      });
      continue;
    }
    const made = Date.parse(shim.metadata.creationTimestamp ?? '') || 0;
    try {
      claims.push({ handler: parseShimResource(shim, policy), made, source: 'cluster' });
    } catch (error) {
      problems.push(problemOf(error));
      lost.push(file);
      claims.push(...kept(file));
    }
  }
  // Their status may be lost: what is served stays, unless the controller gave the slot to another Shim, whose Pods ask for it.
  const claimed = new Set(claims.map(({ handler }) => handler.name));
  claims.push(...slotless.filter(({ handler }) => !claimed.has(handler.name)));
  return { claims, problems, notes, lost, approvals: approvalFactsOf(answer) };
};

const approvalFactsOf = ({ shims, approvals }: ClusterCache): ApprovalFacts => ({
  approved: approvals?.approved ?? {},
  controller: approvals?.controller,
  alone: approvals?.alone ?? {},
  shims: Object.fromEntries(shims.map((shim) => [shim.metadata.name, standingOf(shim)])),
});

const standingOf = (shim: ShimObject): ApprovalFacts['shims'][string] => {
  const revision = revisionOf(shim);
  const { spec, status } = shim;
  return {
    revision,
    paused: spec?.rolloutStrategy?.paused === true,
    stopped: isHalted(shim) && status?.rollout?.revision === revision,
  };
};
