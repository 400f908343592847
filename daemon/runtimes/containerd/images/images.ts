/** From where containerd has images, and where it keeps them: a column of its row. */
import { type Endpoint, type Image, original } from '../../../../host/registry/endpoint.ts';
import { certificatesIn, type Folders, type Images, type Of, readText } from '../../../registries/images.ts';
import { endpointsIn, ofCertificates } from './hosts.ts';
import { contentOf, foldersOf, listedIn } from './tables.ts';

/** The first that is there counts: with the port between underscores, as it is, and the one for all registries. */
const candidates = (of: Of, { host }: Image): readonly string[] =>
  foldersOf(of).flatMap((folder) =>
    [...new Set([host.replace(/:(\d+)$/, '_$1_'), host, '_default'])].map((name) => `${folder}/${name}`),
  );

const endpoints = (of: Of, image: Image, read: Folders): readonly Endpoint[] => {
  const folder = candidates(of, image).find((path) => (read.get(path)?.names ?? null) !== null);
  if (folder === undefined) return foldersOf(of).length > 0 ? [original(image)] : listedIn(of, image);
  const { names, texts } = read.get(folder) ?? { names: [], texts: {} };
  const text = readText(`${folder}/hosts.toml`, texts['hosts.toml']);
  return text === undefined || text === ''
    ? ofCertificates(image, certificatesIn(folder, names ?? []))
    : endpointsIn(text, folder, image);
};

export const images: Images = {
  // Some of them at most are there: one round is enough.
  next: (of, image, read) => candidates(of, image).filter((path) => !read.has(path)),
  endpoints,
  blobs: contentOf,
};
