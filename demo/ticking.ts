/** A WASI module that never ends: it prints a line, sleeps for half a second, and so on. A Pod to be updated around. */
import wabt from 'wabt';
import { type OciImage, ociImage } from '../testbed/artifacts/oci.ts';

export const tickingLine = 'still running';

/** The layout of a subscription: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#subscription */
const text = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "${tickingLine}\\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const ${tickingLine.length + 1}))
    (i32.store (i32.const 144) (i32.const 1)) ;; the monotonic clock
    (i64.store (i32.const 152) (i64.const 500000000)) ;; nanoseconds from now
    (loop $again
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 24)))
      (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 320)))
      (br $again))))`;

export const tickingImage = async (): Promise<OciImage> => {
  const assembler = await wabt();
  const module = assembler.parseWat('ticking.wat', text);
  const bytes = module.toBinary({}).buffer;
  module.destroy();
  return ociImage('rcm-node.demo/ticking-wasm:1', { 'ticking.wasm': bytes }, ['/ticking.wasm']);
};
