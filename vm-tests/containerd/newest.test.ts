/**
 * The newest containerd, built from source, beside each way of setting it up. Every stop: what is to come to the nodes of users
 * next, two minutes.
 */
import t from 'tap';
import { checkRelease } from '../../testbed/node/generation.ts';

checkRelease(t, '2.4.2', { whole: false });
