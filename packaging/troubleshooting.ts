/**
 * `node packaging/troubleshooting.ts`: docs/troubleshooting.md, out of the table of problems in protocol/problem/. Nothing in it is
 * written by hand.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { camel } from '../daemon/decide/report/node-status.ts';
import { formerCode } from '../protocol/problem/former-codes.ts';
import { artifactCodes } from '../protocol/problem/problem-artifacts.ts';
import { clusterCodes } from '../protocol/problem/problem-cluster.ts';
import { fileCodes, noteCodes } from '../protocol/problem/problem-files.ts';
import { signatureCodes } from '../protocol/problem/problem-signatures.ts';
import { type Code, codes } from '../protocol/problem/problem.ts';
import type { Retry } from '../protocol/problem/rows.ts';
import { meanings } from './documents/meanings.ts';

export const document = join(import.meta.dirname, '..', 'docs', 'troubleshooting.md');

const head = `<!-- Written by \`npx node packaging/troubleshooting.ts\` from the table in protocol/problem/: change that, and run it again. -->

# Troubleshooting by code

Each problem has a code. Commands, \`systemctl status\` and Events of the Node have it behind the message, in parentheses; \`--json\` and the log have
it as \`code\`, and so has the metric \`rcm_node_problems\` ([alerts](alerts.md)); the annotation
\`rcm.spinkube.dev/reason\` of the Node begins with it in CamelCase. The message says what was found, and where.
\`rcm-node doctor\` finds most problems of a node at once. A message may have a way out that is more exact than the one below.
`;

const groups = [
  ['Shims and artifacts', Object.keys(artifactCodes)],
  ['Signatures', Object.keys(signatureCodes)],
  ['Files, units and resources of the machine', Object.keys(fileCodes)],
  ['The Kubernetes API', Object.keys(clusterCodes)],
] as const;

const grouped: ReadonlySet<string> = new Set(groups.flatMap(([, names]) => names));
const others = Object.keys(codes).filter((code) => !grouped.has(code));

const again: Readonly<Record<Retry, string>> = {
  soon: 'rcm-node retries it by itself, with growing pauses.',
  changed: 'rcm-node retries it when the Shim, the file or the host has changed.',
};

/** What stands outside of backticks, where \`<\`, \`*\` and \`_\` would be read as Markdown. */
const escaped = (text: string): string =>
  text
    .split('`')
    .map((part, index) => (index % 2 === 0 ? part.replace(/[<*]/g, '\\$&') : part))
    .join('`');

const sectionOf = (code: Code): string => {
  const { hint, retry } = codes[code];
  const former = formerCode(code);
  const says = [
    noteCodes.has(code) ? 'It is a note, and changes no exit code.' : again[retry],
    `On the Node: \`${camel(code)}\`.`,
    ...(former === undefined ? [] : [`In former versions: \`${former}\`.`]),
  ];
  return `### ${code}\n\n${escaped(meanings[code])}\n\n**What to do.** ${escaped(hint)}\n\n${says.join(' ')}`;
};

export const render = (): string => {
  const all = [...groups, ['The container runtime, its configuration, and rcm-node itself', others]] as const;
  const sections = all.map(([title, names]) =>
    [`## ${title}`, ...(names as readonly Code[]).map(sectionOf)].join('\n\n'),
  );
  return `${[head.trimEnd(), ...sections].join('\n\n')}\n`;
};

if (import.meta.main) writeFileSync(document, render());
