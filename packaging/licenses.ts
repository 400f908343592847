/** The licences of everything that travels inside the executable, as one text to ship beside it. */

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const LIBATOMIC = `libatomic.so.1 (Debian package libatomic1, source package gcc-12)

Copyright (C) Free Software Foundation, Inc. GPL-3.0-or-later with the GCC Runtime Library Exception 3.1:
https://www.gnu.org/licenses/gcc-exception-3.1.html. Source: the Debian source package gcc-12 (apt-get source gcc-12)`;

/**
 * `inputs` are the bundled files, relative to `root`; those under node_modules name their packages. Throws for a
 * package that states no licence at all.
 */
export function licenses(root: string, inputs: readonly string[], nodeLicense: string): string {
  const folders = new Set(
    inputs.map((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? ''),
  );
  const parts = [...folders]
    .filter(Boolean)
    .sort()
    .map((folder) => ofPackage(join(root, folder)));
  return [...parts, LIBATOMIC, `Node.js\n\n${nodeLicense.trim()}`]
    .join(`\n\n${'='.repeat(100)}\n\n`)
    .concat('\n');
}

function ofPackage(folder: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const { name, version, license } = manifest as { name: string; version: string; license?: string };
  const file = readdirSync(folder)
    .sort()
    .find((one) => /^(un)?licen[cs]e/i.test(one));
  if (file === undefined && license === undefined) throw new Error(`${folder} states no licence`);
  const text =
    file !== undefined && existsSync(join(folder, file))
      ? readFileSync(join(folder, file), 'utf8').trim()
      : '';
  return `${name} ${version}${license === undefined ? '' : ` (${license})`}\n\n${text}`.trim();
}
