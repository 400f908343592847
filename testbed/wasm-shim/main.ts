/** `node testbed/wasm-shim/main.ts`: builds the shim beside other work, so that tests find it there. */
import { builtWasmShim } from './shim.ts';

await builtWasmShim((line) => process.stdout.write(`${line}\n`));
