/** The API server's audit log as it grows: who asked what, and when. Its own metrics do not tell one client from another. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { AuditEvent } from '../../testbed/cluster/cluster.ts';
import { controllerName } from '../../controller/model/keys.ts';
import { version } from '../../protocol/version.ts';

export type Asked = {
  /** `LIST nodes`, `PATCH nodes`, `WATCH shims`. */
  readonly what: string;
  /** Whether it was rcm-node, on a node or as the controller. */
  readonly ours: boolean;
  readonly by: 'node' | 'controller' | 'other';
  readonly user: string;
  readonly code: number;
  /** Epoch milliseconds. */
  readonly at: number;
};

/** A watch counts when it begins, everything else when it is answered. */
const counts = ({ stage, verb, responseStatus }: AuditEvent): boolean =>
  verb === 'watch' && (responseStatus?.code ?? 0) < 400
    ? stage === 'ResponseStarted'
    : stage === 'ResponseComplete';

const byOf = (user: string): Asked['by'] => {
  if (user.startsWith('system:node:')) return 'node';
  return user === `system:serviceaccount:rcm-node:${controllerName}` ? 'controller' : 'other';
};

const askedOf = (event: AuditEvent): Asked => {
  const { verb, objectRef, requestReceivedTimestamp, userAgent } = event;
  const path = event.requestURI.replace(/\?.*/, '');
  const resource = objectRef?.resource ?? path;
  const at = Date.parse(requestReceivedTimestamp);
  const by = byOf(event.user.username);
  return {
    what: `${verb.toUpperCase()} ${resource}${objectRef?.subresource ? `/${objectRef.subresource}` : ''}`,
    // This bench reads with the same client code, as another user.
    ours: userAgent === `rcm-node/${version}` && by !== 'other',
    by,
    user: event.user.username,
    code: event.responseStatus?.code ?? 0,
    at,
  };
};

/** Everything is kept that was asked since the call. */
export const tailAudit = (file: string): { read(): readonly Asked[]; close(): void } => {
  const descriptor = openSync(file, 'r');
  const buffer = Buffer.alloc(1 << 20);
  const all: Asked[] = [];
  let rest = Buffer.alloc(0);
  const read = (): readonly Asked[] => {
    for (;;) {
      const bytes = readSync(descriptor, buffer, 0, buffer.length, null);
      if (bytes === 0) return all;
      const text = Buffer.concat([rest, buffer.subarray(0, bytes)]);
      const end = text.lastIndexOf(10) + 1;
      rest = Buffer.from(text.subarray(end));
      for (const line of text.subarray(0, end).toString('utf8').split('\n')) {
        if (line === '') continue;
        const event = JSON.parse(line) as AuditEvent;
        if (counts(event)) all.push(askedOf(event));
      }
    }
  };
  return { read, close: () => closeSync(descriptor) };
};
