/**
 * The authority and the log of this folder as servers, as far as cosign's `sign-blob` speaks to them: a stand-in for Fulcio and
 * Rekor that asks nobody who they are. What cosign makes with them is what it makes with the real ones.
 */
import { createHash, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fields, parseJson } from '../../protocol/json.ts';
import { type Authority, pemOf } from './authority.ts';
import type { Log } from './log.ts';

type Named = { readonly names: readonly string[]; readonly issuer: string };

const bodyOf = async (request: IncomingMessage): Promise<unknown> => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return parseJson(Buffer.concat(parts).toString());
};

/** The first version of its API, which cosign 2 uses: https://github.com/sigstore/fulcio/blob/main/fulcio_legacy.proto */
const certificateFor = (body: unknown, authority: Authority, named: Named): string => {
  const { content } = fields(fields(body).publicKey);
  const key = createPublicKey(Buffer.from(String(content), 'base64').toString());
  return [authority.issue({ key, ...named }), authority.root]
    .map((one) => pemOf('CERTIFICATE', one))
    .join('');
};

/** https://github.com/sigstore/rekor/blob/main/openapi.yaml */
const entryFor = (body: unknown, log: Log): object => {
  const { spec } = fields(body);
  const { signature, data } = fields(spec);
  const { content, publicKey } = fields(signature);
  const { algorithm, value } = fields(fields(data).hash);
  const record = JSON.stringify({
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm, value } },
      signature: { content, publicKey: { content: fields(publicKey).content } },
    },
  });
  const entry = log.add(record, Math.floor(Date.now() / 1000));
  const leaf = createHash('sha256')
    .update(Buffer.concat([Buffer.from([0]), Buffer.from(record)]))
    .digest('hex');
  return {
    [leaf]: {
      body: entry.body,
      integratedTime: entry.integratedTime,
      logID: entry.logID,
      logIndex: entry.logIndex,
      verification: {
        signedEntryTimestamp: entry.promise,
        inclusionProof: {
          checkpoint: entry.proof.checkpoint,
          hashes: [],
          logIndex: 0,
          rootHash: Buffer.from(entry.proof.rootHash, 'base64').toString('hex'),
          treeSize: 1,
        },
      },
    },
  };
};

export const serveSigning = async (authority: Authority, log: Log, named: Named) => {
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const answers: Readonly<Record<string, () => string>> = {
      '/api/v1/signingCert': () => certificateFor(body, authority, named),
      '/api/v1/log/entries': () => JSON.stringify(entryFor(body, log)),
    };
    const answer = answers[request.url ?? '']?.();
    response.writeHead(answer ? 201 : 404, { 'content-type': 'application/json' });
    response.end(answer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => void server.close(),
  };
};

/** A token that says who one is; its signature is of nobody. */
export const tokenFor = (subject: string, issuer: string): string => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 600;
  return `${part({ alg: 'RS256' })}.${part({ iss: issuer, sub: subject, email: subject, email_verified: true, aud: 'sigstore', exp })}.AAAA`;
};
