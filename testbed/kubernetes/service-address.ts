/**
 * The address that Pods know the API server by, `KUBERNETES_SERVICE_HOST`. On other clusters kube-proxy leads there;
 * here, where the kernel may lack what it needs, this process passes on what comes in.
 */
import { createServer, connect } from 'node:net';
import type { ClusterNetwork } from './network.ts';

export const serveServiceAddress = async (network: ClusterNetwork): Promise<{ close(): void }> => {
  const server = createServer((inside) => {
    const outside = connect(6443, network.address);
    for (const [one, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
    inside.unref();
    outside.unref();
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(443, network.serviceAddress, resolve);
  });
  server.unref();
  return { close: () => server.close() };
};
