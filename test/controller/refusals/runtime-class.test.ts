/**
 * Refusals of what is asked of a RuntimeClass. No node has a part in them: the node serves the handler, and the controller says
 * what is wrong. That an API server rejects one is tried with a real one: vm-tests/cluster/class-settings.test.ts.
 */
import t from 'tap';
import { seeRefusal } from '../../../testbed/controller/refused-shim.ts';
import { pinned, place, text } from './checks.ts';

const rows = [
  {
    why: 'a reserved label',
    runtimeClass: { name: 'bad', handler: 'bad', labels: { 'kapp.k14s.io/app': 'x' } },
    reason: 'RuntimeClassInvalid',
    says: /^The label "kapp\.k14s\.io\/app" in spec\.runtimeClass\.labels is one of .*; take it out, or choose/,
  },
  {
    why: 'a name that no RuntimeClass can have',
    runtimeClass: { name: 'a..b', handler: 'bad' },
    reason: 'RuntimeClassInvalid',
    says: /^.*spec\.runtimeClass\.name/,
  },
  {
    why: 'a name of another Shim',
    runtimeClass: { name: 'good', handler: 'bad' },
    reason: 'RuntimeClassClaimed',
    says: /^The older Shim good owns the RuntimeClass good; give one of the two another spec\.runtimeClass\.name/,
  },
  {
    why: 'a handler of another Shim',
    runtimeClass: { name: 'bad', handler: 'good' },
    reason: 'HandlerClaimed',
    says: /^The older Shim good asks for the handler good .*; give one .* another spec\.runtimeClass\.handler/,
  },
] as const;

for (const { why, runtimeClass, reason, says } of rows)
  t.test(`refused: ${why}`, async (t) => {
    const seen = await seeRefusal(t, { spec: { ...pinned(text), runtimeClass }, setUp: place() });
    const conflict = seen.conditions.find(({ type }) => type === 'Conflict');
    t.match(conflict, { status: 'True', reason, message: says });
    t.ok(seen.shimEvents.includes(`${reason}: ${conflict?.message}`), 'an Event of the Shim');
    t.ok(seen.served.includes('good'));
    t.match(
      seen.others.find(({ type }) => type === 'Available'),
      { status: 'True' },
    );
  });
