/**
 * Reports that a unit may have changed, by systemd's signals. A signal only says when to read the unit; its content is not
 * used. A lost bus is connected again, and the unit is read then.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BusOptions, type BusSignal, withBus } from './bus.ts';
import { accepted, addMatch, manager } from './unit.ts';

const shortestMs = 1_000;
const longestMs = 30_000;

/** Returns the function that ends it. Never throws: without a bus, nothing is reported. */
export const followUnit = (
  base: () => Omit<BusOptions, 'onSignal'>,
  name: string,
  changed: () => void,
): (() => void) => {
  const stop = new AbortController();
  const ended = Promise.withResolvers<void>();
  stop.signal.addEventListener('abort', () => ended.resolve());
  const followed = { path: '' };
  // Without a bus, the signals of all units arrive.
  const onSignal = ({ interface: from, member, path }: BusSignal): void => {
    if (path !== followed.path) return;
    if (from === 'org.freedesktop.DBus.Properties' && member === 'PropertiesChanged') changed();
  };
  const follow = async (): Promise<void> => {
    for (let pause = shortestMs; !stop.signal.aborted; pause = Math.min(pause * 2, longestMs)) {
      await withBus({ ...base(), onSignal }, async (bus) => {
        const what = `follow ${name}`;
        accepted(await bus.call(manager('Subscribe')), what);
        const path = String(accepted(await bus.call(manager('LoadUnit', 's', [name])), what)[0]);
        // systemd escapes every character that is no letter or digit; an unescaped quote would end the rule.
        if (!/^[/\w]+$/.test(path)) return;
        followed.path = path;
        accepted(await bus.call(matchChanges(path)), what);
        pause = shortestMs;
        changed();
        await Promise.race([bus.lost, ended.promise]);
      }).catch(() => undefined);
      await sleep(pause, undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
    }
  };
  void follow();
  return () => stop.abort();
};

const matchChanges = (path: string) =>
  addMatch(
    `type='signal',sender='org.freedesktop.systemd1',path='${path}',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'`,
  );
