/** containerd 2.2, the last without version 4, beside each way of setting it up. Every night: newest.test.ts has the same of 2.4. */
import t from 'tap';
import { checkRelease } from '../../testbed/node/generation.ts';

checkRelease(t, '2.2.9', { whole: true });
