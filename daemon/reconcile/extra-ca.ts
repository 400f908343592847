/** Checks the files that the settings name early: the extra CA, without which every download fails, and that of credentials. */
import { paths } from '../../protocol/host-paths.ts';
import type { Host } from '../../host/host.ts';
import { fileFault } from '../toml/file-fault.ts';
import { type Problem, problemOf } from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import { locate } from '../toml/toml.ts';
import { credentialsProblem } from './registries/named-credentials.ts';

/** With the line of the settings that names the CA. */
export const caProblem = async (host: Host, { extraCa }: Settings): Promise<Problem | undefined> => {
  if (extraCa === undefined) return undefined;
  const fault = await faultOf(host, extraCa);
  if (!fault) return undefined;
  const settings = await host.files.look(paths.settings);
  const place = settings.kind === 'regular' ? locate(settings.text, ['extraCa']) : undefined;
  return {
    code: 'bad-settings',
    message: `extraCa is ${extraCa}, and a file of certificates (PEM) is expected there: ${fault}`,
    where: { file: paths.settings, ...place },
    hint: `Put the file there, or take the line out: ls -l ${extraCa}; with --root it is looked for below that folder. Downloads over https fail until then.`,
  };
};

const faultOf = async (host: Host, path: string): Promise<string | undefined> => {
  try {
    const fact = await host.files.lookTrusted(path);
    if (fact.kind === 'absent') return 'there is no such file';
    if (fact.kind !== 'regular') return fileFault(fact).message;
    return fact.text.includes('-----BEGIN CERTIFICATE-----') ? undefined : 'it holds no certificate';
  } catch (error) {
    return problemOf(error).message;
  }
};

export const fileProblems = async (
  host: Host,
  settings: Settings,
): Promise<readonly (Problem | undefined)[]> => [
  await caProblem(host, settings),
  await credentialsProblem(host, settings),
];
