/** The properties of units as systemd sends them, from plain values. */
import { Variant } from 'dbus-next';

/** D-Bus values by property name; signatures are known here, so that a test writes plain values. */
export type UnitProperties = {
  readonly LoadState?: string;
  readonly ActiveState?: string;
  readonly SubState?: string;
  readonly InvocationID?: Buffer;
  readonly FragmentPath?: string;
  readonly Job?: readonly [id: number, path: string];
  readonly NRestarts?: number;
  readonly MainPID?: number;
  readonly Result?: string;
  /** One argv per command. */
  readonly ExecStart?: readonly (readonly string[])[];
  readonly Environment?: readonly string[];
  readonly EnvironmentFiles?: readonly string[];
  readonly ExecStartEx?: readonly { readonly argv: readonly string[]; readonly flags: readonly string[] }[];
  readonly WorkingDirectory?: string;
  readonly PassEnvironment?: readonly string[];
  readonly UnsetEnvironment?: readonly string[];
  readonly StatusText?: string;
  readonly ExecMainStatus?: number;
};

const signatures: Readonly<Record<string, string>> = {
  InvocationID: 'ay',
  Job: '(uo)',
  NRestarts: 'u',
  MainPID: 'u',
  ExecStart: 'a(sasbttttuii)',
  ExecStartEx: 'a(sasasttttuii)',
  Environment: 'as',
  PassEnvironment: 'as',
  UnsetEnvironment: 'as',
  EnvironmentFiles: 'a(sb)',
  ExecMainStatus: 'i',
};
/** The properties of the interface Service; the others are of Unit. */
export const ofService: ReadonlySet<string> = new Set([
  'NRestarts',
  'MainPID',
  'Result',
  'ExecStart',
  'Environment',
  'EnvironmentFiles',
  'ExecStartEx',
  'WorkingDirectory',
  'PassEnvironment',
  'UnsetEnvironment',
  'StatusText',
  'ExecMainStatus',
]);

export const variant = (key: string, value: unknown): Variant => {
  if (key === 'ExecStart')
    value = (value as string[][]).map((argv) => [argv[0], argv, false, 0n, 0n, 0n, 0n, 0, 0, 0]);
  if (key === 'ExecStartEx')
    value = (value as { argv: string[]; flags: string[] }[]).map(({ argv, flags }) => [
      ...[argv[0], argv, flags],
      ...[0n, 0n, 0n, 0n, 0, 0, 0],
    ]);
  if (key === 'EnvironmentFiles') value = (value as string[]).map((file) => [file, true]);
  return new Variant(signatures[key] ?? 's', value);
};
