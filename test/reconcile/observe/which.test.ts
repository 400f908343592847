import t, { type Test } from 'tap';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { whichRuntime } from '../../../daemon/reconcile/observe/which.ts';
import type { Host } from '../../../host/host.ts';
import { unit } from '../../../testbed/simulated/bare-host.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

/** A host on which these units are, with these files. */
const ask = async (
  t: Test,
  units: readonly string[],
  files: Readonly<Record<string, string>> = {},
  named?: string,
) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  for (const [path, text] of Object.entries(files)) node.write(path, text);
  const { host } = node.fake;
  const systemd: Host['systemd'] = host.systemd && {
    ...host.systemd,
    unit: async (name) => ({
      ...unit,
      name,
      load: units.some((one) => one.startsWith(name)) ? 'loaded' : 'not-found',
      active: units.includes(`${name} idle`) ? 'inactive' : 'active',
    }),
  };
  const chosen = await whichRuntime(
    { ...host, ...(systemd ? { systemd } : {}) },
    { ...defaultSettings, unit: named },
  );
  return [chosen.row.name, chosen.unit];
};

const [containerd, crio] = ['containerd.service', 'crio.service'];
const flags = '/var/lib/kubelet/kubeadm-flags.env';

t.test('the unit that a person names is served', async (t) => {
  t.same(await ask(t, [containerd, crio], {}, crio), ['crio', crio]);
  t.same(await ask(t, [containerd, crio], {}, 'k3s.service'), ['containerd', 'k3s.service']);
  t.same(await ask(t, [crio], {}, 'cri-o.service'), ['crio', crio]);
});

t.test('else the only one, and containerd is looked for where none is', async (t) => {
  t.same(await ask(t, [crio]), ['crio', crio]);
  t.same(await ask(t, [containerd]), ['containerd', containerd]);
  t.same(await ask(t, []), ['containerd', containerd]);
});

t.test('of two it is the one behind the socket of the kubelet', async (t) => {
  const both = [containerd, crio];
  const args = (socket: string) => `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix://${socket}"\n`;
  t.same(await ask(t, both, { [flags]: args('/var/run/crio/crio.sock') }), ['crio', crio]);
  t.same(await ask(t, both, { [flags]: args('/run/containerd/containerd.sock') }), [
    'containerd',
    containerd,
  ]);
  const yaml = 'kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/crio/crio.sock\n';
  t.same(await ask(t, both, { '/var/lib/kubelet/config.yaml': yaml }), ['crio', crio]);
});

t.test('where the kubelet does not tell, one that is only installed does not count', async (t) => {
  t.same(await ask(t, [containerd, `${crio} idle`]), ['containerd', containerd]);
  t.same(await ask(t, [`${containerd} idle`, crio]), ['crio', crio]);
});

t.test('a comment in a file of the kubelet says nothing', async (t) => {
  const file = { '/etc/default/kubelet': '# --container-runtime-endpoint=unix:///run/crio/crio.sock\n' };
  t.same(await ask(t, [containerd, `${crio} idle`], file), ['containerd', containerd]);
});

t.test(
  'while none of two runs, as at boot and in an upgrade, no other one is served than before',
  async (t) => {
    t.same(await ask(t, [`${containerd} idle`, `${crio} idle`]), ['containerd', containerd]);
    const flags = { '/etc/default/kubelet': '--container-runtime-endpoint=unix:///run/crio/crio.sock\n' };
    t.same(await ask(t, [`${containerd} idle`, `${crio} idle`], flags), ['crio', crio]);
  },
);

t.test('where the unit of the one that the kubelet uses is away, the other one is not served', async (t) => {
  const flags = {
    '/etc/default/kubelet': '--container-runtime-endpoint=unix:///run/containerd/containerd.sock\n',
  };
  t.same(await ask(t, [crio], flags), ['containerd', containerd]);
  t.same(await ask(t, [`${crio} idle`], flags), ['containerd', containerd]);
  // Left from before a change of the runtime.
  t.same(await ask(t, [crio], { ...flags, '/var/lib/kubelet/config.yaml': 'unix:///run/crio/crio.sock' }), [
    'crio',
    crio,
  ]);
});

t.test(
  'where the one that the kubelet uses is stopped and the other one runs, none is touched',
  async (t) => {
    const stopped = [containerd, `${crio} idle`];
    const flags = { '/etc/default/kubelet': '--container-runtime-endpoint=unix:///run/crio/crio.sock\n' };
    t.match(await ask(t, stopped, flags).catch((error: unknown) => error), {
      problem: { code: 'unclear-start', message: /name crio, which does not run/, hint: /runtime\.unit/ },
    });
  },
);

t.test('where that is not said, or said twice, none is touched, and the way out is named', async (t) => {
  const both = [containerd, crio];
  const refused = async (files = {}) =>
    t.match(await ask(t, both, files).catch((error: unknown) => error), {
      problem: { code: 'unclear-start', hint: /runtime\.unit/ },
    });
  await refused();
  const twice = {
    [flags]: 'unix:///run/crio/crio.sock',
    '/etc/default/kubelet': '/run/containerd/containerd.sock',
  };
  await refused(twice);
});
