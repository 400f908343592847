import t from 'tap';
import { parseTurns, trimTurns } from '../../daemon/model/turns.ts';

const looked = '2027-01-15T08:00:00.000Z';

t.test('what is kept of turns is read again as it was', async (t) => {
  const turns = {
    approved: '{"v":1}',
    controller: { answer: 'none', looked },
    alone: { spin: { revision: 'a', at: looked } },
  };
  t.same(parseTurns(JSON.parse(JSON.stringify(turns))), turns);
});

t.test('what is damaged counts as not known', async (t) => {
  for (const value of [undefined, null, 'x', [], {}, { approved: 1, controller: 'none', alone: [1] }])
    t.equal(parseTurns(value), undefined);
  t.same(
    parseTurns({
      approved: 'x',
      controller: { answer: 'perhaps', looked },
      alone: { a: { revision: 'r', at: 'soon' }, b: { revision: 'r', at: looked }, c: null },
    }),
    { approved: 'x', alone: { b: { revision: 'r', at: looked } } },
  );
  t.equal(parseTurns({ controller: { answer: 'alive', looked: 'yesterday' } }), undefined);
});

t.test('where nothing is known nothing is kept', async (t) => {
  t.equal(trimTurns({ approved: undefined, controller: undefined, alone: {} }), undefined);
});
