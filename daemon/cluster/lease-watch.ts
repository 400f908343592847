/**
 * Reads the Lease of the controller until it is clear whether a controller runs. A pure transition takes the former reads
 * and this one, and returns what is known.
 */
import {
  confirmLook,
  firstLook,
  isAbsent,
  judgeLease,
  type LeaseLook,
  lookAgain,
  nextLook,
} from '../decide/handlers/rollout-wait.ts';
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import { fields, text } from '../../protocol/json.ts';
import { logFields, printProblem, problemOf } from '../../protocol/problem/problem.ts';
import { leasePathIn, readNamespace } from './namespace.ts';

/** The results of the reads so far. */
export type Looks = {
  readonly lease?: LeaseLook;
  /** The `elapsed` since which the Lease is absent. */
  readonly absent?: number;
};

export type Sight =
  | { readonly kind: 'lease'; readonly renewed: string }
  /** The Lease is absent, or may not be read: the manifests that install a controller also grant nodes to read it. */
  | { readonly kind: 'missing' }
  /** No answer. A controller could not renew its Lease either, and must get time to do so. */
  | { readonly kind: 'silent' };

/** `doubtful`: another read is needed. `wasThere`: a controller has written to this node before. */
export const afterLook = (
  looks: Looks,
  sight: Sight,
  at: { readonly wasThere: boolean; readonly elapsed: number; readonly now: number },
): { readonly looks: Looks; readonly told: 'alive' | 'none' | 'doubtful' | 'nothing' } => {
  switch (sight.kind) {
    case 'lease': {
      const { answer, look } = judgeLease(looks.lease, sight.renewed, at.elapsed, at.now);
      return { looks: { lease: look }, told: answer ?? 'doubtful' };
    }
    case 'missing': {
      const absent = looks.absent ?? at.elapsed;
      return { looks: { absent }, told: isAbsent(at.wasThere, absent, at.elapsed) ? 'none' : 'doubtful' };
    }
    case 'silent':
      return {
        looks: looks.lease ? { lease: { ...looks.lease, still: undefined } } : {},
        told: 'nothing',
      };
  }
};

export class LeaseWatch {
  readonly #host: Host;
  readonly #given: { wasThere(): boolean; learn(answer: 'alive' | 'none'): void };
  #looks: Looks = {};
  /** Ends the current reads. */
  #end: AbortController | undefined;

  constructor(host: Host, given: { wasThere(): boolean; learn(answer: 'alive' | 'none'): void }) {
    this.#host = host;
    this.#given = given;
  }

  start(api: Api): void {
    if (this.#end) return;
    this.#end = new AbortController();
    void this.#run(api, this.#end.signal);
  }

  /** Ends the use of this connection; the results count for the next one. */
  stop(): void {
    this.#end?.abort();
    this.#end = undefined;
  }

  forget(): void {
    this.stop();
    this.#looks = {};
  }

  async #run(api: Api, signal: AbortSignal): Promise<void> {
    const { clock } = this.#host;
    await clock.sleep(firstLook(clock.random()), signal);
    let sure = 0;
    while (!signal.aborted) {
      const sight = await this.#look(api, signal);
      if (signal.aborted) return;
      const at = { wasThere: this.#given.wasThere(), elapsed: clock.elapsed(), now: clock.now() };
      const { looks, told } = afterLook(this.#looks, sight, at);
      this.#looks = looks;
      if (told === 'alive' || told === 'none') {
        sure++;
        this.#given.learn(told);
      }
      const random = clock.random();
      const known = told === 'nothing' ? lookAgain(random) : nextLook(sure, random);
      await clock.sleep(told === 'doubtful' ? confirmLook : known, signal);
    }
  }

  async #look(api: Api, signal: AbortSignal): Promise<Sight> {
    try {
      const { spec } = fields(await api.request('GET', leasePathIn(await readNamespace(this.#host))));
      return { kind: 'lease', renewed: text(fields(spec).renewTime) ?? '' };
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'api-missing' || problem.code === 'api-forbidden') return { kind: 'missing' };
      const level = problem.code === 'bad-settings' ? 'warn' : 'debug';
      if (!signal.aborted)
        this.#host.log(level, `the Lease of the controller: ${printProblem(problem)}`, logFields(problem));
      return { kind: 'silent' };
    }
  }
}
