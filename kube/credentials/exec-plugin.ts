/**
 * Credentials from an exec plugin, as EKS and GKE use it. Its answer is used until shortly before it expires. The plugin
 * has a deadline, and its output is never logged, because it may hold secrets.
 * https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
 */
import type { Access, ExecPlugin } from './kubeconfig-file.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Credentials } from '../connection.ts';
import type { Why } from '../session.ts';
import type { CredentialFiles } from './credential-files.ts';
import type { Clock } from '../../host/host.ts';
import { searchPath, type Tools } from '../../host/exec.ts';
import { isFields, parseJson } from '../../protocol/json.ts';

type Client = Pick<Credentials, 'client' | 'readAgainAfter'>;

const deadlineMs = 10_000;
/** For an answer without an expiry: kept for ever, it would be used until the API server refuses it. */
const unboundedMs = 10 * 60_000;
/** Used to the last second, it would expire during a request. */
const marginMs = 60_000;

const failed = (plugin: ExecPlugin, what: string): Failure =>
  new Failure({
    code: 'no-identity',
    message: `the exec plugin ${plugin.command} ${what}`,
    hint: 'Run the command of the kubeconfig by hand; the kubelet needs it, too (journalctl -u kubelet).',
  });

const question = (plugin: ExecPlugin, access: Access, ca: string | undefined): string =>
  JSON.stringify({
    apiVersion: plugin.apiVersion,
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      ...(plugin.provideClusterInfo
        ? {
            cluster: {
              server: access.server,
              'tls-server-name': access.serverName,
              'proxy-url': access.proxy,
              'certificate-authority-data': ca && Buffer.from(ca).toString('base64'),
            },
          }
        : {}),
    },
  });

const answer = (plugin: ExecPlugin, stdout: string, now: number): Client => {
  const value = parseJson(stdout);
  if (value === undefined) throw failed(plugin, 'did not answer with JSON');
  if (!isFields(value) || value.kind !== 'ExecCredential' || !isFields(value.status))
    throw failed(plugin, 'did not answer with an ExecCredential');
  if (value.apiVersion !== plugin.apiVersion)
    throw failed(plugin, 'answered in another version than it was asked in');
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = value.status;
  const end = typeof expirationTimestamp === 'string' ? Date.parse(expirationTimestamp) : Number.NaN;
  if (end <= now) throw failed(plugin, 'gave credentials that have ended; check the clock');
  // For a short life, the second half is the margin.
  const readAgainAfter = Number.isNaN(end)
    ? now + unboundedMs
    : Math.max(end - marginMs, now + (end - now) / 2);
  if (typeof clientCertificateData === 'string' && typeof clientKeyData === 'string') {
    const client = { kind: 'certificate', cert: clientCertificateData, key: clientKeyData } as const;
    return { client, readAgainAfter };
  }
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token))
    return { client: { kind: 'token', token }, readAgainAfter };
  throw failed(plugin, 'gave neither a token nor a certificate');
};

export const execCredentials = (
  files: CredentialFiles,
  tools: Tools,
  clock: Clock,
): ((plugin: ExecPlugin, access: Access, ca: string | undefined, why: Why) => Promise<Client>) => {
  const kept: { key?: string; client?: Client } = {};
  return async (plugin, access, ca, why) => {
    const key = JSON.stringify([plugin, access.server]);
    const { client } = kept;
    if (why !== 'refused' && client !== undefined && kept.key === key) {
      if (clock.now() < (client.readAgainAfter ?? 0)) return client;
    }
    const program = await files.program(plugin.command, plugin.env.PATH ?? searchPath());
    if (program === undefined) throw failed(plugin, 'is in no folder of PATH');
    const result = await tools.run([program, ...plugin.args], {
      deadlineMs,
      env: { HOME: '/root', ...plugin.env, KUBERNETES_EXEC_INFO: question(plugin, access, ca) },
    });
    if (result.kind === 'not-started') throw failed(plugin, `cannot be started: ${result.errno}`);
    if (result.timedOut) throw failed(plugin, `did not answer within ${deadlineMs / 1000} s`);
    if (result.code !== 0) {
      const how = result.code === null ? `was ended by ${result.signal}` : `failed with code ${result.code}`;
      throw failed(plugin, how);
    }
    kept.client = answer(plugin, result.stdout, clock.now());
    kept.key = key;
    return kept.client;
  };
};
