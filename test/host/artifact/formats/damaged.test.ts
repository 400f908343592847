/** Damaged artifacts, many more than in the tests of the formats. Every stop: thousands of rounds. */
import t from 'tap';
import { damagedArchives, damagedBzip2 } from '../../../fixtures/artifacts/damage.ts';

t.test('archives of all formats', (t) => damagedArchives(t, 1200));
t.test('bzip2, compared with bzip2 itself', (t) => damagedBzip2(t, 1500));
