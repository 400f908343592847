/** Follows docs/air-gap.md: the program copies, and a node that reaches no server installs from the folder. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { makeRoot, openNode, program } from '../../../testbed/simulated/node.ts';

const main = join(import.meta.dirname, '../../../cli/main.ts');
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The lines of the page, with the scheme that the server of this test has. */
const settings = (() => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/air-gap.md'), 'utf8');
  const block = /```toml\n(.*?)```/s.exec(page)?.[1] ?? '';
  return block.replace('"https://"', '"http://"').replace('mirror/https', 'mirror/http');
})();

t.test('copy with the program, bring the folder along, and serve from it', async (t) => {
  const text = program('spin');
  const server = http.createServer((request, response) => {
    response.writeHead(request.url === '/v1/spin' ? 200 : 404).end(request.url === '/v1/spin' ? text : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const location = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/spin`;
  const shim = `name = "spin-v2"\n[fetchStrategy.anonHttp]\nlocation = "${location}"\nsha256 = "${digestOf(text)}"\n`;

  const work = t.testdir({ 'spin.toml': shim });
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [main, 'shim', 'mirror', '--to', 'mirror', 'spin.toml'],
    { cwd: work, env: { PATH: process.env.PATH } },
  );
  t.match(stderr, /^copied {4}http:\/\/127\.0\.0\.1:\d+\/v1\/spin/);
  t.match(stdout, /^1 copied; .*\/mirror\/rcm-node-mirror\.json says where everything lies\.\n/);
  t.match(stdout, /\[\[mirrors\]\]\nprefix = "http:\/\/"\nreplace = "file:\/\/.*\/mirror\/http"\n/);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));

  const node = openNode(makeRoot(t), { version: '2.1.0' });
  const place = join(node.root, 'srv/mirror');
  mkdirSync(join(node.root, 'srv'), { recursive: true });
  node.write('/etc/containerd/config.toml', 'version = 3\n');
  node.write('/etc/rcm-node/shims.d/spin.toml', shim);
  t.match((await node.once()).outcome, { kind: 'degraded' });
  t.notOk(node.fake.containerd.served().includes('spin-v2'), 'without the folder there is nothing');

  cpSync(join(work, 'mirror'), place, { recursive: true });
  node.write('/etc/rcm-node/config.toml', settings);
  node.fake.advance(1000);
  const { outcome } = await node.once({ now: true });
  t.match(outcome, { kind: 'converged' });
  t.ok(node.fake.containerd.served().includes('spin-v2'));
  t.ok(existsSync(join(node.root, 'opt/rcm-node/shims/spin-v2')));
});
