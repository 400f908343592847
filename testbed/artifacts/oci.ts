/**
 * One-layer OCI images made in memory, and their way into a node: there is no registry and no Docker.
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
import { createHash } from 'node:crypto';
import wabt from 'wabt';
import { pauseImage } from '../node/configuration.ts';
import { program } from './program.ts';
import type { AnyNode } from '../node/test-node.ts';
import { tarOf } from './tarball.ts';

export type OciImage = { readonly name: string; readonly layout: Uint8Array };

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** An image with `files` (path to bytes, all executable) that runs `entrypoint`. */
export const ociImage = (
  name: string,
  files: Readonly<Record<string, Uint8Array>>,
  entrypoint: readonly string[],
  annotations: Readonly<Record<string, string>> = {},
  platform: { readonly os: string; readonly architecture: string } = { os: 'linux', architecture: 'amd64' },
): OciImage => {
  const layer = tarOf(Object.entries(files).map(([path, bytes]) => ({ path, bytes, mode: 0o755 })));
  const blobs: Record<string, Uint8Array> = {};
  const blob = (mediaType: string, bytes: Uint8Array) => {
    blobs[sha256(bytes)] = bytes;
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  };
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  const layerBlob = blob('application/vnd.oci.image.layer.v1.tar', layer);
  const config = blob(
    'application/vnd.oci.image.config.v1+json',
    json({
      ...platform,
      // Builders of images write PATH, and youki starts nothing without it.
      config: {
        Entrypoint: entrypoint,
        WorkingDir: '/',
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      },
      rootfs: { type: 'layers', diff_ids: [layerBlob.digest] },
    }),
  );
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = blob(
    manifestType,
    json({ schemaVersion: 2, mediaType: manifestType, config, layers: [layerBlob], annotations }),
  );
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        ...manifest,
        platform,
        annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
      },
    ],
  };
  const layout = tarOf([
    { path: 'oci-layout', bytes: json({ imageLayoutVersion: '1.0.0' }), mode: 0o644 },
    { path: 'index.json', bytes: json(index), mode: 0o644 },
    ...Object.entries(blobs).map(([digest, bytes]) => ({
      path: `blobs/sha256/${digest}`,
      bytes,
      mode: 0o644,
    })),
  ]);
  return { name, layout };
};

/** The sandbox image of every Pod. For another architecture its name and platform are right, and its program is for this one. */
export const pauseOciImage = (architecture = 'amd64'): OciImage =>
  ociImage(pauseImage, { pause: program('', 'wait') }, ['/pause'], {}, { os: 'linux', architecture });

/** Prints `hello from a static program`, then waits until it is stopped, or ends at once. */
export const helloOciImage = (then: 'wait' | 'end', architecture = 'amd64'): OciImage =>
  ociImage(
    `rcm-node.test/hello-${then}:1`,
    { hello: program('hello from a static program', then) },
    ['/hello'],
    {},
    { os: 'linux', architecture },
  );

/** `poll_oneoff` with a clock of a minute, over and over: what ends it is the signal that its shim gets. */
const wasiWaits = `
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (i64.const 60000000000))
    (loop $again
      (drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 160)))
      (br $again))`;

const wasiHello = (then: 'wait' | 'end'): string => `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "hello from wasm\\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 8))
    (i32.store (i32.const 4) (i32.const 16))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 24)))${then === 'wait' ? wasiWaits : ''}))`;

/** A WASI module that prints `hello from wasm`, then ends at once, or waits until it is stopped. */
export const wasmModule = async (then: 'wait' | 'end' = 'end'): Promise<Uint8Array> => {
  const assembler = await wabt();
  const module = assembler.parseWat('hello.wat', wasiHello(then));
  const bytes = module.toBinary({}).buffer;
  module.destroy();
  return bytes;
};

export const wasmOciImage = async (then: 'wait' | 'end' = 'end'): Promise<OciImage> =>
  ociImage(`rcm-node.test/wasm-${then}:1`, { 'hello.wasm': await wasmModule(then) }, ['/hello.wasm']);

/** Puts the image where the kubelet's images are, and returns its name. */
export const importImage = async (node: AnyNode, image: OciImage): Promise<string> => {
  await node.run(['ctr', '-n', 'k8s.io', 'images', 'import', '-'], { input: image.layout });
  return image.name;
};
