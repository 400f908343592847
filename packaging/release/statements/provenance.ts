/**
 * From what, and by what, the files of a release were made: an in-toto statement with SLSA's provenance
 * (https://slsa.dev/spec/v1.0/provenance). It is a claim of the builder: it proves something only under the builder's signature.
 */
import type { Source } from '../source.ts';

export type Subject = { readonly name: string; readonly sha256: string };

export type Builder = {
  /** Who built it: an address of the workflow, or `urn:rcm-node:builder:local`. */
  readonly id: string;
  readonly repository: string | undefined;
};

export type Ingredients = {
  readonly version: string;
  readonly nodeVersion: string;
  readonly lockSha256: string;
  readonly image: string | undefined;
};

/** The builder and the repository as a workflow tells them. */
export const builderOf = (env: Readonly<Record<string, string | undefined>>): Builder => ({
  id: env.BUILDER_ID ?? 'urn:rcm-node:builder:local',
  repository: env.SOURCE_REPOSITORY,
});

export const provenanceOf = (
  subjects: readonly Subject[],
  source: Source,
  builder: Builder,
  given: Ingredients,
): object => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: {
    buildDefinition: {
      buildType: 'urn:rcm-node:release:v1',
      externalParameters: {
        command: 'npm ci && npm run release',
        version: given.version,
        ...(given.image === undefined ? {} : { image: given.image }),
      },
      internalParameters: { sourceDateEpoch: source.time, sourceChanged: source.changed },
      resolvedDependencies: [
        ...(source.commit === undefined
          ? []
          : [{ uri: builder.repository ?? 'urn:rcm-node:source', digest: { gitCommit: source.commit } }]),
        { name: 'package-lock.json', digest: { sha256: given.lockSha256 } },
        { uri: `pkg:npm/node@${given.nodeVersion}` },
      ],
    },
    runDetails: { builder: { id: builder.id } },
  },
});
