/**
 * A program for a user of a node who is not root: it sends to each connection that comes to the system bus what only
 * systemd should. Run in the node: `node forger.ts endings`, `node forger.ts unparsable`.
 */
import { Stranger } from '../../test/host/stranger.ts';

const bus = 'unix:path=/run/dbus/system_bus_socket';

/** systemd counts the jobs of a boot from 1. */
const jobs = Array.from({ length: 2000 }, (_, at) => at + 1);

const attacks: Readonly<Record<string, (self: Stranger, victim: string) => void>> = {
  endings: (self, victim) => {
    for (const id of jobs) self.endJob(victim, id, 'failed');
    console.log(`told ${victim} of ${jobs.length} jobs that failed`);
  },
  unparsable: (self, victim) => {
    self.withoutItsFile(victim);
    console.log(`sent ${victim} what cannot be parsed`);
  },
};

const attack = attacks[process.argv[2] ?? ''];
if (attack === undefined) throw new Error(`one of: ${Object.keys(attacks).join(', ')}`);
await Stranger.start(bus, attack);
console.log('ready');
