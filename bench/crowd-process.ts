/** One process full of simulated nodes. crowd.ts says which, and asks what they complain of when something goes wrong. */
import { simulateNode } from './simulated-node.ts';

export type Order = { readonly start: readonly string[] } | 'complain';

/** What the nodes logged as warnings and errors, by code. */
export type Complaints = Readonly<Record<string, number>>;

const complaints = new Map<string, number>();

process.on('message', (order: Order) => {
  if (order === 'complain') {
    process.send?.(Object.fromEntries(complaints) satisfies Complaints);
    return;
  }
  for (const kubeconfig of order.start)
    simulateNode(kubeconfig, (level, message, fields) => {
      if (level !== 'warn' && level !== 'error') return;
      const code = String(fields?.code ?? message);
      complaints.set(code, (complaints.get(code) ?? 0) + 1);
    });
});
// Nobody is left who could want these nodes.
process.once('disconnect', () => process.exit());
