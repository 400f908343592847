/**
 * One JavaScript file out of the daemon and its libraries. CommonJS, because a single executable can carry V8's
 * compiled code only for a CommonJS main, and that saves a fifth of the start time.
 */

import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { type Metafile, type Plugin, build } from 'esbuild';
import { readTexts } from '../cli/shims/texts.ts';

/**
 * Modules that libraries ask for only when their user wants a feature that we do not (passing descriptors over
 * D-Bus, an X11 session bus, temperature sensors of macOS) or when Node lacks web streams.
 */
const NEVER_LOADED = [
  'usocket',
  'x11',
  'macos-temperature-sensor',
  'osx-temperature-sensor',
  'web-streams-polyfill/dist/ponyfill.es2018.js',
];

/**
 * dbus-next makes an XML builder for each connection and a parser for each proxy. It uses them to describe objects
 * that a program exports, and to discover those of others; host/systemd/bus.ts sends and reads plain messages only. Without
 * them the service is smaller by what 150 kB of source and its objects take.
 */
const withoutXml: Plugin = {
  name: 'without-xml',
  setup: (build) => {
    build.onResolve({ filter: /^xml2js$/ }, ({ path }) => ({ path, namespace: 'without-xml' }));
    build.onLoad({ filter: /./, namespace: 'without-xml' }, () => ({
      contents: 'exports.Builder = class {}; exports.Parser = class {};',
    }));
  },
};

export type Bundle = { readonly text: string; readonly inputs: Metafile['inputs'] };

/**
 * Bundles `entry` (relative to `root`). `version` is baked in as `RCM_NODE_VERSION`, the samples as `RCM_NODE_SAMPLES`. Throws when something would be
 * looked up on disk at run time, where a single executable has nothing to find.
 */
export async function bundle(root: string, entry: string, version: string): Promise<Bundle> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    external: NEVER_LOADED,
    plugins: [withoutXml],
    define: {
      RCM_NODE_VERSION: JSON.stringify(version),
      RCM_NODE_SAMPLES: JSON.stringify(readTexts(join(root, 'bootstrap/samples'))),
      // There is no folder of sources: what would look into one has its data from above.
      'import.meta.dirname': '"/"',
    },
    minifyWhitespace: true,
    charset: 'ascii',
    legalComments: 'none',
    write: false,
    outfile: 'rcm-node.cjs',
    metafile: true,
    logLevel: 'warning',
  });
  const written = result.outputFiles[0]?.text;
  if (written === undefined) throw new Error('esbuild wrote nothing');
  // esbuild leaves what is in regular expressions. The text stays in memory, and one character that is not ASCII
  // would make Node keep all of it at two bytes each: 2 MB more for as long as the service runs.
  const text = written.replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

  const known = new Set([
    ...builtinModules,
    ...builtinModules.map((name) => `node:${name}`),
    ...NEVER_LOADED,
  ]);
  const outside = Object.values(result.metafile.outputs).flatMap((output) =>
    output.imports.map((one) => one.path),
  );
  const missing = outside.filter((name) => !known.has(name));
  if (missing.length > 0) throw new Error(`left out of the bundle: ${[...new Set(missing)].join(', ')}`);
  // A name computed at run time; `require()` without one is prose in an error message.
  const computed = /(?<![\w.$])require\((?!["')])[^)]{0,60}/.exec(text);
  if (computed !== null) throw new Error(`the bundle holds a computed require: ${computed[0]}`);
  return { text, inputs: result.metafile.inputs };
}
