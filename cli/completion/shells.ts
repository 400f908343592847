/** `rcm-node completion SHELL`: a shell is a row here and a verb in the table of commands. */
import type { commands } from '../command-table.ts';
import { bash } from './bash.ts';
import { fish } from './fish.ts';
import { zsh } from './zsh.ts';

export type Shell = keyof (typeof commands)['completion']['verbs'];

export const shells: Readonly<Record<Shell, () => string>> = { bash, zsh, fish };

export const isShell = (name: string | undefined): name is Shell =>
  name !== undefined && Object.hasOwn(shells, name);
