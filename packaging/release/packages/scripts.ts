/** The scripts that dpkg and rpm run, each with the head that says whose program a node runs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const names = {
  deb: { postinstall: 'deb-postinst', preremove: 'deb-prerm', postremove: 'deb-postrm' },
  rpm: { postinstall: 'rpm-post', preremove: 'rpm-preun', postremove: 'rpm-postun' },
} as const;

export type Packager = keyof typeof names;
export type Moment = keyof (typeof names)[Packager];

const textOf = (name: string): string =>
  readFileSync(join(import.meta.dirname, 'scripts', `${name}.sh`), 'utf8');

export const scriptsOf = (packager: Packager): readonly (readonly [moment: Moment, text: string])[] =>
  Object.entries(names[packager]).map(([moment, name]) => [
    moment as Moment,
    ['#!/bin/sh', 'set -e', textOf('link'), textOf(name)].join('\n'),
  ]);
