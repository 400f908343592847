#!/usr/bin/env node
/**
 * A stand-in for CRI-O, which no package registry has: it is not CRI-O. Its configuration, its messages and its answers are held to
 * what a real CRI-O 1.36.3 was recorded to do (test/fixtures/crio/, test/testbed/crio/); Pods run by Debian's conmon and crun.
 * What no case of the record shows follows CRI-O's source, or is not there.
 *
 *     crio [-c FILE] [-d FOLDER] [flags]      the daemon
 *     crio config [--default] · crio version [--json] · crio --version · crio status config|info
 *
 * CRIO_LIKE_ROOT: a folder that stands for `/` (tests).
 */
import { programOf } from './cli.ts';

process.exitCode = await programOf(process.argv.slice(2), {
  root: process.env.CRIO_LIKE_ROOT ?? '/',
  path: process.env.PATH,
  configFile: process.env.CONTAINER_CONFIG,
  out: (said) => process.stdout.write(said),
  error: (said) => process.stderr.write(said),
});
