/** Facts from containerd's configuration, in files and as loaded: socket, programs, sandboxes, bundles. */
import { paths } from '../../../protocol/host-paths.ts';
import { member } from '../../../protocol/json.ts';
import { isTable, type Table, tableAt } from '../../toml/compare.ts';
import { parseToml } from '../../toml/toml.ts';
import type { ConfigFile } from '../facts.ts';
import type { Runtime } from '../runtime.ts';
import { declaredSchema, defaultRuntime, handlersIn, newestSchema, schemas } from './config.ts';
import { usual } from './launch.ts';

/** The last file with a value wins. */
const lastIn = (config: readonly ConfigFile[], read: (doc: Table) => unknown): string | undefined =>
  config.reduce<string | undefined>((found, { doc }) => {
    const said = doc && read(doc);
    return typeof said === 'string' && said !== '' ? said : found;
  }, undefined);

/**
 * Where a file says that the daemon listens. Version 4 has it in a plugin and ignores `[grpc]`. 2.3 and later move that of an
 * older file there, unless the file has both.
 */
export const socketIn = (doc: Table): string | undefined => {
  const moved = tableAt(doc, ['plugins', 'io.containerd.server.v1.grpc']);
  const isOlder = (declaredSchema(doc) ?? newestSchema) < 4;
  return [moved, isOlder ? tableAt(doc, ['grpc']) : undefined]
    .map((table) => table?.address)
    .find((address) => typeof address === 'string' && address !== '') as string | undefined;
};

export const socketOf: Runtime['socketOf'] = (config) => lastIn(config, socketIn) ?? usual.socket;

/** Files of a bundle in which containerd and its runc shim keep the paths of programs. */
const tellers = ['runtime', 'options.json', 'shim-binary-path', 'bootstrap.json'];

const ours = new RegExp(`${paths.links}/([^/"\\s]+)/`, 'g');

export const bundlesOf: Runtime['bundlesOf'] = (config) => {
  const state = lastIn(config, (doc) => (String(doc.state).startsWith('/') ? doc.state : undefined));
  return {
    folder: `${state ?? '/run/containerd'}/io.containerd.runtime.v2.task`,
    depth: 2,
    pidFile: 'init.pid',
    tellers,
    handlersIn: (text) => [...text.matchAll(ours)].flatMap(([, handler]) => handler ?? []),
  };
};

/** Where a program without a path is searched: usually the service's $PATH, and the folder for plugins. */
const searched = [
  ...['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin', '/opt/containerd/bin'],
];

/** The program that a value of a handler's table names: a path, or a name to be searched. */
const programOf = (key: string, value: string): string | undefined => {
  if (value.startsWith('/')) return value;
  if (key === 'BinaryName') return /^[\w.+-]+$/.test(value) ? value : undefined;
  // `io.containerd.spin.v2` is run as `containerd-shim-spin-v2`.
  const [, name, version] = key === 'runtime_type' ? (/([\w-]+)\.([\w-]+)$/.exec(value) ?? []) : [];
  return name === undefined ? undefined : `containerd-shim-${name}-${version}`;
};

/** Strings at any depth, each with its key. */
const stringsIn = (value: unknown, key: string): readonly (readonly [string, string])[] => {
  if (typeof value === 'string') return [[key, value]];
  if (Array.isArray(value)) return value.flatMap((one) => stringsIn(one, key));
  return isTable(value) ? Object.entries(value).flatMap(([inner, one]) => stringsIn(one, inner)) : [];
};

export const programsIn: Runtime['programsIn'] = (doc) =>
  handlersIn(doc)
    .flatMap(({ path }) => stringsIn(tableAt(doc, path), ''))
    .flatMap(([key, word]) => {
      const program = programOf(key, word);
      if (program === undefined) return [];
      return [
        { word, places: program.startsWith('/') ? [program] : searched.map((one) => `${one}/${program}`) },
      ];
    });

const textIn = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 1024 ? value : undefined;

export const sandboxesIn: Runtime['sandboxesIn'] = (loaded) => {
  const containerd = member(loaded, 'containerd');
  const name = textIn(member(containerd, 'defaultruntimename')) ?? defaultRuntime.name;
  const options = member(member(member(containerd, 'runtimes'), name.toLowerCase()), 'options');
  return {
    image: textIn(member(loaded, 'sandboximage')),
    root: textIn(member(loaded, 'containerdrootdir')) ?? '/var/lib/containerd',
    systemdCgroup: [member(options, 'systemdcgroup'), member(loaded, 'systemdcgroup')].includes(true),
  };
};

/** The image of sandboxes in a dumped configuration: 2.x pins it in a plugin of its own, 1.x has it with CRI. */
const pauseImageIn = (dump: Table): unknown =>
  [
    tableAt(dump, ['plugins', 'io.containerd.cri.v1.images', 'pinned_images'])?.sandbox,
    tableAt(dump, schemas[2].cri)?.sandbox_image,
    tableAt(dump, schemas[1].cri)?.sandbox_image,
  ].find((name) => typeof name === 'string' && name !== '');

/** 2.x does not report it over CRI. */
export const pauseImage: Runtime['pauseImage'] = (dump) =>
  textIn(pauseImageIn(parseToml(dump, 'containerd config dump', 'broken-config')));
