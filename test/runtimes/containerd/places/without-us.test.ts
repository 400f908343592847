import t from 'tap';
import { emptyLedger } from '../../../../daemon/model/ledger.ts';
import { meaningOf, withoutUs } from '../../../../daemon/runtimes/containerd/places/without-us.ts';
import { overrideMark } from '../../../../daemon/runtimes/containerd/places/override-text.ts';
import {
  inert,
  newTemplate,
  withMarked,
} from '../../../../daemon/runtimes/containerd/places/template-text.ts';
import { formerHeader, header } from '../../../../daemon/runtimes/own-header.ts';

const bare = (path: string, text: string): string | null => withoutUs(text, path, emptyLedger);

t.test('a file of any kind is recognised by its name and text, without the ledger', async (t) => {
  const theirs = '{{ template "base" . }}\n{{ if .X }}a = 1{{ end }}\n';
  const ours = '[a]\nb = 1\n';
  t.equal(bare('/x/config.toml.tmpl', withMarked(theirs, ours, '')), theirs);
  t.equal(bare('/x/config-v3.toml.tmpl', theirs), theirs);
  const made = withMarked(newTemplate('{{ template "base" . }}\n'), ours, '');
  t.equal(bare('/x/config-v3.toml.tmpl', made), null);
  t.equal(
    bare('/x/config-v3.toml.tmpl', `${made}[more]\n`),
    '{{ template "base" . }}\n[more]\n',
    'others added to it',
  );
  t.equal(bare('/x/containerd-template.toml', withMarked(`a = "\${A}"\n`, ours, '')), `a = "\${A}"\n`);
  const unit = '/etc/systemd/system/containerd.service.d/50-rcm-node.conf';
  for (const first of [header, formerHeader]) t.equal(bare(unit, `${first}[Service]\n`), null);
  t.equal(bare(unit, '[Service]\n'), '[Service]\n');
  const override = `${overrideMark('/usr/x.toml')}version = 3\n`;
  for (const text of [made, override]) t.ok(text.includes(header), 'both begin with the header');
  t.equal(bare('/etc/containerd/rcm-node.toml', override), null);
  t.equal(bare('/etc/containerd/rcm-node.toml', override.replace(header, formerHeader)), null);
  t.equal(bare('/x/config-v3.toml.tmpl', made.replace(header, formerHeader)), null);
  t.equal(bare('/etc/containerd/config.toml', 'version = 3\n'), 'version = 3\n');
});

t.test('braces that a template engine would read are escaped, and no others', async (t) => {
  t.equal(inert(`a = "{{x}} \${y} {z}"\n`), 'a = "{\\u007Bx}} $\\u007By} {z}"\n');
});

t.test('the meaning of a template is its text and the meaning of our block', async (t) => {
  const path = '/x/config.toml.tmpl';
  const of = (body: string, text = '{{ .X }}\n') => meaningOf(withMarked(text, body, ''), path);
  t.same(of('[a]\nb = 1\n'), of('[a]\n  b   = 1 # one\n'));
  t.notSame(of('[a]\nb = 1\n'), of('[a]\nb = 2\n'));
  t.notSame(of('[a]\nb = 1\n'), of('[a]\nb = 1\n', '{{ .Y }}\n'));
  t.throws(() => of('[[['));
  t.same(meaningOf('[a]\nb = 1\n', '/x/config.toml'), { a: { b: 1 } });
});
