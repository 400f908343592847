/**
 * What a fetch from a registry needs to know of this node, in the form in which the client of registries asks for it: from where, with
 * which credentials, and what is here already.
 */
import type { Host } from '../../../host/host.ts';
import { type Endpoint, type Image, original } from '../../../host/registry/endpoint.ts';
import type { RegistryOptions } from '../../../host/registry/registry.ts';
import type { Observed } from '../../decide/observed.ts';
import type { Settings } from '../../model/settings.ts';
import { mirroredBy } from '../../registries/mirrored.ts';
import { credentialsFor } from './credentials.ts';
import { blobPlace, endpointsOf } from './mirrors.ts';

/** Without a runtime no file says from where images come. */
export const registriesOf = (
  host: Host,
  settings: Pick<Settings, 'registries' | 'mirrors'>,
  runtime: Observed['runtime'],
): Pick<RegistryOptions, 'credentialsFor' | 'endpointsOf' | 'localBlob'> => {
  const known = runtime.name === 'none' ? undefined : runtime;
  const { real } = host.files;
  const here = (endpoint: Endpoint): Endpoint => ({
    ...endpoint,
    ca: endpoint.ca.map(real),
    client: endpoint.client.map(({ cert, key }) => ({
      cert: real(cert),
      ...(key === undefined ? {} : { key: real(key) }),
    })),
  });
  const endpoints = async (image: Image): Promise<readonly Endpoint[]> =>
    known ? endpointsOf(host.files, known, image) : [original(image)];
  /** What config.toml puts before a registry stands above what the runtime's files say. */
  const before = async (image: Image): Promise<readonly Endpoint[]> => {
    const mirrored = mirroredBy(settings.mirrors, image);
    if (!mirrored) return [];
    return mirrored.kind === 'folder' ? [mirrored.endpoint] : endpoints(mirrored.image);
  };
  return {
    credentialsFor: (image) => credentialsFor(host, settings, { unit: undefined, ...known }, image),
    endpointsOf: async (image) => [...(await before(image)), ...(await endpoints(image))].map(here),
    // A file: place is looked up below the root where it is read.
    localBlob: async (sha256) => known && blobPlace(host.files, known, sha256),
  };
};
