/**
 * The credentials of this node for a registry: those of the file that config.toml names, else those that the kubelet's providers
 * give. A Shim never brings any. They go to the host whose name they are for, and to no mirror of it.
 */
import type { Files } from '../../../host/files/files.ts';
import type { Host } from '../../../host/host.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { fileFault } from '../../toml/file-fault.ts';
import type { Settings } from '../../model/settings.ts';
import { type AuthFile, credentialIn, parseAuthFile } from '../../registries/auth-file.ts';
import type { Credential } from '../../../host/registry/access.ts';
import type { Image } from '../../../host/registry/endpoint.ts';
import { askProviders, type Of } from './kubelet-providers.ts';

const openToOthers = 0o077;

/** With an ACL the bits of the group are its mask (acl(5)), so what other users may read by one counts, too. */
export const readAuthFile = async (files: Pick<Files, 'lookTrusted'>, path: string): Promise<AuthFile> => {
  const fact = await files.lookTrusted(path);
  if (fact.kind !== 'regular')
    throw new Failure({ code: 'registry-credentials', ...fileFault(fact), where: { file: path } });
  if ((fact.mode & openToOthers) !== 0)
    throw new Failure({
      code: 'registry-credentials',
      message: `others than root may read it: it has mode ${fact.mode.toString(8).padStart(4, '0')}`,
      where: { file: path },
      hint: `Replace the passwords in it if another user may have read them, then: chmod 600 ${path}`,
    });
  return parseAuthFile(fact.text, path);
};

/** Undefined: none are known, and the registry is asked without. Throws `registry-credentials`, `untrusted`. */
export const credentialsFor = async (
  host: Host,
  { registries }: Pick<Settings, 'registries'>,
  runtime: Of,
  image: Image,
): Promise<Credential | undefined> => {
  const { credentials, providers } = registries;
  const ofFile =
    credentials === undefined ? undefined : credentialIn(await readAuthFile(host.files, credentials), image);
  return ofFile ?? (providers ? askProviders(host, runtime, image) : undefined);
};
