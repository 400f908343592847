/** OCI runtimes with a Wasm engine as artifacts, and the local files that ask for them. */
import type { Progress } from '../machine/command.ts';
import { locationOf } from '../node/service.ts';
import type { Artifact } from './artifact.ts';
import { makeWasmedgeBundle } from './wasmedge.ts';

export type Engine = {
  /** Of the handler. */
  readonly name: string;
  readonly binary: string;
  readonly libraries: readonly string[];
  readonly artifact: Artifact;
};

export const wasmedge = async (progress: Progress): Promise<Engine> => {
  const bundle = await makeWasmedgeBundle(progress);
  return { name: 'wasmedge', binary: 'crun', libraries: bundle.libraries, artifact: bundle };
};

/** By this annotation of a Pod the runtime knows a module from a program. */
export const asModule = { 'module.wasm.image/variant': 'compat-smart' };

export const engineToml = ({ name, binary, libraries, artifact }: Engine): string => `name = "${name}"
runtime = { type = "oci", binary = "${binary}", libraries = ${JSON.stringify(libraries)} }
podAnnotations = ["module.wasm.image/*"]
containerAnnotations = ["module.wasm.image/*"]
[fetchStrategy.anonHttp]
location = "${locationOf(artifact)}"
sha256 = "${artifact.sha256}"
`;
