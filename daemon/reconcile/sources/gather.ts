/**
 * Sources of desired handlers: local files, and the last answer of the cluster; another source is another function of their
 * shape. A source that cannot be read or parsed keeps its last answer from the ledger: empty is not delete.
 */
import type { Host } from '../../../host/host.ts';
import { paths } from '../../../protocol/host-paths.ts';
import type { Problem, Where } from '../../../protocol/problem/problem.ts';
import type { Desired, Handler } from '../../model/desired.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { Policy } from '../../shims/location.ts';
import { shimOfResource } from '../../shims/resource.ts';
import type { Claim } from './claims.ts';
import { cluster } from './cluster.ts';
import { localFiles } from './local-files.ts';

/** `clustered` false: the settings exclude the cluster, so it is no lost source. */
export const gather = async (
  host: Host,
  policy: Policy,
  ledger: Ledger,
  clustered = true,
): Promise<Desired> => {
  const installed = Object.values(ledger.handlers).map((one) => one.handler);
  const [ofCluster, ofFiles] = [true, false].map((wanted) =>
    installed.filter((one) => isResource(one.where.file) === wanted),
  ) as [Handler[], Handler[]];
  const said = [await localFiles(host, policy, ofFiles)];
  if (clustered) said.push(await cluster(host, policy, ofCluster));
  const problems = said.flatMap((one) => one.problems);
  const approvals = said.find((one) => one.approvals)?.approvals;
  const notes = said.flatMap((one) => one.notes ?? []);
  const claims = said.flatMap((one) => one.claims);
  const handlers = settle(claims, ledger, problems);
  const places = claims.flatMap(({ handler, place }): readonly (readonly [string, Where])[] =>
    place && handlers.includes(handler) ? [[handler.name, place]] : [],
  );
  return {
    handlers,
    problems,
    ...(places.length > 0 ? { places: Object.fromEntries(places) } : {}),
    ...(notes.length > 0 ? { notes } : {}),
    lost: said.flatMap((one) => one.lost),
    ...(said.some((one) => one.unheard) ? { unheard: true as const } : {}),
    ...(approvals ? { approvals } : {}),
  };
};

/** No source may be read, because the policy of this node is unknown: the installed handlers of all sources. */
export const inForce = (ledger: Ledger): Desired => ({
  handlers: Object.values(ledger.handlers).map((one) => one.handler),
  problems: [],
  lost: [paths.shims, paths.cluster],
});

const isResource = (file: string): boolean => shimOfResource(file) !== undefined;

/**
 * Two sources claim one handler: a local file takes precedence over the cluster, because it is the policy of the node. Among
 * equal sources the installed one keeps the handler; if none is installed, the older request gets it.
 */
const settle = (claims: readonly Claim[], ledger: Ledger, problems: Problem[]): readonly Handler[] => {
  const inForce = ({ handler }: Claim): boolean =>
    ledger.handlers[handler.name]?.handler.where.file === handler.where.file;
  const order = (a: Claim, b: Claim): number =>
    Number(b.source === 'local') - Number(a.source === 'local') ||
    Number(inForce(b)) - Number(inForce(a)) ||
    a.made - b.made;
  const winners = new Map<string, Handler>();
  for (const { handler } of [...claims].sort(order)) {
    const holder = winners.get(handler.name);
    if (!holder) winners.set(handler.name, handler);
    else
      problems.push({
        code: 'handler-claimed',
        message: `the handler "${handler.name}" is claimed by ${holder.where.file} already, which keeps it`,
        where: handler.where,
        handler: handler.name,
      });
  }
  return [...winners.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
};
