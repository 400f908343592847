/**
 * Where the content of an image may be asked for: the registry that its name says, and those that the node's own
 * configuration puts before it. Every runtime has a format of its own for that; this is what they have in common.
 */

import type { Tls } from '../http/options.ts';

/** The name of an image without tag and digest; `host` has the port, if there is one. */
export type Image = { readonly host: string; readonly repository: string };

/** `unproven`: also one over plain http. */
export type Endpoint = Tls & {
  /** The root of its API, with `/v2` where it has one, and without a slash at the end; with `file:` a folder in the same form. */
  readonly base: string;
  /** The name there, which is not always that of the image. */
  readonly repository: string;
  /** The registry for which a mirror stands; it is told by the parameter `ns`. */
  readonly mirrorOf?: string;
  /** Whether it may say what a tag means. One that anyone can stand in for may not: only a digest can be asked of it. */
  readonly resolves: boolean;
  /** Whether content may be had from it. */
  readonly pulls: boolean;
  readonly headers: Readonly<Record<string, readonly string[]>>;
};

export type Access = Pick<Endpoint, 'ca' | 'client' | 'headers'>;
export const plainAccess: Access = { ca: [], client: [], headers: {} };

/** Docker Hub is called otherwise than where its API is (distribution/reference, docker.DefaultHost). */
export const apiHost = (host: string): string =>
  host === 'docker.io' || host === 'index.docker.io' ? 'registry-1.docker.io' : host;

/** There a name with one part is one of its library. */
export const apiRepository = ({ host, repository }: Image): string =>
  apiHost(host) !== host && !repository.includes('/') ? `library/${repository}` : repository;

/** Over https, with the system's roots. */
export const original = (image: Image, access: Access = plainAccess): Endpoint => ({
  base: `https://${apiHost(image.host)}/v2`,
  repository: apiRepository(image),
  resolves: true,
  pulls: true,
  ...access,
});
