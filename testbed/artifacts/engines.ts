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
  /** The annotation by which it knows a module from a program. With `compat` on the Pod, it may take the pause container for one. */
  readonly variant: 'compat' | 'compat-smart';
  readonly artifact: Artifact;
};

/** As Debian builds it. */
export const wasmedge = async (progress: Progress): Promise<Engine> => {
  const { libraries, ...artifact } = await makeWasmedgeBundle(progress);
  return { name: 'wasmedge', binary: 'crun', libraries, variant: 'compat-smart', artifact };
};

export const engineToml = ({ name, binary, libraries, artifact }: Engine): string => `name = "${name}"
runtime = { type = "oci", binary = "${binary}", libraries = ${JSON.stringify(libraries)} }
podAnnotations = ["module.wasm.image/*"]
containerAnnotations = ["module.wasm.image/*"]
[fetchStrategy.anonHttp]
location = "${locationOf(artifact)}"
sha256 = "${artifact.sha256}"
`;
