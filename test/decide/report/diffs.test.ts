import t from 'tap';
import { absent } from '../../../host/facts.ts';
import { diffsOf, maskedNote, printDiff } from '../../../daemon/decide/report/diffs.ts';

const text = (content: string) => ({ kind: 'text', text: content, mode: 0o644, uid: 0, gid: 0 }) as const;

t.test('patch(1) applies the diff, over all files', async (t) => {
  const diff = printDiff({
    kind: 'steps',
    revision: 'r',
    because: [],
    disrupts: true,
    steps: [
      {
        kind: 'write',
        path: '/etc/a',
        before: text('version = 1\nroot = "2"\n'),
        after: text('version = 1\nroot = "3"\n'),
      },
      { kind: 'folder', path: '/etc/d' },
      { kind: 'write', path: '/etc/d/new', before: absent, after: text('version = 2') },
      { kind: 'write', path: '/etc/old', before: text('version = 3\n'), after: absent },
    ],
  });
  t.equal(
    diff.replaceAll('\t', ''),
    `--- /etc/a
+++ /etc/a
@@ -1,2 +1,2 @@
 version = 1
-root = "2"
+root = "3"
--- /dev/null
+++ /etc/d/new
@@ -0,0 +1,1 @@
+version = 2
\\ No newline at end of file
--- /etc/old
+++ /dev/null
@@ -1,1 +0,0 @@
-version = 3
`,
  );
  t.equal(printDiff({ kind: 'settled' }), '');
});

t.test(
  'a diff near foreign secrets shows none, says so, and keeps the line numbers of the file',
  async (t) => {
    const secrets =
      '[x]\ntoken = """\nhunter2\n"""\n[y]\nheader = { Authorization = ["hunter2"] }\npin = 4711 # hunter2\n';
    const plan = (before: string, after: string) =>
      ({
        kind: 'steps',
        revision: 'r',
        because: [],
        disrupts: true,
        steps: [{ kind: 'write', path: '/etc/c', before: text(before), after: text(after) }],
      }) as const;
    for (const [before, after] of [
      [`${secrets}`, `${secrets}imports = []\n`],
      // Without a line break at its end, the last line of others is in the diff as a line of ours.
      [secrets.trimEnd(), `${secrets}version = 2\n`],
      [`${secrets}version = 2\n`, secrets],
    ] as const) {
      const diff = printDiff(plan(before, after));
      t.notMatch(diff, /hunter2|4711/);
      t.equal(diff.split('\n')[0], maskedNote);
      t.match(diff, /^@@ -[3-8],/m);
      t.match(diffsOf(plan(before, after)), [{ path: '/etc/c', change: 'changed', masked: true }]);
    }
    t.match(diffsOf(plan('version = 1\n', 'version = 2\n')), [{ masked: false }]);
  },
);
