/**
 * A container runtime's CRI socket, as far as the daemon asks it: a real gRPC server on a unix socket. Its replies
 * are put together byte by byte from the field numbers of the public api.proto, and not by means of the daemon's own
 * descriptor, so that a wrong number there is noticed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';

type Value = string | number | bigint | boolean | Buffer;

const varint = (value: bigint): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
};

/** A protobuf message from pairs of field number and value; a Buffer is a message within. */
export const message = (...fields: readonly (readonly [number, Value])[]): Buffer =>
  Buffer.concat(
    fields.flatMap(([id, value]) => {
      if (typeof value === 'string' || Buffer.isBuffer(value)) {
        const bytes = Buffer.from(value);
        return [varint(BigInt((id << 3) | 2)), varint(BigInt(bytes.length)), bytes];
      }
      return [varint(BigInt(id << 3)), varint(BigInt(value))];
    }),
  );

export type ScriptedSandbox = {
  readonly id: string;
  readonly handler?: string;
  readonly ready?: boolean;
  readonly namespace?: string;
  readonly name?: string;
};

export const replies = {
  version: (name: string, version: string): Buffer =>
    message([1, '0.1.0'], [2, name], [3, version], [4, 'v1']),
  status: (
    conditions: readonly (readonly [type: string, ok: boolean, reason?: string, text?: string])[],
    handlers: readonly string[],
    info: Readonly<Record<string, string>> = {},
  ): Buffer =>
    message(
      [
        1,
        message(
          ...conditions.map(
            ([type, ok, reason = '', text = '']) =>
              [1, message([1, type], [2, ok], [3, reason], [4, text])] as const,
          ),
        ),
      ],
      ...Object.entries(info).map(([key, value]) => [2, message([1, key], [2, value])] as const),
      // With features, which the daemon does not read.
      ...handlers.map((name) => [3, message([1, name], [2, message([1, true], [2, true])])] as const),
      [4, message([1, true])],
    ),
  sandboxes: (items: readonly ScriptedSandbox[]): Buffer =>
    message(
      ...items.map(
        (item) =>
          [
            1,
            message(
              [1, item.id],
              [2, message([1, item.name ?? 'pod'], [2, 'uid'], [3, item.namespace ?? 'default'], [4, 1])],
              [3, item.ready === false ? 1 : 0],
              [5, message([1, 'label'], [2, 'value'])],
              [6, message([1, 'annotation'], [2, 'text'])],
              [7, item.handler ?? ''],
            ),
          ] as const,
      ),
    ),
  containers: (
    items: readonly {
      readonly id: string;
      readonly sandbox: string;
      readonly state: number;
    }[],
  ): Buffer =>
    message(
      ...items.map(
        (item) =>
          [
            1,
            message(
              [1, item.id],
              [2, item.sandbox],
              [3, message([1, 'name'])],
              [4, message([1, 'image'])],
              [5, 'ref'],
              [6, item.state],
            ),
          ] as const,
      ),
    ),
};

export const healthy = [
  ['RuntimeReady', true],
  ['NetworkReady', true],
] as const;

/** What a method does: a reply, made for each request; an error; or no answer at all. */
export type Script =
  | ((request: Buffer) => Buffer)
  | { readonly error: keyof typeof status; readonly text: string }
  | 'hangs';

export type ScriptedCri = {
  readonly socket: string;
  /** Method name -> what it does; may be changed at any time. */
  readonly methods: Map<string, Script>;
  /** Every call, as `Status 0801` (the request in hex). */
  readonly calls: readonly string[];
  /** Ends the server as a crash would, and takes its socket away. */
  readonly stop: () => Promise<void>;
  /** Listens again on the same socket. */
  readonly start: () => Promise<void>;
  /** Ends the server and removes its folder; may be called after `stop`. */
  readonly remove: () => Promise<void>;
};

const methodNames = [
  'Version',
  'Status',
  'ListPodSandbox',
  'ListContainers',
  'RunPodSandbox',
  'StopPodSandbox',
  'RemovePodSandbox',
  'ImageStatus',
];

/** A healthy containerd 2.x with the handlers runc and spin; `service: null` is a runtime whose CRI plugin is dead. */
export const startCri = async (
  options: { readonly service?: string | null; readonly socket?: string } = {},
): Promise<ScriptedCri> => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-cri-'));
  const socket = options.socket ?? join(folder, 'containerd.sock');
  const name = options.service === undefined ? 'runtime.v1.RuntimeService' : options.service;
  const calls: string[] = [];
  const methods = new Map<string, Script>([
    ['Version', () => replies.version('containerd', 'v2.1.9')],
    ['Status', () => replies.status(healthy, ['', 'runc', 'spin'])],
    ['ListPodSandbox', () => replies.sandboxes([])],
    ['ListContainers', () => replies.containers([])],
    ['RunPodSandbox', () => message([1, 'sandbox'])],
    ['StopPodSandbox', () => message()],
    ['RemovePodSandbox', () => message()],
    ['ImageStatus', () => message()],
  ]);
  let server: Server | undefined;

  const start = async (): Promise<void> => {
    server = new Server();
    for (const method of name === null ? [] : methodNames)
      server.register(
        `/${method === 'ImageStatus' ? 'runtime.v1.ImageService' : name}/${method}`,
        (call: { readonly request: Buffer }, done: (error: object | null, reply?: Buffer) => void) => {
          calls.push(`${method} ${call.request.toString('hex')}`.trim());
          const script = methods.get(method) ?? 'hangs';
          if (script === 'hangs') return;
          if (typeof script === 'function') return done(null, script(call.request));
          done({ code: status[script.error], details: script.text });
        },
        (reply: Buffer) => reply,
        (request: Buffer) => request,
        'unary',
      );
    await new Promise<void>((listening, failed) =>
      server?.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? listening() : failed(error),
      ),
    );
  };
  const stop = async (): Promise<void> => {
    server?.forceShutdown();
    rmSync(socket, { force: true });
  };
  await start();
  return {
    socket,
    methods,
    calls,
    start,
    stop,
    remove: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
