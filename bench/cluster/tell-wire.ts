/** Loaded before a program that this bench looks at: tells its parent, when asked, what went over the wire. */
import { countWire } from './wire.ts';

const counted = countWire();

process.on('message', () => void process.send?.(counted.total()));
process.once('disconnect', () => process.exit());
// It ends when its own work does.
process.channel?.unref();
