import t from 'tap';
import { unlikeOf } from '../../../daemon/runtimes/predecessors/swap.ts';
import { configFile } from '../../../daemon/runtimes/parsed.ts';
import { partsIn } from '../../../daemon/runtimes/predecessors/parts.ts';
import { digestOf } from '../../../protocol/digest.ts';
import { keyOf, rcm } from './written.ts';

const file = '/etc/containerd/config.toml';
const unlike = (text: string, table: object): string | undefined => {
  const one = configFile(file, {
    kind: 'regular',
    real: file,
    text,
    digest: digestOf(text),
    mode: 0o644,
    uid: 0,
    gid: 0,
  });
  const replaceable = partsIn(text, one.doc ?? {}).parts.map((part) => ({ file, part }));
  return unlikeOf(replaceable, [one], 'spin-v2', { runtime_type: '/opt/rcm-node/shims/spin-v2/x', ...table })
    ?.message;
};
const written = (options: Readonly<Record<string, string>> = {}) =>
  `version = 3\n${rcm('spin-v2', { options })}`;

t.test('our table replaces one only with the same settings', async (t) => {
  t.equal(unlike(written(), {}), undefined);
  t.equal(unlike(written({ SystemdCgroup: 'true' }), { options: { SystemdCgroup: true } }), undefined);
  t.match(unlike(written({ SystemdCgroup: 'true' }), {}), /other settings than the Shim: options$/);
  t.match(unlike(written({ A: '1', B: '"x"' }), { options: { A: 1, B: 'y' } }), /: options\.B$/);
  t.match(unlike(written(), { pod_annotations: ['x'] }), /pod_annotations/);
  // A shim reads its options as they stand.
  t.match(unlike(written({ SystemdCgroup: 'false' }), {}), /options/);
});

t.test('settings that containerd does not read may differ', async (t) => {
  const dead = `version = 3\n${rcm('spin-v2', { key: keyOf(2), options: { SystemdCgroup: 'true' } })}`;
  t.equal(unlike(dead, {}), undefined);
  t.match(unlike(dead.replace('version = 3', 'version = 2'), {}), /options/);
});

t.test('an imported file is read by its own version', async (t) => {
  const fact = (text: string) =>
    ({ kind: 'regular', real: file, text, digest: digestOf(text), mode: 0o644, uid: 0, gid: 0 }) as const;
  const imported = configFile(
    file,
    fact(`version = 2\n${rcm('spin-v2', { key: keyOf(2), options: { SystemdCgroup: 'true' } })}`),
  );
  const above = configFile('/etc/main.toml', fact(`version = 3\nimports = ["${file}"]\n`));
  const replaceable = partsIn(
    imported.fact.kind === 'regular' ? imported.fact.text : '',
    imported.doc ?? {},
  ).parts.map((part) => ({ file, part }));
  t.match(
    unlikeOf(replaceable, [above, imported], 'spin-v2', { runtime_type: '/opt/rcm-node/x' })?.message,
    /options/,
  );
});
