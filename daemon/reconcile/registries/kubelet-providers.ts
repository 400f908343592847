/**
 * Asks the credential providers of the kubelet, as it does itself: the configuration and the folder of programs are those of the running
 * kubelet, or where its distribution has them. They run as root, so they count only where root alone can write them. What a program
 * answers or prints is never told: it may be a secret.
 */
import { resolve } from 'node:path/posix';
import type { Host } from '../../../host/host.ts';
import type { Running } from '../../../host/processes/main-process.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { fileFault } from '../../toml/file-fault.ts';
import type { Credential } from '../../../host/registry/access.ts';
import type { Image } from '../../../host/registry/endpoint.ts';
import {
  type Answer,
  answerOf,
  cacheKey,
  credentialOf,
  isFor,
  type Provider,
  providersIn,
  question,
} from '../../registries/providers.ts';
import type { ProviderFiles } from '../../runtimes/distro.ts';
import { providersOf } from '../../runtimes/distros.ts';
import type { RuntimeFacts } from '../../runtimes/facts.ts';
import { flagIn, kubeletUnit, runningKubelet } from '../observe/running-kubelet.ts';

/** The kubelet waits for a minute; here other downloads wait, too. */
const deadlineMs = 30_000;

export type Of = Pick<RuntimeFacts, 'distro' | 'unit'>;

type Kubelet = ProviderFiles & { readonly environment?: ReadonlyMap<string, string> };

const inCommandLine = ({ argv, cwd, environment }: Running): Kubelet | undefined => {
  const config = flagIn(argv, '--image-credential-provider-config');
  const bin = flagIn(argv, '--image-credential-provider-bin-dir');
  if (config === undefined || bin === undefined) return undefined;
  return { config: resolve(cwd, config), bin: resolve(cwd, bin), ...(environment ? { environment } : {}) };
};

/** A file, or, for younger kubelets, a folder of files. */
const filesOf = async ({ files }: Host, path: string): Promise<readonly string[]> => {
  if (!(await files.isFolder(path))) return [path];
  await files.trust(path);
  const names = ((await files.names(path)) ?? []).filter((name) => /\.(json|ya?ml)$/.test(name));
  return names.map((name) => `${path}/${name}`);
};

/** Undefined: it has none. */
const kubeletOf = async (host: Host, { distro, unit }: Of): Promise<Kubelet | undefined> => {
  for (const name of [kubeletUnit, ...(unit ? [unit.name] : [])]) {
    const running = await runningKubelet(host, name);
    if (running) return inCommandLine(running);
  }
  const usual = providersOf(distro);
  return usual && (await host.files.look(usual.config)).kind !== 'absent' ? usual : undefined;
};

const readProviders = async ({ files }: Host, path: string): Promise<readonly Provider[]> => {
  const fact = await files.lookTrusted(path);
  if (fact.kind !== 'regular')
    throw new Failure({ code: 'registry-credentials', ...fileFault(fact), where: { file: path } });
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    value = parse(fact.text, { logLevel: 'error' });
  } catch (error) {
    // The parser's message quotes the file.
    throw new Failure(
      { code: 'registry-credentials', message: 'it cannot be parsed as YAML', where: { file: path } },
      error,
    );
  }
  return providersIn(value, path);
};

type Kept = { readonly answer: Answer; readonly until: number };

/** Answers that may be used again, by provider and image: only in memory. */
const remembered = new WeakMap<Host, Map<string, Kept>>();

const memoryOf = (host: Host): Map<string, Kept> => {
  const known = remembered.get(host) ?? new Map<string, Kept>();
  remembered.set(host, known);
  const now = host.clock.elapsed();
  for (const [key, { until }] of known) if (until <= now) known.delete(key);
  return known;
};

const failed = (path: string, what: string): Failure =>
  new Failure({
    code: 'registry-credentials',
    message: `the credential provider ${path} ${what}`,
    hint: 'The kubelet asks it in the same way: journalctl -u kubelet. To fetch without the providers: providers = false under [registries] in /etc/rcm-node/config.toml.',
  });

const ask = async (host: Host, kubelet: Kubelet, provider: Provider, image: Image): Promise<Answer> => {
  const path = `${kubelet.bin}/${provider.name}`;
  await host.files.trust(path);
  const result = await host.tools.run([host.files.real(path), ...provider.args], {
    deadlineMs,
    env: { HOME: '/root', ...Object.fromEntries(kubelet.environment ?? []), ...provider.env },
    input: question(provider, image),
  });
  if (result.kind === 'not-started') throw failed(path, `cannot be started: ${result.errno}`);
  if (result.timedOut) throw failed(path, `did not answer within ${deadlineMs / 1000} s`);
  if (result.code !== 0)
    throw failed(
      path,
      result.code === null ? `was ended by ${result.signal}` : `failed with code ${result.code}`,
    );
  const answer = answerOf(provider, result.stdout);
  if (!answer) throw failed(path, 'gave no CredentialProviderResponse of the version that it was asked in');
  return answer;
};

/** Of the first provider in the kubelet's order that has some for the image. Throws `registry-credentials`, `untrusted`. */
export const askProviders = async (host: Host, of: Of, image: Image): Promise<Credential | undefined> => {
  const kubelet = await kubeletOf(host, of);
  if (!kubelet) return undefined;
  const memory = memoryOf(host);
  const providers: Provider[] = [];
  for (const path of await filesOf(host, kubelet.config))
    providers.push(...(await readProviders(host, path)));
  for (const provider of providers) {
    if (!isFor(provider, image)) continue;
    const keyed = (key: 'Image' | 'Registry' | 'Global'): string =>
      JSON.stringify([kubelet.bin, provider, key, cacheKey(key, image)]);
    const kept = (['Image', 'Registry', 'Global'] as const)
      .map((key) => memory.get(keyed(key)))
      .find((one) => one);
    const answer = kept?.answer ?? (await ask(host, kubelet, provider, image));
    if (!kept && answer.keep)
      memory.set(keyed(answer.keep.key), { answer, until: host.clock.elapsed() + answer.keep.ms });
    const found = credentialOf(answer, image);
    if (found) return found;
  }
  return undefined;
};
