/** That each problem of the table that an artifact can have is told everywhere, with its own way out. Every stop: many whole ticks. */
import { Failure, type Code } from '../../../protocol/problem/problem.ts';
import { artifactCodes } from '../../../protocol/problem/problem-artifacts.ts';
import { signatureCodes } from '../../../protocol/problem/problem-signatures.ts';
import type { Node } from '../../../testbed/simulated/node.ts';
import { pinned, place, type Row, refuseAll, text } from './checks.ts';

/** In the place of what reads the artifact of this Shim; that each code comes of its cause is tested beside each cause. */
const failingWith = (code: Code) => (host: Node) => {
  place()(host);
  const { host: effects } = host.fake;
  const { pick } = effects;
  Object.assign(effects, {
    pick: async (...given: Parameters<typeof pick>) => {
      const [, wanted] = given;
      if (wanted.kind === 'shim' && wanted.name === 'bad')
        throw new Failure({ code, message: 'as the test has it' });
      return pick(...given);
    },
  });
};

refuseAll(
  Object.keys({ ...artifactCodes, ...signatureCodes }).map(
    (code): Row => ({
      why: code,
      asked: { spec: pinned(text), setUp: failingWith(code as Code) },
      code: code as Code,
      says: /file:\/\/\/srv\/artifacts\/bad: as the test has it/,
    }),
  ),
);
