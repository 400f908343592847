/**
 * A program for a user of a node who is not root: it sends to each connection that comes to the system bus what only
 * systemd should. Run in the node: `node forger.ts endings`, `node forger.ts unparsable`.
 */
import { OtherUser } from '../simulated/bus/other-user.ts';

const bus = 'unix:path=/run/dbus/system_bus_socket';

/** systemd counts the jobs of a boot, and sends a signal about each to every client of the bus. */
const last = { job: 0 };

const endJob = (self: OtherUser, victim: string, id: number): void => {
  self.endJob(victim, id, 'failed');
  console.log(`told ${victim} that job ${id} failed`);
};

const attacks: Readonly<Record<string, (self: OtherUser, victim: string) => void>> = {
  endings: (self, victim) => {
    for (let id = last.job + 1; id <= last.job + 8; id += 1) endJob(self, victim, id);
  },
  unparsable: (self, victim) => {
    self.withoutItsFile(victim);
    console.log(`sent ${victim} what cannot be parsed`);
  },
};

const what = process.argv[2] ?? '';
const attack = attacks[what];
if (attack === undefined) throw new Error(`one of: ${Object.keys(attacks).join(', ')}`);
const self = await OtherUser.start(bus, attack);
await self.followJobs((id) => {
  last.job = id;
  if (what === 'endings') for (const victim of self.victims.slice(-20)) endJob(self, victim, id);
});
console.log('ready');
