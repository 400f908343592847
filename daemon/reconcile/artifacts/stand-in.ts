/** Puts the program of prepared handlers into the store (decide/handlers/stand-in.ts). */
import { standInKey, standInName, standInText } from '../../decide/handlers/stand-in.ts';
import type { Host } from '../../../host/host.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { labelPrograms } from './label.ts';
import { inspect, writeManifest } from './store.ts';

export const placeStandIn = async (host: Host): Promise<void> => {
  const { files } = host;
  if ((await inspect(host, standInKey, true)).kind === 'whole') return;
  for (const folder of [paths.home, paths.store, paths.incoming])
    if (!(await files.isFolder(folder))) await files.makeFolder(folder);
  const folder = `${paths.incoming}/${standInKey.slice(0, 16)}.d`;
  await files.removeTree(folder);
  await files.makeFolder(folder);
  const program = `${folder}/${standInName}`;
  await files.put(program, standInText, 0o755);
  await labelPrograms(host, [program]);
  const known = { sha256: standInKey, bytes: Buffer.byteLength(standInText) };
  await writeManifest(host, folder, {
    version: 1,
    url: 'rcm-node:prepared',
    sha256: standInKey,
    binary: standInName,
    files: { [standInName]: known },
  });
  await files.removeTree(`${paths.store}/${standInKey}`);
  await files.move(folder, `${paths.store}/${standInKey}`);
};
