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
