/** The environment of a build: a test runner's own (NODE_OPTIONS, coverage) changes how V8 compiles, and so what is built. */

/** Where files are fetched from, and by whose word: without them a build fails behind a proxy, or one with a certificate of its own. */
const ofNetwork = /^(npm_config_.*|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(https?|no|all)_proxy)$/i;

export const cleanEnv = (of: NodeJS.ProcessEnv = process.env): Record<string, string> => ({
  PATH: of.PATH ?? '',
  HOME: of.HOME ?? '',
  ...Object.fromEntries(
    Object.entries(of).flatMap(([name, value]) => (ofNetwork.test(name) ? [[name, value ?? '']] : [])),
  ),
});
