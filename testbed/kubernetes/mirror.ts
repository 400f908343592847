/** A mirror of release pages in reach of all nodes: https, by an authority that they know as the cluster's. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { Artifact } from '../artifacts/artifact.ts';
import type { Cluster } from '../cluster/cluster.ts';

export type Mirror = {
  /** `https://<address>:<port>`, to stand in the place of another one's `https://<host>`. */
  readonly address: string;
  /** Paths that were asked for and are there, in order. */
  readonly served: readonly string[];
  close(): void;
};

/** `find` is asked with the path as it stands in the request, escapes and all. */
export const serveMirror = async (
  cluster: Cluster,
  find: (path: string) => Artifact | undefined,
): Promise<Mirror> => {
  const host = new URL(cluster.server).hostname;
  const { certificate, key } = cluster.authority.issue({ commonName: 'mirror', servedAs: [host] });
  const served: string[] = [];
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const path = request.url ?? '';
    const artifact = find(path);
    if (artifact === undefined) {
      response.writeHead(404).end();
      return;
    }
    readFile(artifact.path).then(
      (bytes) => {
        served.push(path);
        response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, host, resolve);
  });
  server.unref();
  const bound = server.address();
  return {
    address: `https://${host}:${typeof bound === 'object' ? bound?.port : ''}`,
    served,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};
