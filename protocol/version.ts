/** The version of this program; the bundle has it baked in from package.json. */
declare const RCM_NODE_VERSION: string | undefined;

export const version: string = typeof RCM_NODE_VERSION === 'string' ? RCM_NODE_VERSION : '0.0.0-source';
