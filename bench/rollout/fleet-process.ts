/** One process full of simulated nodes. fleet.ts says which, and asks what they complain of when something goes wrong. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Manner, type SimulatedNode, simulateNode } from './simulated-node.ts';
import { countWire, type Wire } from '../cluster/wire.ts';

export type Order =
  | {
      readonly start: readonly { readonly name: string; readonly kubeconfig: string }[];
      readonly manner: Manner;
    }
  | { readonly fail: readonly string[] }
  | { readonly renew: number; readonly withinMs: number }
  | 'complain'
  | 'wire';

/** What the nodes logged as warnings and errors, by code. */
export type Complaints = Readonly<Record<string, number>>;

const complaints = new Map<string, number>();
const nodes = new Map<string, SimulatedNode>();
const counted = countWire();

const complain = (level: string, message: string, fields?: Readonly<Record<string, unknown>>): void => {
  if (level !== 'warn' && level !== 'error') return;
  const code = String(fields?.code ?? message);
  complaints.set(code, (complaints.get(code) ?? 0) + 1);
};

const answer = (said: Wire | Complaints | number): void => void process.send?.(said);

/** The longest-lived first, so that each is renewed once before any is renewed twice. */
const renew = async (count: number, withinMs: number): Promise<number> => {
  const from = performance.now();
  for (let broken = 0; broken < count; broken += 1) {
    const wait = from + (broken * withinMs) / count - performance.now();
    if (wait > 0) await sleep(wait);
    const [oldest] = counted.watches();
    if (!oldest) return broken;
    oldest.destroy();
  }
  return count;
};

process.on('message', (order: Order) => {
  if (order === 'complain') answer(Object.fromEntries(complaints));
  else if (order === 'wire') answer(counted.total());
  else if ('fail' in order) for (const name of order.fail) nodes.get(name)?.fail();
  else if ('renew' in order) void renew(order.renew, order.withinMs).then(answer);
  else
    for (const { name, kubeconfig } of order.start)
      nodes.set(name, simulateNode(kubeconfig, order.manner, complain));
});
// Its parent has ended: these nodes are not needed any more.
process.once('disconnect', () => process.exit());
