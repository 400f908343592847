/** A tick of a node that is asked for nothing, as the Node is told of it. */
import type { Outcome } from '../../daemon/model/outcome.ts';
import type { Told } from '../../daemon/cluster/node-writer.ts';

export const told = (outcome: Outcome = { kind: 'converged' }): Told => ({
  report: {
    version: 1,
    agent: '1',
    at: '2027-01-15T08:00:00.000Z',
    outcome,
    runtime: null,
    handlers: [],
    notes: [],
    did: [],
    restarts: { lastHour: 0, last: null },
    trusted: {},
    cluster: null,
  },
  desired: [],
  installed: {},
  serves: [],
});
