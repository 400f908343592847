/**
 * The cgroup driver of an OCI runtime is that of the default handler, as the real containerd reads it: it judges what `plan` would
 * write. No Pod can show the driver here, because nodes of the tests have no cgroup controllers to hand out.
 */
import t from 'tap';
import { engineToml, wasmedge } from '../../testbed/artifacts/engines.ts';
import { containerdConfiguration } from '../../testbed/node/configuration.ts';
import { bootWithRcmNode, rcmNode, shimFilePath } from '../../testbed/node/service.ts';
import { skip } from './life.ts';

const progress = (line: string): void => t.comment(line);

const systemd = (text: string): string => text.replace('SystemdCgroup = false', 'SystemdCgroup = true');
const hosts = {
  trixie: systemd(containerdConfiguration.trixie),
  // As Kubernetes documents it for containerd 2: the type of "runc" is compiled in.
  forky: systemd(containerdConfiguration.forky).replace(/^ *runtime_type *=.*\n/m, ''),
};

for (const [suite, text] of Object.entries(hosts))
  t.test(`${suite}: an OCI runtime gets the cgroup driver of the default handler`, { skip }, async (t) => {
    const engine = await wasmedge(progress);
    const files = { '/etc/containerd/config.toml': text };
    const node = await bootWithRcmNode(suite as keyof typeof hosts, { progress, files });
    t.teardown(() => node.stop());
    await node.writeFile(shimFilePath(engine.name), engineToml(engine));
    const { code, stdout, stderr } = await rcmNode(node, 'plan');
    t.equal(code, 4, stdout + stderr);
    const [, table = ''] = stdout.split(/runtimes\.wasmedge\.options\]/);
    const [driver, program] = table.trimStart().split('\n');
    t.match(driver, /^\+?\s*SystemdCgroup = true$/, stdout);
    t.match(program, /^\+?\s*BinaryName = "\/opt\/rcm-node\/shims\/wasmedge\/crun"$/);
  });
