/**
 * The owner of cluster.json, where `gather` reads the desired state of the cluster. Two parts write into it: the Shims, and
 * what is known of approvals. One write at a time; a failed write is tried again at the next event, or the next tick.
 */
import { paths } from '../../protocol/host-paths.ts';
import { canonical } from '../../protocol/digest.ts';
import { setAside } from '../../host/files/aside.ts';
import { isTemporary } from '../../host/files/hashing-writer.ts';
import type { Host } from '../../host/host.ts';
import { type ClusterCache, parseClusterCache, printClusterCache } from '../model/cluster-cache.ts';
import type { KnownApprovals } from '../model/rollout-wait.ts';
import { Failure, logFields, printProblem, problemOf } from '../../protocol/problem/problem.ts';
import { clusterTrouble } from '../state/state.ts';

/** The desired state of the cluster. */
export type ShimSlice = Pick<ClusterCache, 'node' | 'shims' | 'away'>;

export class CacheFile {
  readonly #host: Host;
  readonly #changed: () => void;
  #written: ClusterCache | undefined;
  /** As it was read or written: another release prints another text of the same content. */
  #text = '';
  #approvals: KnownApprovals | undefined;
  #restored = false;
  /** Why the last write failed. */
  #unwritten = '';
  #queue: Promise<unknown> = Promise.resolve();

  /** `changed`: the file has new content. */
  constructor(host: Host, changed: () => void) {
    this.#host = host;
    this.#changed = changed;
  }

  /** Reads, once, the state that was stored before this start. */
  async restore(): Promise<ClusterCache | undefined> {
    if (this.#restored) return undefined;
    this.#restored = true;
    const { files } = this.#host;
    try {
      for (const name of (await files.names(paths.clusterScratch)) ?? [])
        if (isTemporary(name)) await files.removeTree(`${paths.clusterScratch}/${name}`);
      const fact = await files.lookTrusted(paths.cluster);
      if (fact.kind !== 'regular') return undefined;
      this.#written = parseClusterCache(fact.text, paths.cluster);
      this.#text = fact.text;
      this.#approvals = this.#written.approvals;
      return this.#written;
    } catch {
      // `gather` reports a damaged file, or one of another user; the first list of Shims replaces it.
      return undefined;
    }
  }

  /** The names of the Shims in it. */
  asked(): readonly string[] {
    return (this.#written?.shims ?? []).map((one) => one.metadata.name);
  }

  /** Stored with the next write. */
  setApprovals(approvals: KnownApprovals | undefined): void {
    this.#approvals = approvals;
  }

  /** Writes what `change` returns for the present content; undefined: nothing is known yet. */
  write(change: (last: ClusterCache | undefined) => ShimSlice | undefined): Promise<void> {
    const done = this.#queue.then(() => this.#write(change(this.#written)));
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #write(slice: ShimSlice | undefined): Promise<void> {
    if (!slice) return;
    const { node, shims, away } = slice;
    const next: ClusterCache = {
      ...{ version: 1, node, shims },
      ...(away ? { away } : {}),
      ...(this.#approvals === undefined ? {} : { approvals: this.#approvals }),
    };
    if (canonical(next) === canonical(this.#written ?? null) && (await this.#stands())) return;
    const { files, clock, log } = this.#host;
    try {
      for (const folder of [paths.state, paths.clusterScratch])
        if (!(await files.isFolder(folder))) await files.makeFolder(folder);
      const trouble = await clusterTrouble(this.#host);
      if (trouble?.code === 'state-newer') throw new Failure(trouble);
      if (trouble) await setAside(files, paths.cluster, clock.now());
      const text = printClusterCache(next);
      await files.put(paths.cluster, text, 0o600, paths.clusterScratch);
      this.#written = next;
      this.#text = text;
      this.#unwritten = '';
      this.#changed();
    } catch (error) {
      const problem = problemOf(error);
      if (printProblem(problem) !== this.#unwritten) log('warn', printProblem(problem), logFields(problem));
      this.#unwritten = printProblem(problem);
    }
  }

  /** Whether the file is as it was written: the next tick sets a damaged one aside, and it has to be written again. */
  async #stands(): Promise<boolean> {
    const fact = await this.#host.files.look(paths.cluster);
    if (fact.kind === 'unreadable' && fact.errno !== undefined) return true;
    return fact.kind === 'regular' && this.#written !== undefined && fact.text === this.#text;
  }
}
