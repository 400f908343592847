/**
 * Everything that is decided from, as the API server has it: Nodes, Shims and RuntimeClasses, with our own writes laid
 * over. There is a view only while all of it is known and can be followed.
 */
import type { Api } from '../../kube/client.ts';
import type { Clock } from '../../host/host.ts';
import { type Reflector, reflect } from '../../kube/reflector.ts';
import type { Log } from '../../host/log.ts';
import { type Problem, printProblem } from '../../protocol/problem/problem.ts';
import type { Metrics } from './metrics.ts';
import { classFacts } from '../model/class-facts.ts';
import type { ClassFacts, ClassUse, NodeFacts, ShimFacts, View } from '../model/fleet.ts';
import { nodeFacts } from '../model/node-facts.ts';
import { shimFacts } from '../model/shim-facts.ts';
import { shimsPath } from '../../protocol/shim-object.ts';
import { makeOwnWrites, type OwnWrites } from './read-your-writes.ts';
import { makeSharedValues } from './shared-values.ts';

export const paths = {
  nodes: '/api/v1/nodes',
  shims: shimsPath,
  classes: '/apis/node.k8s.io/v1/runtimeclasses',
} as const;

type Watched = keyof typeof paths;

export type Trouble = {
  readonly what: Watched;
  readonly problem: Problem | undefined;
  /** There was a time when it was none. */
  readonly wasKnown: boolean;
};

export type Watches = {
  readonly nodes: OwnWrites<NodeFacts>;
  readonly shims: OwnWrites<ShimFacts>;
  readonly classes: OwnWrites<ClassFacts>;
  /** Undefined: not everything is known, or not of late. */
  view(use: ReadonlyMap<string, ClassUse>): View | undefined;
  /** What keeps from having a view. */
  trouble(): Trouble | undefined;
  measure(metrics: Metrics): void;
  stop(): void;
};

/**
 * What makes a list be of now, and not of some server's memory. And most of the memory that a start takes: the bytes of a page, its
 * text and its objects are there at once, for Nodes of 10 to 40 kB. docs/scale.md has what 500 took.
 */
const limit = 250;
/** A bookmark comes each minute: after two that are missing the watch counts as stale, before it is closed. */
const staleMs = 150_000;
/** Each object is told of once, and not every one of thousands. */
const mostTold = 100;

export const openWatches = (api: Api, clock: Clock, log: Log, onChange: () => void): Watches => {
  const opened = clock.elapsed();
  const told = new Set<string>();
  const onOdd = (key: string, problem: Problem): void => {
    if (told.size > mostTold || told.has(key)) return;
    told.add(key);
    log('error', `skipped ${key.slice(1)}, cannot parse it: ${printProblem(problem)}`, {
      code: problem.code,
    });
  };
  const shared = makeSharedValues();
  const common = { limit, startJitterMs: 0, onChange, onOdd };
  const reflectors = {
    nodes: reflect<NodeFacts>(api, clock, {
      ...common,
      path: paths.nodes,
      form: 'unmanaged',
      keep: (one) => shared.node(nodeFacts(one)),
    }),
    shims: reflect<ShimFacts>(api, clock, { ...common, path: paths.shims, keep: shimFacts }),
    classes: reflect<ClassFacts>(api, clock, { ...common, path: paths.classes, keep: classFacts }),
  };
  const overlays = {
    nodes: makeOwnWrites<NodeFacts>(clock),
    shims: makeOwnWrites<ShimFacts>(clock),
    classes: makeOwnWrites<ClassFacts>(clock),
  };
  const each = Object.entries(reflectors) as [Watched, Reflector<unknown>][];

  const trouble: Watches['trouble'] = () => {
    for (const [what, reflector] of each) {
      const { items, problem, confirmed } = reflector.current();
      const stale = confirmed === undefined || Math.abs(clock.now() - confirmed) > staleMs;
      if (items === undefined || problem !== undefined || stale)
        return { what, problem, wasKnown: items !== undefined };
    }
    return undefined;
  };

  const items = <T>(reflector: Reflector<T>, own: OwnWrites<T>): readonly T[] =>
    own.over(reflector.current().items ?? [], reflector.version());

  return {
    ...overlays,
    trouble,
    view: (use) => {
      if (trouble() !== undefined) return undefined;
      return {
        now: clock.now(),
        nodes: items(reflectors.nodes, overlays.nodes),
        shims: items(reflectors.shims, overlays.shims),
        classes: items(reflectors.classes, overlays.classes),
        use,
      };
    },
    measure: (metrics) => {
      for (const [what, reflector] of each) {
        const { confirmed } = reflector.current();
        // Without a value where there never was an answer, no alert would tell of a role or a definition that is missing.
        const age = confirmed === undefined ? clock.elapsed() - opened : Math.abs(clock.now() - confirmed);
        metrics.set('rcm_controller_watch_age_seconds', age / 1000, { resource: what });
      }
    },
    stop: () => {
      for (const [, reflector] of each) reflector.stop();
    },
  };
};
