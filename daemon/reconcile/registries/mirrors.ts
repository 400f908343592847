/**
 * Where this node asks for an image, and what its runtime has of it already: the files that the row of the runtime names, read in
 * the order in which it names them. Only root may have written them: they decide which server is trusted, and which
 * certificates vouch for it.
 */
import type { Files } from '../../../host/files/files.ts';
import { problemOf, Failure } from '../../../protocol/problem/problem.ts';
import type { FileFact } from '../../../host/facts.ts';
import type { Endpoint, Image } from '../../../host/registry/endpoint.ts';
import type { RuntimeFacts } from '../../runtimes/facts.ts';
import type { Folder } from '../../registries/images.ts';
import { runtimeOf } from '../../runtimes/table.ts';

type Reads = Pick<Files, 'trust' | 'names' | 'lookTrusted'>;
export type Of = Pick<RuntimeFacts, 'name' | 'config' | 'version'>;

/** More rounds than a runtime has kinds of files. */
const mostRounds = 4;

const readFolder = async (files: Reads, path: string): Promise<Folder> => {
  await files.trust(path);
  const names = await files.names(path);
  const texts: Record<string, FileFact> = {};
  for (const name of (names ?? []).filter((one) => /\.(toml|conf)$/.test(one)))
    texts[name] = await files.lookTrusted(`${path}/${name}`);
  return { names, texts };
};

/** What stands before the registry itself, and it; throws the Failure that denies the fetch. */
export const endpointsOf = async (files: Reads, runtime: Of, image: Image): Promise<readonly Endpoint[]> => {
  const { images } = runtimeOf(runtime);
  const read = new Map<string, Folder>();
  try {
    for (let round = 0; round < mostRounds; round++) {
      const next = images.next(runtime, image, read);
      if (next.length === 0) break;
      for (const path of next) read.set(path, await readFolder(files, path));
    }
    const endpoints = images.endpoints(runtime, image, read);
    for (const { ca, client } of endpoints)
      for (const path of [...ca, ...client.flatMap(({ cert, key }) => [cert, key ?? cert])])
        await files.trust(path);
    return endpoints;
  } catch (error) {
    const problem = problemOf(error);
    if (problem.code === 'internal') throw error;
    throw new Failure(
      {
        ...problem,
        message: `it is not known from where this node takes images of ${image.host}: ${problem.message}`,
      },
      error,
    );
  }
};

/** Where the runtime may have content with this digest; absent: it keeps none, or others can write there. Its bytes are verified as those of a download. */
export const blobPlace = async (
  files: Pick<Files, 'trust' | 'stat'>,
  runtime: Of,
  sha256: string,
): Promise<string | undefined> => {
  const folder = runtimeOf(runtime).images.blobs?.(runtime);
  if (folder === undefined || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  const path = `${folder}/${sha256}`;
  try {
    await files.trust(path);
    return (await files.stat(path)) === null ? undefined : path;
  } catch {
    return undefined;
  }
};
