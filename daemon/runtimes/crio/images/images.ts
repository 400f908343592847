/**
 * From where CRI-O has images: a column of its row. What it pulled is kept unpacked (containers/storage): the bytes of a layer, of
 * which the digest is, are not on the disk any more, so that nothing of it is taken.
 */
import type { Endpoint, Image } from '../../../../host/registry/endpoint.ts';
import { certificatesIn, type Folders, type Images, readText } from '../../../registries/images.ts';
import { endpointsFor, registriesIn, type Registry } from './registries.ts';

/** The folders of root's own configuration stand above those of the system. */
const [system, home] = ['/etc/containers', '/root/.config/containers'];
const main = 'registries.conf';
const dropIns = 'registries.conf.d';
const configFolders = [system, `${system}/${dropIns}`, home, `${home}/${dropIns}`];

const certFolders = (base: string): readonly string[] =>
  [`${home}/certs.d`, `${system}/certs.d`, '/etc/docker/certs.d'].map(
    (folder) => `${folder}/${new URL(base).host}`,
  );

const textsOf = (read: Folders, folder: string, names: readonly string[]): readonly Registry[] =>
  names.flatMap((name) => {
    const text = readText(`${folder}/${name}`, read.get(folder)?.texts[name]);
    return text === undefined ? [] : registriesIn(text, `${folder}/${name}`);
  });

const dropInsOf = (read: Folders, folder: string): readonly Registry[] =>
  textsOf(
    read,
    folder,
    (read.get(folder)?.names ?? []).filter((name) => name.endsWith('.conf')),
  );

/** Where root has a file of its own, nothing of the system's is read. */
const registriesOf = (read: Folders): readonly Registry[] => {
  const own = dropInsOf(read, `${home}/${dropIns}`);
  if (read.get(home)?.names?.includes(main)) return [...textsOf(read, home, [main]), ...own];
  return [...textsOf(read, system, [main]), ...dropInsOf(read, `${system}/${dropIns}`), ...own];
};

const plainEndpoints = (image: Image, read: Folders): readonly Endpoint[] =>
  endpointsFor(registriesOf(read), image);

export const images: Images = {
  next: (_of, image, read) => {
    const todo = configFolders.filter((folder) => !read.has(folder));
    if (todo.length > 0) return todo;
    const certs = plainEndpoints(image, read).flatMap(({ base }) => certFolders(base));
    return [...new Set(certs)].filter((folder) => !read.has(folder));
  },
  endpoints: (_of, image, read) =>
    plainEndpoints(image, read).map((one) => {
      const folder = certFolders(one.base).find((path) => (read.get(path)?.names ?? null) !== null);
      return folder === undefined
        ? one
        : { ...one, ...certificatesIn(folder, read.get(folder)?.names ?? []) };
    }),
};
