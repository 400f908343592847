/** The signature of a release, made with a key and verified by the command of docs/packages.md. No node: Debian's cosign 2.5. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { sign } from '../../packaging/release/statements/sign.ts';
import { cosignIn, cosignProgram } from '../../testbed/signing/cosign.ts';

const progress = (line: string): void => t.comment(line);
const documented = /^\$ cosign (verify-blob .*)$/m;

t.test('a key signs the digests and the provenance; what was changed is refused', async (t) => {
  const folder = t.testdir({ SHA256SUMS: 'digests\n', 'provenance.intoto.json': '{}\n' });
  const cosign = await cosignIn(folder, progress);
  await cosign.run(['generate-key-pair']);
  process.env.COSIGN_PASSWORD = '';
  const made = sign(folder, { kind: 'key', key: join(folder, 'cosign.key') }, await cosignProgram(progress));
  t.same(made, ['SHA256SUMS.sigstore.json', 'provenance.intoto.json.sigstore.json']);
  const page = readFileSync(join(import.meta.dirname, '../../docs/packages.md'), 'utf8');
  const [, command = ''] = documented.exec(page) ?? [];
  const verify = (name: string): Promise<string> =>
    cosign.run(command.replaceAll('SHA256SUMS', name).split(' '));
  for (const name of ['SHA256SUMS', 'provenance.intoto.json']) {
    await verify(name);
    appendFileSync(join(folder, name), 'more');
    await t.rejects(verify(name), /invalid signature|ended with 1/, name);
  }
  writeFileSync(join(folder, 'SHA256SUMS'), 'digests\n');
  await verify('SHA256SUMS');
});
