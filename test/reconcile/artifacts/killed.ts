/**
 * A host that dies: the run that uses it is killed at one effect and can do nothing more, not even in its catch blocks.
 * What an effect was in the middle of stays as a power cut would leave it. A file that is not synced before the next one is, after
 * a power cut, as it was before it was written: as after a death before it.
 */
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Host } from '../../../host/host.ts';
import type { Fake } from '../../../testbed/simulated/fake.ts';

export class Killed extends Error {
  override readonly name = 'Killed';
}

/** `middle`: the effect is begun and leaves what it leaves. */
export type Moment = 'before' | 'middle' | 'after';
export type Death = { readonly at: number; readonly moment: Moment };

export type Effect = {
  readonly name: string;
  /** Virtual time passed since the effect before it, so that to die before it is not the same as after that one. */
  readonly waited: boolean;
  readonly middle: boolean;
};

type Verb = (...args: never[]) => unknown;

const fileEffects = ['swap', 'put', 'point', 'makeFolder', 'dropFolder', 'move', 'removeTree'] as const;

/** Leaves half of the effect; returns whether there is such a thing as half of it. */
const halfOf = (host: Host, name: string, args: readonly unknown[]): (() => void) | undefined => {
  const real = (path: unknown): string => host.files.real(String(path));
  const temporary = (path: unknown) => () =>
    writeFileSync(join(dirname(real(path)), '.rcm-node-0123456789ab'), 'half of it');
  switch (name) {
    case 'swap':
    case 'put':
      return temporary(args[0]);
    case 'point':
      return args[1] === null
        ? undefined
        : () => {
            try {
              // Beside the link, wherever that leads.
              const path = String(args[0]);
              symlinkSync(String(args[1]), `${join(real(dirname(path)), basename(path))}.0123456789ab`);
            } catch {
              // The folder is not there yet: then nothing of it is.
            }
          };
    case 'download':
      return () => writeFileSync(String(args[2]), 'half of it');
    case 'pick':
      // Files that may be chosen have no name of the archive, and one has got its name already.
      return () => {
        for (const name of ['.1', '.2', 'containerd-shim-half'])
          writeFileSync(join(String(args[2]), name), 'half of it');
      };
    case 'removeTree': {
      return () => {
        try {
          const [first] = readdirSync(real(args[0]));
          if (first !== undefined) void host.files.removeTree(`${String(args[0])}/${first}`);
        } catch {
          // There is nothing to remove, or it is one file.
        }
      };
    }
    default:
      return undefined;
  }
};

/** `effects` collects what was done, in order; without `death` the run lives. */
export const mortal = (
  fake: Fake,
  death?: Death,
): { readonly host: Host; readonly effects: Effect[]; readonly dead: () => boolean } => {
  const { host } = fake;
  const effects: Effect[] = [];
  const state = { dead: false, last: host.clock.elapsed() };
  const die = (): never => {
    state.dead = true;
    throw new Killed('killed');
  };
  const alive = <F extends Verb>(verb: F): F =>
    ((...args: never[]) => {
      if (state.dead) throw new Killed('dead');
      return verb(...args);
    }) as F;
  const effect = <F extends Verb>(name: string, verb: F): F =>
    (async (...args: never[]) => {
      if (state.dead) throw new Killed('dead');
      const half = halfOf(host, name, args);
      const index = effects.length;
      effects.push({ name, waited: host.clock.elapsed() !== state.last, middle: half !== undefined });
      const mine = death?.at === index ? death.moment : undefined;
      if (mine === 'before') die();
      if (mine === 'middle') {
        half?.();
        die();
      }
      const result = await verb(...args);
      state.last = host.clock.elapsed();
      if (mine === 'after') die();
      return result;
    }) as unknown as F;
  const wrap = <T extends object>(target: T, names: readonly string[]): T =>
    Object.fromEntries(
      Object.entries(target).map(([key, value]) => [
        key,
        typeof value !== 'function' ? value : names.includes(key) ? effect(key, value) : alive(value),
      ]),
    ) as T;
  return {
    effects,
    dead: () => state.dead,
    host: {
      ...wrap(host, ['download', 'pick']),
      // Pure: a dead process computes nothing, but nothing happens either.
      files: { ...wrap(host.files, fileEffects), real: host.files.real },
      ...(host.systemd ? { systemd: wrap(host.systemd, ['restart', 'resetFailed']) } : {}),
      tools: wrap(host.tools, []),
      clock: wrap(host.clock, []),
      cri: alive((socket: string) => wrap(host.cri(socket), [])),
    } as Host,
  };
};

/** Runs to its death, or to its end. What the process held is let go, as the kernel would. */
export const runMortal = async (
  fake: Fake,
  death: Death | undefined,
  run: (host: Host) => Promise<unknown>,
): Promise<readonly Effect[]> => {
  const { host, effects } = mortal(fake, death);
  try {
    await run(host);
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
  fake.locked = false;
  return effects;
};

/** Every death worth dying: after each effect, in the middle of those that have one, and before where time passed. */
export const deathsOf = (effects: readonly Effect[]): readonly Death[] =>
  effects.flatMap(({ waited, middle }, at) => [
    ...(at === 0 || waited ? [{ at, moment: 'before' as const }] : []),
    ...(middle ? [{ at, moment: 'middle' as const }] : []),
    { at, moment: 'after' as const },
  ]);
