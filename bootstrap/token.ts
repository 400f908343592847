/**
 * For the serviceaccount overlay: puts this Pod's token where the service finds it. It ends with the Pod, so the service
 * exchanges it at once for one that is bound to the Node; a host that has such a token keeps it.
 */
import { folderOf, paths } from '../protocol/host-paths.ts';
import { replaces, tokenFacts } from '../kube/credentials/token.ts';
import { Failure } from '../protocol/problem/problem.ts';
import type { Target } from './target.ts';

export const bringToken = async (site: Target, file: string): Promise<void> => {
  const ours = await site.own.look(file);
  if (ours.kind !== 'regular' || tokenFacts(ours.text.trim()).expires === undefined)
    throw new Failure({
      code: 'no-identity',
      message: 'there is no token of a service account to install',
      where: { file },
      hint: 'The serviceaccount overlay mounts one: see the volume "token" in bootstrap/serviceaccount/kustomization.yaml.',
    });
  const there = await site.host.look(paths.token);
  const present = there.kind === 'regular' ? tokenFacts(there.text.trim()) : undefined;
  if (!replaces(tokenFacts(ours.text.trim()), present, site.clock.now())) return;
  await site.host.makeFolder(folderOf(paths.token));
  await site.host.put(paths.token, `${ours.text.trim()}\n`, 0o600);
  site.say('brought a token of the service account; the service exchanges it for its own');
};
