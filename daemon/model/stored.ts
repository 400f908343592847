/** A handler and a problem, in the form of the stored state and of status.json. */
import type { Artifact, Handler, Prepared, ShimRevision, RuntimeKind } from './desired.ts';
import { type Code, codes, type Problem, type Where } from '../../protocol/problem/problem.ts';
import { presentCode } from '../../protocol/problem/former-codes.ts';
import * as s from './schema.ts';
import type { FailedStart, KeptStart } from './start.ts';
import { annotation, fileName, label } from '../../protocol/names.ts';
import type { OptionValue } from '../toml/options.ts';
import { maxDepth } from '../toml/toml-text.ts';

/** The length of the longest path in Linux, and of a log line. */
export const short: s.Read<string> = s.text(/^[^\0]{1,4096}$/s);
export const handlerName: s.Read<string> = s.text(label);

/** The revision of a Shim; `-` for a deleted one. */
export const revision: s.Read<string> = s.text(/^(-|[0-9a-z]{1,64})$/);

const option: s.Read<OptionValue> = (cursor) => {
  const { value } = cursor;
  if (Array.isArray(value)) {
    s.json(maxDepth)(cursor);
    return s.list(option)(cursor);
  }
  return typeof value === 'boolean' || typeof value === 'bigint' || Number.isFinite(value)
    ? (value as OptionValue)
    : s.text()(cursor);
};

const where: s.Read<Where> = s.object<Where>({
  file: short,
  line: s.optional(s.whole(1, Number.MAX_SAFE_INTEGER)),
  column: s.optional(s.whole(1, Number.MAX_SAFE_INTEGER)),
});

const tableFields: s.Fields<Prepared> = {
  name: handlerName,
  shim: s.text(fileName),
  runtime: s.variant<RuntimeKind, 'type'>('type', {
    shim: { type: s.one('shim') },
    oci: { type: s.one('oci'), binary: s.text(fileName), libraries: s.list(s.text(fileName)) },
  }),
  options: s.record(/^[A-Za-z0-9_]{1,64}$/, option),
  podAnnotations: s.list(s.text(annotation)),
  containerAnnotations: s.list(s.text(annotation)),
  where,
};

export const storedPrepared: s.Read<Prepared> = s.object<Prepared>(tableFields);

export const storedHandler: s.Read<Handler> = s.object<Handler>({
  ...tableFields,
  artifact: s.object<Artifact>({
    signed: s.optional(
      s.object<NonNullable<Artifact['signed']>>({ prefix: s.text(), any: s.list(s.digest) }),
    ),
    url: s.text(/^(https?|file|oci):/),
    sha256: s.optional(s.digest),
    path: s.optional(s.path),
    fileSha256: s.optional(s.digest),
  }),
  order: s.optional(
    s.object<ShimRevision>({
      shim: s.text(fileName),
      revision,
      scope: s.one('restarts', 'all', 'no-restart'),
    }),
  ),
});

/** A code of a later build counts as a defect here: this build has no hint and no pause for it. */
const code: s.Read<Code> = (cursor) => {
  const name = presentCode(s.text(/^[a-z][a-z0-9-]{0,63}$/)(cursor));
  return Object.hasOwn(codes, name) ? (name as Code) : 'internal';
};

export const keptStart: s.Read<KeptStart> = s.object<KeptStart>({ of: s.digest, why: s.optional(s.text()) });

export const storedProblem: s.Read<Problem> = s.object<Problem>({
  code,
  message: s.text(),
  detail: s.optional(s.text()),
  where: s.optional(where),
  handler: s.optional(short),
  hint: s.optional(s.text()),
});

export const failedStart: s.Read<FailedStart> = s.object<FailedStart>({
  of: s.digest,
  problem: storedProblem,
  at: s.time,
  stamps: s.optional(s.record(s.isPath, s.time)),
});
