/**
 * The shim from its source, by any cargo that is young enough for wasmtime, with what the processors have left: it takes minutes, in
 * which other tests run. Where there is none at all, a package brings one.
 */
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt, type Progress, run } from '../machine/command.ts';
import { providePackages } from '../machine/machine.ts';

/** What wasmtime 48 asks for. */
const wanted = 95;

/** For the linker, D-Bus in C, the interface of containerd, and the filters of system calls of containers. */
const libraries = [
  ['gcc', '/usr/bin/cc'],
  ['libc6-dev', '/usr/include/stdio.h'],
  ['pkg-config', '/usr/bin/pkg-config'],
  ['protobuf-compiler', '/usr/bin/protoc'],
  ['libseccomp-dev', '/usr/include/seccomp.h'],
] as const;

/** Debian's own is older; this one is for what follows the releases of browsers. */
const compiler = [['cargo-web', '/usr/bin/cargo']] as const;

const provideCargo = async (progress: Progress): Promise<void> => {
  const isThere = (await attempt(['cargo', '--version'])).code !== 127;
  const packages = isThere ? libraries : [...compiler, ...libraries];
  await providePackages(packages, 'building a Wasm shim from source', progress);
  const said = await run(['cargo', '--version']);
  const minor = Number(/^cargo 1\.(\d+)\./.exec(said)?.[1]);
  if (!(minor >= wanted))
    throw new Error(
      `a Wasm shim needs cargo 1.${wanted} or later; "cargo" is ${said.trim()}. Update it, or remove it: then the package cargo-web is installed`,
    );
};

export const words = ['build', '--release', '--locked', '--jobs', '2'] as const;

/** `containerd-shim` in `folder`, of the package in `source`. */
export const compile = async (source: string, folder: string, progress: Progress): Promise<void> => {
  await provideCargo(progress);
  const target = join(folder, 'target');
  const places = ['--manifest-path', join(source, 'Cargo.toml'), '--target-dir', target];
  let compiled = 0;
  const counting = (line: string): void => {
    if (!/^\s*Compiling /.test(line)) return;
    compiled += 1;
    if (compiled % 50 === 0) progress(`compiled ${compiled} crates of about 430`);
  };
  await run(['nice', '-n', '5', 'cargo', ...words, ...places], {
    progress: counting,
    timeoutMs: 5_000_000,
  });
  await copyFile(join(target, 'release', 'wasm-shim'), join(folder, 'containerd-shim'));
  await rm(target, { recursive: true });
};
