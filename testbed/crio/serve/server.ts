/** A gRPC server on a unix socket that answers with what functions return; an error is `Unknown`, as CRI-O's are. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { loadService } from '../../../host/cri/cri.ts';
import { descriptor } from './messages.ts';

export type Answers = Readonly<Record<string, (request: never) => object | Promise<object>>>;

/** By the name of a service. */
export type Services = Readonly<Record<'RuntimeService' | 'ImageService' | 'StandIn', Answers>>;

/** Ends a call that is never answered: the client gives up first. */
export const never = (): Promise<never> => new Promise(() => undefined);

type Done = (error: object | null, reply?: object) => void;

const handled =
  (answer: Answers[string]) =>
  (call: { readonly request: never }, done: Done): void => {
    Promise.resolve()
      .then(() => answer(call.request))
      .then(
        (reply) => done(null, reply),
        (error: unknown) =>
          done({ code: status.UNKNOWN, details: error instanceof Error ? error.message : String(error) }),
      );
  };

/** Listens; what it returns ends it, and takes the socket away. */
export const serve = async (socket: string, services: Services): Promise<() => void> => {
  mkdirSync(dirname(socket), { recursive: true });
  rmSync(socket, { force: true });
  const server = new Server();
  for (const [name, answers] of Object.entries(services))
    for (const [method, definition] of Object.entries(loadService(descriptor, `runtime.v1.${name}`))) {
      const { path, responseSerialize } = definition;
      // Messages have the shape of their descriptor; `requests.ts` says which.
      const decode = (bytes: Buffer): never => definition.requestDeserialize(bytes) as never;
      const answer = answers[method];
      if (answer === undefined) throw new Error(`nothing answers ${path}`);
      server.register(path, handled(answer), responseSerialize, decode, 'unary');
    }
  await new Promise<void>((listening, failed) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? listening() : failed(error),
    );
  });
  chmodSync(socket, 0o660);
  return () => {
    server.forceShutdown();
    rmSync(socket, { force: true });
  };
};
