/** The lines of a watch: one JSON object each. A chunk of the network may end anywhere in a line. */
import { ApiFailure, statusFailure } from './failure.ts';

export type WatchEvent = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: unknown;
};

const newline = 0x0a;
/** Several times what etcd accepts as one object. */
const longestLine = 8 * 1024 * 1024;

const types: ReadonlySet<unknown> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

const parse = (line: Buffer): WatchEvent | undefined => {
  let event: unknown;
  try {
    event = JSON.parse(line.toString('utf8'));
  } catch (cause) {
    throw new ApiFailure('api-unreachable', 'the API server sent something that is no event', { cause });
  }
  if (typeof event !== 'object' || event === null || !('type' in event && 'object' in event)) {
    throw new ApiFailure('api-unreachable', 'the API server sent something that is no event');
  }
  const { type, object } = event;
  if (type === 'ERROR') {
    const code = typeof object === 'object' && object !== null && 'code' in object ? Number(object.code) : 0;
    throw statusFailure(Number.isInteger(code) && code >= 400 ? code : 500, object);
  }
  // Event types of later Kubernetes versions are ignored.
  return types.has(type) ? ({ type, object } as WatchEvent) : undefined;
};

/** Takes the pieces of a stream; `end` says whether it stopped between two events. */
export const eventReader = (
  onEvent: (event: WatchEvent) => void,
): { take(piece: Buffer): void; end(): void } => {
  // Whole lines are decoded, never pieces: a piece may end in the middle of a character.
  const waiting: { pieces: Buffer[]; bytes: number } = { pieces: [], bytes: 0 };
  const keep = (piece: Buffer): void => {
    if (piece.length === 0) return;
    waiting.bytes += piece.length;
    if (waiting.bytes > longestLine)
      throw new ApiFailure('api-unreachable', `the API server sent an event of over ${longestLine} bytes`);
    // A copy: the piece is a part of a buffer that would be kept alive as a whole.
    waiting.pieces.push(Buffer.from(piece));
  };
  return {
    take: (piece) => {
      let from = 0;
      for (;;) {
        const to = piece.indexOf(newline, from);
        if (to < 0) return keep(piece.subarray(from));
        keep(piece.subarray(from, to));
        const line = Buffer.concat(waiting.pieces);
        waiting.pieces = [];
        waiting.bytes = 0;
        from = to + 1;
        const event = line.length === 0 ? undefined : parse(line);
        if (event !== undefined) onEvent(event);
      }
    },
    end: () => {
      if (waiting.bytes > 0)
        throw new ApiFailure('api-unreachable', 'the API server stopped in the middle of an event');
    },
  };
};
