/** The API as a leader uses it: every request is counted, and nothing is written by one that may no longer lead. */
import { type Api, ApiFailure } from '../../kube/client.ts';
import type { Method } from '../../kube/exchange.ts';
import type { Metrics } from './metrics.ts';

const codeOf = (error: unknown): string =>
  error instanceof ApiFailure && error.status !== undefined ? `${error.status}` : 'none';

export const counted = (api: Api, metrics: Metrics): Api => {
  const count = (verb: string, code: string): void =>
    metrics.add('rcm_controller_requests_total', { verb, code });
  const noted = async <T>(verb: string, work: Promise<T>): Promise<T> => {
    try {
      const value = await work;
      count(verb, '2xx');
      return value;
    } catch (error) {
      count(verb, codeOf(error));
      throw error;
    }
  };
  return {
    get server() {
      return api.server;
    },
    serverTime: () => api.serverTime?.(),
    request: (method, path, given) => noted(method, api.request(method, path, given)),
    watch: (path, given) => noted('WATCH', api.watch(path, given)),
    close: () => api.close(),
  };
};

const reads: readonly Method[] = ['GET'];

/** `holds` is asked at the last moment: whatever was decided before may be another's to decide by now. */
export const fenced = (api: Api, holds: () => boolean): Api => ({
  get server() {
    return api.server;
  },
  serverTime: () => api.serverTime?.(),
  request: async (method, path, given) => {
    if (reads.includes(method) || holds()) return api.request(method, path, given);
    throw new ApiFailure('api-conflict', 'another controller may be the leader by now');
  },
  watch: (path, given) => api.watch(path, given),
  close: () => api.close(),
});
