import { readFileSync } from 'node:fs';
import t from 'tap';
import { document, render } from '../../packaging/troubleshooting.ts';
import { codes } from '../../protocol/problem/problem.ts';

t.test('docs/troubleshooting.md is equal to the table of problems', async (t) => {
  t.equal(readFileSync(document, 'utf8'), render(), 'stale: run `npx node packaging/troubleshooting.ts`');
});

t.test('each code has one section, whose heading is what a link to it names', async (t) => {
  const headings = [...render().matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
  t.same(headings.toSorted(), Object.keys(codes).toSorted());
});

t.test('no text of a hint is lost as Markdown', async (t) => {
  t.match(render(), '/proc/\\<pid>/fd', 'a browser shows no unknown element');
  t.match(render(), 'In former versions: `fight`');
});
