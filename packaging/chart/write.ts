/**
 * `node packaging/chart/write.ts`: the templates of charts/rcm-node that are manifests of bootstrap/. Each is the file of the same
 * name there, with its comments and with the edits in templates.ts, so that no role and no policy has a second text.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { namespace } from './edits.ts';
import { templates } from './templates.ts';

/** What Helm prints as it is. */
const quoted = (text: string): string => text.replaceAll('{{', '{{ "{{" }}');

export function templateOf(bootstrap: string, path: string): string {
  const { when, define, literal, edits = [] } = templates[path] ?? {};
  const source = readFileSync(join(bootstrap, path), 'utf8').replace(/\n*$/, '\n');
  if (source.includes('{{') && !literal)
    throw new Error(`bootstrap/${path} has {{, which Helm would take for its own`);
  const text = edits.reduce((before, edit) => edit(before), namespace(quoted(source)));
  const head = `{{- /* Written by packaging/chart/write.ts from bootstrap/${path}: change that one, and run it again. */}}\n`;
  if (define !== undefined) return `${head}{{- define "${define}" }}\n${text}{{- end }}\n`;
  return head + (when === undefined ? text : `{{- if ${when} }}\n${text}{{- end }}\n`);
}

/** Where it is written, below the chart. */
export const pathOf = (path: string): string => join('templates', templates[path]?.as ?? path);

if (import.meta.main) {
  const root = join(import.meta.dirname, '../..');
  for (const path of Object.keys(templates)) {
    const target = join(root, 'charts/rcm-node', pathOf(path));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, templateOf(join(root, 'bootstrap'), path));
  }
}
