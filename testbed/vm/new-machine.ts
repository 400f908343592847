/** What tests of a new machine share: what its page of releases offers, the shim that it asks for, and what its stand-in for a kubelet saw. */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Report } from '../../daemon/model/outcome.ts';
import { ownCache } from '../artifacts/build.ts';
import type { AnyNode } from '../node/test-node.ts';
import { runPod, type Pod } from '../node/pods.ts';
import { pageAddress } from './release-page.ts';

/** A folder with copies of these files. */
export const pageOf = async (paths: readonly string[]): Promise<string> => {
  await mkdir(ownCache, { recursive: true });
  const folder = await mkdtemp(join(ownCache, 'page-'));
  for (const path of paths) await copyFile(path, join(folder, basename(path)));
  return folder;
};

export const addressOf = (path: string): string => `http://${pageAddress}/${basename(path)}`;

export const digestOf = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

/** A local file. The machine has controllers of cgroups, and systemd hands them out. */
export const newMachineShim = (location: string, sha256: string): string => `name = "spin-v2"
containerdRuntimeOptions = { SystemdCgroup = "true" }
runtimeClass = { name = "spin-v2", handler = "spin-v2" }
[fetchStrategy.anonHttp]
location = "${location}"
sha256 = "${sha256}"
`;

/** As a kubelet with the same driver of cgroups does. */
export const runSpinPod = (node: AnyNode, image: string): Promise<Pod> =>
  runPod(node, { handler: 'spin-v2', image, wait: 'exited', cgroupParent: 'system.slice' });

/** What rcm-node had reported when the kubelet started. */
export const kubeletSaw = async (node: AnyNode): Promise<Report> =>
  JSON.parse(await node.readFile('/run/kubelet-saw.json')) as Report;
