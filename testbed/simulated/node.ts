/** A node for tests: a folder that looks like a host, the fake around it, and the verbs of the command line. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'smol-toml';
import type { Test } from 'tap';
import type { Host } from '../../host/host.ts';
import { loadSettings, openSettings } from '../../daemon/state/load-settings.ts';
import { type Burst, consider, type Tick } from '../../daemon/reconcile/consider.ts';
import { once, type Ticked } from '../../daemon/reconcile/once.ts';
import { withWatched } from '../../daemon/reconcile/proof/watched.ts';
import { loadState } from '../../daemon/state/state.ts';
import { uninstall, type Uninstalled } from '../../daemon/reconcile/uninstall.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import { type Fake, fakeHost } from './fake.ts';
import type { FakeOptions } from './fake/daemon.ts';

/** case.toml: what a folder cannot say. */
export type Meta = Omit<FakeOptions, 'root'> & {
  readonly sandboxes?: readonly { readonly id: string; readonly handler: string }[];
  /** Empty folders, which git does not keep. */
  readonly folders?: readonly string[];
  /** `0o600`; git keeps only whether a file is executable. */
  readonly modes?: Readonly<Record<string, number>>;
  readonly owners?: Readonly<Record<string, readonly [number, number]>>;
  /** Seconds since 1970: when a file was last changed. */
  readonly times?: Readonly<Record<string, number>>;
};

export type Node = {
  readonly root: string;
  readonly runtime: 'containerd' | 'crio';
  readonly fake: Fake;
  readonly write: (path: string, text: string, mode?: number) => void;
  readonly read: (path: string) => string | undefined;
  readonly remove: (path: string) => void;
  /** `host` stands in for the node's own, so that a run of it can be killed. */
  readonly once: (tick?: Partial<Tick>, host?: Host) => Promise<Ticked>;
  readonly plan: () => Promise<Awaited<ReturnType<typeof consider>>>;
  readonly uninstall: (options?: { readonly force?: boolean }, host?: Host) => Promise<Uninstalled>;
};

const tickOf = (over: Partial<Tick>): Tick => ({
  activate: true,
  deep: true,
  force: false,
  now: false,
  ...over,
});

export const openNode = (root: string, meta: Meta): Node => {
  const bare = fakeHost({ ...meta, root });
  // As the program does it: a unit whose program restarts the runtime by itself is waited for.
  const fake: Fake = Object.defineProperty(bare, 'host', { value: withWatched(bare.host) });
  fake.containerd.sandboxes = meta.sandboxes ?? [];
  const real = (path: string): string => join(root, path);
  return {
    root,
    runtime: meta.runtime ?? 'containerd',
    fake,
    write: (path, text, mode = 0o644) => {
      mkdirSync(dirname(real(path)), { recursive: true });
      writeFileSync(real(path), text);
      chmodSync(real(path), mode);
    },
    read: (path) => (existsSync(real(path)) ? readFileSync(real(path), 'utf8') : undefined),
    remove: (path) => rmSync(real(path), { recursive: true, force: true }),
    once: async (tick = {}, host = fake.host) => once(host, await openSettings(fake.host)(), tickOf(tick)),
    plan: async () => {
      const { ledger } = await loadState(fake.host);
      const rules = { force: false, since: undefined };
      return consider(fake.host, await loadSettings(fake.host), ledger, tickOf({}), rules);
    },
    uninstall: async (options = {}, host = fake.host) =>
      uninstall(host, await loadSettings(fake.host), { activate: true, force: options.force ?? false }),
  };
};

/** As the service has it, for a tick that begins with the first of several changes; `more` are the others. */
export const burstOf = (
  node: Node,
  host: Host = node.fake.host,
  more: () => void = () => undefined,
): Burst => {
  const until = host.clock.elapsed() + 300;
  return {
    until,
    socket: undefined,
    end: async () => {
      more();
      await host.clock.sleep(Math.max(0, until - host.clock.elapsed()));
      return openSettings(host)();
    },
  };
};

/** In memory where there is such a place: every write is synced, thousands of times. */
const places = ['/dev/shm', tmpdir()];

export const makeRoot = (t: Test): string => {
  const root = mkdtempSync(join(places.find((place) => existsSync(place)) ?? tmpdir(), 'rcm-node-test-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  for (const folder of ['bin', 'etc', 'opt', 'run', 'srv/artifacts', 'usr/bin', 'var/lib'])
    mkdirSync(join(root, folder), { recursive: true });
  for (const name of ['containerd', 'crio', 'crun', 'conmon'])
    writeFileSync(join(root, 'usr/bin', name), 'the program\n', { mode: 0o755 });
  // What the shims of these tests begin with.
  writeFileSync(join(root, 'bin/sh'), 'a shell\n', { mode: 0o755 });
  return root;
};

/** A program that a shim's location names; its text depends on its name alone, so that cases can carry its digest. */
export const program = (name: string): string => `#!/bin/sh\n# ${name}\n`;
export const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

/** The folder of the store that a shim's program is in. */
export const keyOf = (artifact: string, binary = 'containerd-shim-spin-v2'): string =>
  digestOf(canonical([sha256(program(artifact)), binary, []]));

/** A file of shims.d, and the program it names. */
export const shimFile = (name: string, artifact = name, more = ''): string =>
  `name = "${name}"\n${more}\n[fetchStrategy.anonHttp]\nlocation = "file:///srv/artifacts/${artifact}"\nsha256 = "${sha256(program(artifact))}"\n`;

/** The lines that make it a handler of the node's runtime: CRI-O serves OCI runtimes only. */
const kinds = { containerd: '', crio: 'runtime = { type = "oci", binary = "crun" }\n' } as const;

export const writeShim = (node: Node, name: string, artifact = name, more = ''): void => {
  node.write(`/srv/artifacts/${artifact}`, program(artifact), 0o755);
  const file = shimFile(name, artifact, `${kinds[node.runtime]}${more}`);
  node.write(`/etc/rcm-node/shims.d/${name}.toml`, file);
};

/** The programs that shims name and the case does not bring along. */
const addPrograms = (root: string): void => {
  const folder = join(root, 'etc/rcm-node/shims.d');
  for (const file of existsSync(folder) ? readdirSync(folder) : []) {
    const text = readFileSync(join(folder, file), 'utf8');
    for (const [, name] of text.matchAll(/file:\/\/\/srv\/artifacts\/([\w.-]+)/g)) {
      const path = join(root, 'srv/artifacts', name ?? '');
      if (!existsSync(path)) writeFileSync(path, program(name ?? ''), { mode: 0o755 });
    }
  }
};

export const casesFolder = join(import.meta.dirname, '../../test/cases');
/** Hosts as earlier installers left them. */
export const takeoversFolder = join(import.meta.dirname, '../../test/takeovers');

/** git leaves it to the umask of who checks out whether a group can write. */
const closeToOthers = (root: string): void => {
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const facts = lstatSync(join(root, name));
    if (!facts.isSymbolicLink()) chmodSync(join(root, name), facts.mode & 0o7755);
  }
};

export const metaOf = (name: string, cases = casesFolder): Meta =>
  parse(readFileSync(join(cases, name, 'case.toml'), 'utf8')) as unknown as Meta;

/** A case of test/cases, copied and running. */
export const openCase = (t: Test, name: string, cases = casesFolder): Node => {
  const root = makeRoot(t);
  const folder = join(cases, name);
  const meta = metaOf(name, cases);
  cpSync(join(folder, 'host'), root, { recursive: true, verbatimSymlinks: true });
  closeToOthers(root);
  for (const path of meta.folders ?? []) mkdirSync(join(root, path), { recursive: true });
  for (const [path, [uid, gid]] of Object.entries(meta.owners ?? {}))
    if (process.getuid?.() === 0) chownSync(join(root, path), uid, gid);
  for (const [path, mode] of Object.entries(meta.modes ?? {})) chmodSync(join(root, path), mode);
  for (const [path, time] of Object.entries(meta.times ?? {})) utimesSync(join(root, path), time, time);
  addPrograms(root);
  const node = openNode(root, meta);
  // Files that were written after the daemon had started, and that it has not loaded.
  if (existsSync(join(folder, 'late'))) cpSync(join(folder, 'late'), root, { recursive: true });
  return node;
};
