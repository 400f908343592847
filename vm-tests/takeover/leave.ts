/** Puts on a node what an installer leaves there, without a restart of the runtime. */
import type { Test } from 'tap';
import { wasmedge } from '../../testbed/artifacts/engines.ts';
import { locationOf } from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import type { Installer } from './installers.ts';

export const main = '/etc/containerd/config.toml';

export const leave = async (node: TestNode, t: Test, one: Installer): Promise<void> => {
  const { handlers, hollow = [], library, links = {}, files = {}, record } = one;
  const programs = Object.entries(handlers).filter(([handler]) => !hollow.includes(handler));
  const folder = async (path: string): Promise<unknown> =>
    node.run(['mkdir', '-p', path.replace(/\/[^/]+$/, '')]);
  for (const [handler, path] of programs) {
    await folder(path);
    if (handler !== 'crun') await node.run(['cp', '/usr/bin/containerd-shim-runc-v2', path]);
  }
  if (library !== undefined) {
    await folder(library);
    const { artifact } = await wasmedge((line) => t.comment(line));
    // What else they need is where packages of the distribution have it.
    const place = `d=$(mktemp -d) && tar -xzf "$1" -C "$d" && mv "$d/crun" "$2" && mv "$d/libwasmedge.so.0" "$3" &&
      cp -n "$d"/* /usr/lib/x86_64-linux-gnu/ && rm -r "$d"`;
    const from = locationOf(artifact).slice('file://'.length);
    await node.run(['sh', '-c', place, 'sh', from, handlers.crun ?? '', library]);
  }
  for (const [path, target] of Object.entries(links)) await node.run(['ln', '-s', target, path]);
  for (const [path, text] of Object.entries(files)) await node.writeFile(path, text);
  if (record !== undefined) {
    const shims: Record<string, unknown> = {};
    for (const [handler, path] of programs)
      shims[handler] = { sha256: (await node.run(['sha256sum', path])).split(' ')[0], path };
    await node.writeFile(record, JSON.stringify({ shims }, null, 1));
  }
  await node.writeFile(main, one.edit(await node.readFile(main)));
};

/** All that it leaves beside its text. */
export const pathsOf = ({
  handlers,
  library,
  links = {},
  files = {},
  record,
}: Installer): readonly string[] => [
  ...[...Object.values(handlers), ...Object.keys(links), ...Object.keys(files)],
  ...[library, record].filter((path) => path !== undefined),
];
