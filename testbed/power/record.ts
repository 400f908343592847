/** A machine installs a handler, updates it and uninstalls: which writes of its log belong to which of these, and what was in the files. */
import { paths, stablePath } from '../../protocol/host-paths.ts';
import { executable } from '../node/install.ts';
import { shimFilePath, untilServing } from '../node/service.ts';
import type { AnyNode } from '../node/test-node.ts';
import type { Artifact } from '../artifacts/artifact.ts';
import { writesOf } from '../vm/write-log.ts';
import { wasmShimLine } from '../wasm-shim/shim.ts';
import { digests } from './files.ts';
import { placeOf } from './machines.ts';

/** From before its first write to after its last, and the version that is served in the end. */
export type Part = {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly serves: 1 | 2 | undefined;
  /** Its files before. */
  readonly before: string;
};

const service = 'rcm-node.service';
/** Where a Pod finds it. */
export const program = stablePath('spin-v2', 'containerd-shim-spin-v2');

export const record = async (
  node: AnyNode,
  log: string,
  shims: Readonly<Record<1 | 2, Artifact>>,
  names: readonly string[],
): Promise<{ readonly parts: readonly Part[]; readonly seen: readonly string[] }> => {
  const look = (): Promise<string> => node.run(['sh', '-c', `cd / && ${digests}`]);
  const seen: string[] = [];
  const serve = (version: 1 | 2) => () => {
    const { sha256 } = shims[version];
    const text = `name = "spin-v2"\n[fetchStrategy.anonHttp]\nlocation = "file://${placeOf(shims[version])}"\nsha256 = "${sha256}"\n`;
    return node.writeFile(shimFilePath('spin-v2'), text);
  };
  const started = (version: 1 | 2) => async (): Promise<void> => {
    // What it reported when it was stopped is of the version before.
    await node.run(['rm', '-f', paths.status]);
    await node.run(['systemctl', 'start', service]);
    await untilServing(node, ['spin-v2'], 600_000);
    const line = await node.run(['tail', '-n1', program]);
    if (line !== wasmShimLine(`${version}`)) throw new Error(`version ${version} is not served: ${line}`);
  };
  const rows = [
    { name: 'install', before: serve(1), work: started(1), serves: 1 },
    { name: 'update', before: serve(2), work: started(2), serves: 2 },
    {
      name: 'uninstall',
      before: () => node.run(['rm', shimFilePath('spin-v2')]),
      work: () => node.run([executable, 'uninstall'], { timeoutMs: 600_000 }),
      serves: undefined,
    },
  ] as const;
  await untilServing(node, [], 600_000);
  const parts: Part[] = [];
  for (const { name, before, work, serves } of rows.filter((row) => names.includes(row.name))) {
    // The files that ask for a change are on the disk before it begins, so the power takes none of them.
    await node.run(['systemctl', 'stop', service]);
    await before();
    await node.run(['sync']);
    const files = await look();
    const from = writesOf(log).length;
    await work();
    await node.run(['sync']);
    parts.push({ name, from, to: writesOf(log).length, serves, before: files });
    seen.push(files, await look());
  }
  return { parts, seen };
};
