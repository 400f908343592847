/** The options that an OCI runtime of ours gets from the handlers of the node: above all the cgroup driver. */
import t from 'tap';
import { defaultRuntime, generationOf } from '../../../daemon/runtimes/containerd/config.ts';
import { inheritable, inherited } from '../../../daemon/runtimes/containerd/inherited.ts';
import { parseToml } from '../../../daemon/toml/toml.ts';

const options = {
  BinaryName: '/usr/bin/runc',
  CriuPath: '/criu',
  CriuImagePath: '/x',
  Root: '',
  IoUid: 0,
  NoPivotRoot: false,
  SystemdCgroup: true,
  ShimCgroup: '/x',
};
const runc = { runtime_type: 'io.containerd.runc.v2', options };
const kata = { runtime_type: 'io.containerd.kata.v2', options: { ConfigPath: '/kata' } };

t.test('options that name a program of the default handler are not inherited', async (t) => {
  t.same(inheritable({ runc }, 'runc'), { SystemdCgroup: true, ShimCgroup: '/x' });
  t.same(inheritable({ runc: defaultRuntime.table }, 'runc'), {});
  t.same(inheritable({}, 'runc'), {});
});

t.test(
  'beside a default handler of another type, the first runc-typed one with options counts',
  async (t) => {
    const crun = { ...runc, options: { SystemdCgroup: true } };
    const plain = { ...runc, options: { SystemdCgroup: false } };
    t.same(inheritable({ kata }, 'kata'), {});
    t.same(inheritable({ kata, runc: crun }, 'kata'), { SystemdCgroup: true });
    t.same(inheritable({ runc: crun, kata, crun: plain, bare: defaultRuntime.table }, 'kata'), {});
    t.same(inheritable({ runc: plain, kata, crun }, 'kata'), { SystemdCgroup: true });
  },
);

const from = (version: string, schema: number, ...texts: readonly string[]) => {
  const generation = generationOf(version);
  if (!generation) throw new Error(version);
  return inherited(
    texts.map((text) => ({ doc: parseToml(text, 'here') })),
    schema,
    generation,
  );
};
const v3 = "[plugins.'io.containerd.cri.v1.runtime'.containerd";
const v2 = '[plugins."io.containerd.grpc.v1.cri".containerd';
const systemd = (place: string, name = 'runc') =>
  `${place}.runtimes.${name}.options]\nSystemdCgroup = true\n`;
const type = (place: string, name = 'runc') =>
  `${place}.runtimes.${name}]\nruntime_type = "io.containerd.runc.v2"\n`;

t.test('2.x: the files are merged key by key, below what is compiled in', async (t) => {
  // As Kubernetes documents it: the type of "runc" is compiled in.
  t.same(from('2.1.9', 3, systemd(v3)), { SystemdCgroup: true });
  t.same(from('2.1.9', 2, systemd(v2)), { SystemdCgroup: true });
  t.same(from('2.1.9', 3, systemd(v3), `${v3}.runtimes.runc.options]\nRoot = "/x"\n`), {
    SystemdCgroup: true,
    Root: '/x',
  });
  t.same(from('2.1.9', 3, systemd(v3), `${v3}.runtimes.runc.options]\nSystemdCgroup = false\n`), {});
  t.same(from('2.1.9', 3, type(v3) + systemd(v3), `${v3}]\ndefault_runtime_name = ""\n`), {
    SystemdCgroup: true,
  });
  const kata = `${v3}]\ndefault_runtime_name = "kata"\n${v3}.runtimes.kata]\nruntime_type = "io.containerd.kata.v2"\n`;
  t.same(from('2.1.9', 3, kata + systemd(v3)), { SystemdCgroup: true });
  t.same(from('2.1.9', 3, kata + type(v3, 'zrun') + systemd(v3, 'zrun')), {}, 'that of runc is false');
  t.same(from('2.1.9', 3), {});
});

t.test('1.x: the last file that has the table of the plugin replaces it', async (t) => {
  const main = type(v2) + systemd(v2);
  t.same(from('1.7.24', 2, main), { SystemdCgroup: true });
  t.same(from('1.7.24', 2, main, '[debug]\nlevel = "info"\n'), { SystemdCgroup: true });
  t.same(from('1.7.24', 2, main, type(v2)), {});
  t.same(from('1.7.24', 2, main, '[plugins."io.containerd.grpc.v1.cri"]\nenable_selinux = true\n'), {});
});
