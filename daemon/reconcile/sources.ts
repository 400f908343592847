/**
 * Sources of desired handlers: local files, and the last answer of the cluster; another source is another function of this
 * shape. A source that cannot be read or parsed keeps its last answer from the ledger: empty is not delete.
 */
import { paths } from '../../protocol/host-paths.ts';
import type { Host } from '../../host/host.ts';
import { type ClusterCache, parseClusterCache } from '../model/cluster-cache.ts';
import type { Desired, Handler } from '../model/desired.ts';
import { fileFault } from '../toml/file-fault.ts';
import type { Ledger } from '../model/ledger.ts';
import { Failure, type Problem, problemOf, type Where } from '../../protocol/problem/problem.ts';
import { parseShim, placeOfArtifact } from '../shims/local-file.ts';
import type { Policy } from '../shims/location.ts';
import { parseShimResource, resourceFile, shimOfResource } from '../shims/resource.ts';
import { signedNow } from '../shims/signed.ts';
import { revisionOf } from '../shims/revision.ts';
import type { FileFact } from '../../host/facts.ts';
import { isHalted, type ShimObject, slotOf, wantsSlot } from '../../protocol/shim-object.ts';
import type { ApprovalFacts } from '../model/rollout-wait.ts';

type Claim = {
  readonly handler: Handler;
  /** Epoch milliseconds of the request, if known. */
  readonly made: number;
  readonly source: 'local' | 'cluster';
  /** In the file. */
  readonly place?: Where;
};

/** The answer of one source. */
type Said = Omit<Desired, 'handlers' | 'places'> & { readonly claims: readonly Claim[] };

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

/** The installed handlers of a source that does not answer. */
const keep = (
  source: Claim['source'],
  handlers: readonly Handler[],
  { signers = [] }: Policy,
): readonly Claim[] => handlers.map((handler) => ({ handler: signedNow(handler, signers), made: 0, source }));

const localFiles = async (host: Host, policy: Policy, installed: readonly Handler[]): Promise<Said> => {
  const kept = keep('local', installed, policy);
  let names: readonly string[] | null;
  try {
    await host.files.trust(paths.shims);
    names = await host.files.names(paths.shims);
  } catch (error) {
    return { claims: kept, problems: [problemOf(error)], lost: [paths.shims] };
  }
  if (names === null) {
    if (installed.length === 0) return { claims: [], problems: [], lost: [] };
    const problem: Problem = {
      code: 'unreadable-source',
      message: 'the folder is gone; the handlers that are served stay in service',
      where: { file: paths.shims },
      hint: 'Create the folder again; an empty folder removes the handlers.',
    };
    return { claims: kept, problems: [problem], lost: [paths.shims] };
  }
  const claims: Claim[] = [];
  const problems: Problem[] = [];
  const lost: string[] = [];
  for (const name of names.filter(isShimFile)) {
    const file = `${paths.shims}/${name}`;
    try {
      const fact = await host.files.lookTrusted(file);
      if (fact.kind !== 'regular')
        throw new Failure({ code: 'unreadable-source', ...fileFault(fact), where: { file } });
      const made = (await host.files.stat(file))?.modified ?? 0;
      const handler = parseShim(fact.text, file, policy);
      claims.push({ handler, made, source: 'local', place: placeOfArtifact(fact.text, file, policy) });
    } catch (error) {
      problems.push(problemOf(error));
      lost.push(file);
      claims.push(...kept.filter((one) => one.handler.where.file === file));
    }
  }
  return { claims, problems, notes: ignored(names), lost };
};

const isShimFile = (name: string): boolean => name.endsWith('.toml') && !name.startsWith('.');

/** The most names in the message. */
const mostNames = 10;

/** A name in capitals, or with another suffix, may be a mistake. */
const ignored = (names: readonly string[]): readonly Problem[] => {
  const others = names.filter((one) => !isShimFile(one) && !/^\.|^readme/i.test(one));
  if (others.length === 0) return [];
  const more = others.length > mostNames ? ` and ${others.length - mostNames} more` : '';
  return [
    {
      code: 'ignored-file',
      message: `not read, because the name does not end in .toml: ${others.slice(0, mostNames).join(', ')}${more}`,
      where: { file: paths.shims },
    },
  ];
};

/** The last answer of the cluster, as the service keeps it on disk: commands read the same as the service. */
const cluster = async (host: Host, policy: Policy, installed: readonly Handler[]): Promise<Said> => {
  const kept = keep('cluster', installed, policy);
  const lose = (problem: Problem): Said => ({
    claims: kept,
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
      slotless.push(...kept.filter((one) => one.handler.where.file === file));
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
      claims.push(...kept.filter((one) => one.handler.where.file === file));
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
