/** `rcm-node shim`: the samples of bootstrap/samples, for a node without them. They need nothing of the host. */
import { nearest } from '../../protocol/nearest.ts';
import { exitCodes } from '../../daemon/model/outcome.ts';
import { shimExampleDocument, shimListDocument } from '../documents.ts';
import { tableOf } from '../layout.ts';
import { columns, json, out } from '../output.ts';
import type { Command } from '../arguments.ts';
import { catalogueOf, type Sample } from './catalogue.ts';
import { exampleOf } from './example.ts';
import { texts } from './texts.ts';

const list = (samples: readonly Sample[], asJson: boolean): void => {
  if (asJson) json(shimListDocument(exitCodes.settled, samples));
  else {
    const rows = samples.map(({ name, version, state, what }) => [name, version, state, what]);
    out(`${tableOf(['NAME', 'VERSION', 'STATE', 'WHAT'], rows, columns).join('\n')}\n`);
  }
};

/** The exit code; a text says what is wrong with the command line. */
export const shim = async (command: Command): Promise<number | string> => {
  const { verb, operand = '', json: asJson } = command;
  if (verb === 'mirror') return (await import('../mirror/command.ts')).mirrorCommand(command);
  const samples = catalogueOf(texts());
  if (verb === 'list') {
    list(samples, asJson);
    return exitCodes.settled;
  }
  const sample = samples.find(({ name }) => name === operand);
  if (sample === undefined) {
    const names = samples.map(({ name }) => name);
    const known = nearest(operand, names);
    return `there is no example "${operand.slice(0, 120)}"; ${known ? `did you mean "${known}"?` : `examples are: ${names.join(', ')}`}`;
  }
  const toml = exampleOf(sample);
  if (asJson) json(shimExampleDocument(exitCodes.settled, sample, toml));
  else out(toml);
  return exitCodes.settled;
};
