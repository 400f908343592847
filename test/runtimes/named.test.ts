import t from 'tap';
import { handlersIn, isOurs } from '../../daemon/runtimes/containerd/config.ts';
import { copiesIn, keysOf, mayBeLoaded, namedIn } from '../../daemon/runtimes/named.ts';
import { parseConfig, configFile } from '../../daemon/runtimes/parsed.ts';
import { key, regular, runtime, serving, unit } from '../../testbed/simulated/bare-host.ts';

const link = '/opt/rcm-node/shims/spin/containerd-shim-spin';

t.test('a table is ours when it names the program of its own handler, and no other of ours', async (t) => {
  t.ok(isOurs('spin', { runtime_type: link }));
  t.ok(isOurs('spin', { runtime_type: `/opt//rcm-node/./shims/spin/x` }));
  t.ok(isOurs('spin', { runtime_type: 'io.containerd.runc.v2', options: { BinaryName: link } }));
  t.notOk(isOurs('alias', { runtime_type: link }));
  t.notOk(isOurs('spin', { runtime_type: link, runtime_path: '/opt/rcm-node/shims/other/x' }));
  t.notOk(isOurs('spin', { runtime_type: `${link}/../../other/x` }));
  t.notOk(isOurs('spin', { runtime_type: `/opt/rcm-node/store/${key('a')}/x` }));
  t.notOk(isOurs('spin', { runtime_type: 'io.containerd.runc.v2' }));
  t.notOk(isOurs('spin', undefined));
});

t.test('every table that names our programs is reported; copies with their place', async (t) => {
  const files = parseConfig([
    configFile(
      '/a.toml',
      regular(
        `version = 2\n# ${link}/comment\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.spin]\nruntime_type = "${link}"\n[proxy_plugins.x]\nlist = [["/opt/rcm-node/store/${key('b')}/bin"], "/opt/rcm-node/storeroom"]\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes."http://u:p@x"]\nruntime_type = "${link}"\n`,
      ),
    ),
  ]);
  t.same([...namedIn(files)], [link, `/opt/rcm-node/store/${key('b')}/bin`]);
  t.same([...keysOf(namedIn(files))], [key('b')]);
  t.match(copiesIn(files, handlersIn), [
    { code: 'copied', handler: 'spin', where: { file: '/a.toml', line: 3 } },
    { code: 'copied', handler: undefined, message: /^(?!.*u:p)/, where: { line: 7 } },
  ]);
});

t.test('loaded programs are determined by the served handlers, and unknown counts as loaded', async (t) => {
  const defined = new Set(['runc', 'kata']);
  t.ok(mayBeLoaded(serving(['runc', 'spin']), link, defined));
  t.notOk(mayBeLoaded(serving(['runc', 'kata']), link, defined));
  t.ok(mayBeLoaded(serving(['runc', 'alias']), link, defined), 'no file says any more where it leads');
  t.ok(mayBeLoaded(serving('unknown'), link, defined));
  t.ok(mayBeLoaded({ ...runtime, cri: { kind: 'silent', why: '' } }, link, defined));
  t.notOk(mayBeLoaded({ ...serving(['spin']), unit: undefined }, link, defined), 'another root');
  t.notOk(mayBeLoaded({ ...serving(['spin']), unit: { ...unit, mainPid: 0 } }, link, defined));
});
