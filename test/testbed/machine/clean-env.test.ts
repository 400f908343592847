/** A build keeps what it fetches by, and nothing of who started it. */
import t from 'tap';
import { cleanEnv } from '../../../testbed/machine/clean-env.ts';

t.test('certificates and proxies stay, a test runner goes', async (t) => {
  const kept = {
    PATH: '/bin',
    HOME: '/root',
    NODE_EXTRA_CA_CERTS: '/etc/ca.crt',
    https_proxy: 'http://proxy:3128',
    NO_PROXY: 'localhost',
    npm_config_cafile: '/etc/ca.crt',
  };
  t.same(
    cleanEnv({ ...kept, NODE_OPTIONS: '--no-opt', NODE_V8_COVERAGE: '/tmp', npm_package_name: 'x' }),
    kept,
  );
  t.same(cleanEnv({}), { PATH: '', HOME: '' });
});
