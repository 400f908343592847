/**
 * containerd 2.3, the first with version 4, beside each way of setting it up; CONTAINERD in the environment names another release.
 * Every night: newest.test.ts has the same of 2.4.
 */
import t from 'tap';
import { checkRelease } from '../../testbed/node/generation.ts';

checkRelease(t, process.env.CONTAINERD ?? '2.3.7', { whole: true });
