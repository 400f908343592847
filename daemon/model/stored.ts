/** A handler, and a problem, as the state on the disk and the status hold them: each value as it was when it was written. */
import type { Artifact, Handler, OptionValue, ShimRevision, RuntimeKind } from './desired.ts';
import { type Code, codes, type Problem, type Where } from '../../protocol/problem/problem.ts';
import { presentCode } from '../../protocol/problem/former-codes.ts';
import {
  digest,
  isPath,
  json,
  list,
  object,
  one,
  optional,
  type Read,
  record,
  text,
  time,
  variant,
  whole,
} from './schema.ts';
import type { FailedStart, KeptStart } from './start.ts';
import { annotation, fileName, label } from '../../protocol/names.ts';
import { maxDepth } from '../toml/toml-text.ts';

/** As long as the longest path that the kernel takes, and a line of a log. */
export const short: Read<string> = text(/^[^\0]{1,4096}$/s);
export const handlerName: Read<string> = text(label);

/** Of a Shim; `-` for one that is gone. */
export const revision: Read<string> = text(/^(-|[0-9a-z]{1,64})$/);

const option: Read<OptionValue> = (cursor) => {
  const { value } = cursor;
  if (Array.isArray(value)) {
    json(maxDepth)(cursor);
    return list(option)(cursor);
  }
  return typeof value === 'boolean' || typeof value === 'bigint' || Number.isFinite(value)
    ? (value as OptionValue)
    : text()(cursor);
};

const where: Read<Where> = object<Where>({
  file: short,
  line: optional(whole(1, Number.MAX_SAFE_INTEGER)),
  column: optional(whole(1, Number.MAX_SAFE_INTEGER)),
});

export const storedHandler: Read<Handler> = object<Handler>({
  name: handlerName,
  shim: text(fileName),
  artifact: object<Artifact>({ url: text(/^(https?|file):/), sha256: optional(digest) }),
  runtime: variant<RuntimeKind, 'type'>('type', {
    shim: { type: one('shim') },
    oci: { type: one('oci'), binary: text(fileName), libraries: list(text(fileName)) },
  }),
  options: record(/^[A-Za-z0-9_]{1,64}$/, option),
  podAnnotations: list(text(annotation)),
  containerAnnotations: list(text(annotation)),
  where,
  order: optional(object<ShimRevision>({ shim: text(fileName), revision, scope: one('restarts', 'all') })),
});

/** A code that only a later build has is a defect to this one, which has neither a hint nor a pause for it. */
const code: Read<Code> = (cursor) => {
  const name = presentCode(text(/^[a-z][a-z0-9-]{0,63}$/)(cursor));
  return Object.hasOwn(codes, name) ? (name as Code) : 'internal';
};

export const keptStart: Read<KeptStart> = object<KeptStart>({ of: digest, why: optional(text()) });

export const storedProblem: Read<Problem> = object<Problem>({
  code,
  message: text(),
  detail: optional(text()),
  where: optional(where),
  handler: optional(short),
  hint: optional(text()),
});

export const failedStart: Read<FailedStart> = object<FailedStart>({
  of: digest,
  problem: storedProblem,
  at: time,
  stamps: optional(record(isPath, time)),
});
