/**
 * Other programs change what is ours: the running service repairs it soon, and without a needless restart.
 * The interval is the usual minute, so whatever comes sooner came by a file watch.
 */
import t from 'tap';
import { waitForCri } from '../testbed/node/pods.ts';
import { hasDropIn, linkOf, rows } from '../testbed/node/rows.ts';
import {
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  reportOf,
  startsOf,
  until,
  untilReport,
  untilServing,
} from '../testbed/node/service.ts';

const progress = (line: string): void => t.comment(line);
for (const row of [rows.forky, rows.trixie, rows.crio])
  t.test(`drift on ${row.name}`, async (t) => {
    const { config, ours: file } = row;
    const link = linkOf(row, 'spin-v2');
    const shim = await row.artifact('spin-v2', '1', progress);
    const node = await row.boot({ progress, settings: '# the defaults\n' });
    t.teardown(() => node.stop());
    const before = await census(node);
    const original = await node.readFile(config);
    await row.writeShim(node, 'spin-v2', shim);
    await node.run(['systemctl', 'start', 'rcm-node']);
    await untilServing(node, ['spin-v2']);
    const started = await startsOf(node);
    const right = { file: await node.readFile(file), config: await node.readFile(config) };
    const target = (await node.run(['readlink', link])).trim();
    const isRight = async (): Promise<boolean> =>
      (await node.exec(['cat', file])).stdout === right.file &&
      (await node.exec(['cat', config])).stdout === right.config &&
      (await node.exec(['readlink', link])).stdout.trim() === target &&
      (await node.exec([link, row.harmless])).code === 0;
    const repaired = (what: string): Promise<boolean> => until(node, `${what} repaired`, isRight, 10_000);

    const harms: Readonly<Record<string, () => Promise<unknown>>> = {
      'our text was changed': () =>
        node.writeFile(file, right.file.replaceAll(row.binary('spin-v2'), row.binary('other-v2'))),
      'our text was removed': () =>
        hasDropIn(row) ? node.run(['rm', file]) : node.writeFile(config, original),
      'the link was removed': () => node.run(['rm', link]),
      'the folder of links was removed': () => node.run(['rm', '-r', '/opt/rcm-node/shims']),
      'the link was pointed elsewhere': () => node.run(['ln', '-sfT', '/bin/true', link]),
      'a file in the store was deleted': () => node.run(['rm', target]),
      'the store was deleted': () => node.run(['rm', '-r', '/opt/rcm-node/store']),
      // CRI-O reads its folder of drop-ins without an import.
      ...(row === rows.forky ? { 'the import was removed': () => node.writeFile(config, original) } : {}),
    };
    for (const [what, harm] of Object.entries(harms))
      await t.test(`${what}: repaired without a restart`, async (t) => {
        const at = (await reportOf(node))?.at;
        await harm();
        // The repair may be over before it could be seen that anything is wrong: the tick shows that there was something.
        await untilReport(node, `a tick after ${what}`, (report) => report.at !== at, 10_000);
        await repaired(what);
        await untilServing(node, ['spin-v2']);
        t.equal(await startsOf(node), started);
      });

    /** Until then a restart may have loaded what is changed next, and another restart is right. */
    const afterTick = async (): Promise<void> => {
      const at = (await reportOf(node))?.at;
      await node.run(['systemctl', 'reload', 'rcm-node']);
      await untilReport(node, 'a tick after the restart', (report) => report.at !== at);
    };

    await t.test('a restart by another program is accepted', async (t) => {
      await node.run(['systemctl', 'restart', row.unit]);
      await waitForCri(node);
      await afterTick();
      await untilServing(node, ['spin-v2']);
      t.match(await rcmNode(node, 'plan'), { code: 0 });
      t.equal(await startsOf(node), started + 1, 'theirs was the only one');
    });

    const theirs = `# Managed by another program.\n${original}${row.addition}`;
    await t.test('a new configuration by a configuration manager gets our part again', async (t) => {
      await node.writeFile(config, theirs);
      await node.run(['systemctl', 'restart', row.unit]);
      await until(node, 'served again', async () => {
        // While the runtime restarts it does not answer.
        const handlers: readonly string[] = await handlersOverCri(node).catch((): readonly string[] => []);
        return handlers.includes('spin-v2');
      });
      await afterTick();
      await untilServing(node, ['spin-v2']);
      t.match(await node.readFile(config), '# Managed by another program.');
      const starts = await startsOf(node);
      t.ok(starts <= started + 3, `theirs, and one by us at most, not ${starts - started - 1}`);
    });

    await t.test(
      'the fourth change within an hour is a write conflict, reported and left alone',
      async (t) => {
        const starts = await startsOf(node);
        // Of the main file, which holds our text in 1.x, three repairs are above; of the drop-in two.
        if (hasDropIn(row)) {
          await harms['our text was changed']?.();
          await until(
            node,
            'the third change repaired',
            async () => (await node.readFile(file)) === right.file,
          );
        }
        await harms['our text was changed']?.();
        const foreign = await node.readFile(file);
        await untilReport(node, 'the write conflict reported', (report) =>
          JSON.stringify(report.outcome).includes('"write-conflict"'),
        );
        const status = await rcmNode(node, 'status');
        t.equal(status.code, 1);
        t.match(
          status.stdout,
          `${file}: another program changed the file again after 3 repairs within an hour`,
        );
        t.equal(await node.readFile(file), foreign, 'it stays as they left it');
        t.match(await rcmNode(node, 'once', '--force'), { code: 0 }, 'a person can force it');
        t.notMatch(await node.readFile(file), row.binary('other-v2'));
        t.equal(await startsOf(node), starts);
      },
    );

    await t.test(
      'another program rewrites the configuration: our part is recognised by its meaning',
      async (t) => {
        const kept = await node.readFile(config);
        const starts = await startsOf(node);
        // No comments, every key in its place, and each default beside what was set.
        await node.writeFile(config, await node.run(row.print));
        await node.run(['systemctl', 'restart', row.unit]);
        await waitForCri(node);
        t.match(await rcmNode(node, 'once', '--force'), { code: 0 });
        await untilServing(node, ['spin-v2']);
        t.match(await handlersOverCri(node), /spin-v2/);
        t.match(
          await node.exec([link, row.harmless]),
          { code: 0 },
          'the program is where the configuration says',
        );
        // CRI-O prints the monitor of its default handler, which ours has to follow: there we restart it once.
        const most = starts + (row.runtime === 'crio' ? 2 : 1);
        t.ok((await startsOf(node)) <= most, 'theirs was the only one');
        const [status, text] = [await rcmNode(node, 'status'), await node.readFile(config)];
        t.equal(status.code, 0);
        if (!hasDropIn(row)) {
          t.match(text, /# rcm-node begin\n[^#]*shims\/spin-v2[^#]*# rcm-node end\n$/, 'marked again');
          t.equal(text.split(link).length, 2, 'and there once');
        } else t.match(status.stdout, `${config}:`, 'in a file of others it is a copy, and named');
        await node.writeFile(config, kept);
        await untilServing(node, ['spin-v2']);
      },
    );

    await t.test('uninstall leaves the bytes that others wrote last', async (t) => {
      const now = await node.readFile(config);
      t.match(now, hasDropIn(row) ? '# Managed by another program.' : "# Written by the node's owner");
      t.match(await rcmNode(node, 'uninstall'), { code: 0 });
      t.equal(await node.readFile(config), hasDropIn(row) ? theirs : original);
      await node.writeFile(config, original);
      t.same(censusDifference(before, await census(node)), []);
    });
  });
