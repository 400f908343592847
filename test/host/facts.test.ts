import { release } from 'node:os';
import t from 'tap';
import { hostFacts } from '../../daemon/host/facts.ts';

t.test('the machine is named as people name it', async (t) => {
  const facts = await hostFacts();
  t.match(facts.system, /\S/);
  t.equal(facts.kernel, release());
  for (const { mount, percent } of facts.full) {
    t.match(mount, /^\//);
    t.ok(percent >= 95 && percent <= 100, `${mount}: ${percent} %`);
  }
});
