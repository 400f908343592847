import t from 'tap';
import { classFacts } from '../../../controller/model/class-facts.ts';

t.test('a RuntimeClass is its handler, its nodes and its owners', async (t) => {
  const owner = { kind: 'Shim', name: 'spin', uid: 'u', controller: true, apiVersion: 'x' };
  t.same(
    classFacts({
      metadata: {
        name: 'c',
        uid: 'i',
        resourceVersion: '1',
        labels: { a: 'b' },
        ownerReferences: [owner, null],
      },
      handler: 'spin',
      scheduling: { nodeSelector: { x: 'y' } },
    }),
    {
      name: 'c',
      uid: 'i',
      resourceVersion: '1',
      deleting: false,
      handler: 'spin',
      labels: { a: 'b' },
      nodeSelector: { x: 'y' },
      settings: { labels: { a: 'b' } },
      holdsSettings: false,
      applied: undefined,
      overwrittenBy: undefined,
      setBy: [],
      owners: [
        { kind: 'Shim', name: 'spin', uid: 'u' },
        { kind: '', name: '', uid: '' },
      ],
    },
  );
  t.match(classFacts({ metadata: { name: 'c', deletionTimestamp: 'now' } }), {
    deleting: true,
    handler: '',
    nodeSelector: {},
    owners: [],
  });
  t.throws(() => classFacts(undefined), { message: /without a name/ });
});

t.test('the last writer of our fields is named', async (t) => {
  const selector = { 'f:scheduling': { 'f:nodeSelector': {} } };
  const label = { 'f:metadata': { 'f:labels': { 'f:app.kubernetes.io/managed-by': {} } } };
  const theirs = { 'f:metadata': { 'f:labels': { 'f:team': {} } }, 'f:overhead': {} };
  const of = (...managedFields: unknown[]) =>
    classFacts({ metadata: { name: 'c', managedFields } }).overwrittenBy;
  const one = (manager: string, minute: number, fieldsV1: unknown) => ({
    ...{ manager, operation: 'Update', fieldsV1 },
    time: `2027-01-15T08:0${minute}:00Z`,
  });
  t.equal(of(one('a', 1, selector), one('b', 2, label), one('c', 3, theirs)), 'b');
  t.equal(of(one('rcm-node-controller', 5, selector), one('c', 3, theirs)), undefined);
  t.equal(of(one('flux', 1, { 'f:metadata': { 'f:ownerReferences': {} } })), 'flux');
  t.equal(of(undefined, {}, { manager: 3, fieldsV1: [] }, one('x', 1, 'odd')), undefined);
});

t.test('settings that the controller alone applied are no settings of others', async (t) => {
  const both = { 'f:overhead': { 'f:podFixed': { 'f:cpu': {}, 'f:memory': {} } } };
  const cpu = { 'f:overhead': { 'f:podFixed': { 'f:cpu': {} } } };
  const ours = { manager: 'rcm-node-controller', operation: 'Apply', fieldsV1: both };
  const theirs = { manager: 'flux', operation: 'Apply', time: '2027-01-15T08:00:00Z', fieldsV1: cpu };
  const overhead = { podFixed: { cpu: '1', memory: '1Mi' } };
  const of = (...managedFields: unknown[]) =>
    classFacts({ metadata: { name: 'c', managedFields }, overhead });
  t.match(of(ours), { settings: undefined, applied: { overhead }, setBy: [] });
  t.match(of(ours, theirs), {
    ...{ settings: { overhead: { podFixed: { cpu: '1' } } }, applied: { overhead } },
    setBy: [{ name: 'flux', held: { amounts: ['cpu'] } }],
  });
  t.match(of(theirs), { settings: { overhead }, applied: undefined });
  t.match(of({ ...ours, operation: 'Update' }), { settings: { overhead }, holdsSettings: true });
});
