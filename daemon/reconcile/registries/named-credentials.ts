/** Checks the file of credentials that the settings name: a plan, and a node before its first image from a registry, must tell of it, too. */
import type { Host } from '../../../host/host.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { type Problem, problemOf } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import { locate } from '../../toml/toml.ts';
import { readAuthFile } from './credentials.ts';

/** With the line of the settings that names the file. */
export const credentialsProblem = async (
  host: Host,
  { registries: { credentials } }: Pick<Settings, 'registries'>,
): Promise<Problem | undefined> => {
  if (credentials === undefined) return undefined;
  try {
    await readAuthFile(host.files, credentials);
    return undefined;
  } catch (error) {
    const problem = problemOf(error);
    const settings = await host.files.look(paths.settings);
    const place =
      settings.kind === 'regular' ? locate(settings.text, ['registries', 'credentials']) : undefined;
    return {
      ...problem,
      message: `registries.credentials is ${credentials}: ${problem.message}`,
      where: { file: paths.settings, ...place },
    };
  }
};
