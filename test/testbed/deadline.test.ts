import t from 'tap';
import { within } from '../../testbed/deadline.ts';

t.test('work that waits for good is ended, with what is pending', async (t) => {
  const never = new Promise<never>(() => undefined);
  await t.rejects(
    within(never, 20, () => 'killed after effect 7'),
    {
      message:
        /^no end within 20 ms\nresources: .*\nthreads: 1 node-MainThread .*\nfiles: .*pipe.*\nfile work .*: an answer\nkilled after effect 7$/,
    },
  );
});

t.test('work that ends has its result or its error', async (t) => {
  t.equal(await within(Promise.resolve(7), 60_000, () => ''), 7);
  await t.rejects(
    within(Promise.reject(new Error('its own')), 60_000, () => ''),
    { message: 'its own' },
  );
});
