/** Whether an OCI runtime can do what it is named for. */

/**
 * crun takes its own name for an order: called crun-wasm, it runs each container as Wasm, the pause container included. So no
 * sandbox shows that it has an engine, where the sandbox has no pause container or none was started; its version does.
 * Undefined: nothing speaks against it.
 */
export const lackOf = (binary: string, version: string): string | undefined =>
  binary === 'crun-wasm' && version.startsWith('crun version') && !/\+WASM:/.test(version)
    ? 'under this name crun runs every container as Wasm, and this build has no Wasm engine (--version lists no +WASM)'
    : undefined;
