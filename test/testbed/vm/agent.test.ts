/** Commands in a virtual machine: its guest agent is a stand-in here, which answers as the real one when it is asked one thing at a time. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { connectAgent } from '../../../testbed/vm/agent.ts';

type Question = {
  readonly execute: string;
  readonly arguments: { readonly arg: readonly string[] };
  readonly id: number;
};

/** `answer` gives what is returned, or nothing where the agent stays silent. */
const agentOf = async (t: Test, answer: (asked: Question) => object | undefined) => {
  const seen = { open: 0, most: 0 };
  const server = createServer((socket: Socket) => {
    let rest = '';
    socket.on('data', async (chunk) => {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        seen.open += 1;
        seen.most = Math.max(seen.most, seen.open);
        const asked = JSON.parse(line) as Question;
        await sleep(5);
        seen.open -= 1;
        const given = answer(asked);
        if (given !== undefined) socket.write(`${JSON.stringify({ ...given, id: asked.id })}\n`);
      }
    });
  });
  // The path of a socket is short.
  const folder = mkdtempSync(join(tmpdir(), 'rcm-agent-'));
  const path = join(folder, 'agent.sock');
  server.listen(path);
  await once(server, 'listening');
  const agent = connectAgent(path);
  t.teardown(() => {
    agent.close();
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { agent, seen };
};

const said = (text: string) => ({
  exited: true,
  exitcode: 0,
  'out-data': Buffer.from(text).toString('base64'),
});

t.test('the agent is asked one thing at a time, whatever runs at once', async (t) => {
  const words = new Map<number, string>();
  const { agent, seen } = await agentOf(t, ({ execute, arguments: given, id }) => {
    if (execute === 'guest-exec-status') {
      const { pid } = given as unknown as { readonly pid: number };
      return { return: said(words.get(pid) ?? '') };
    }
    words.set(id, given.arg.at(-1) ?? '');
    return { return: { pid: id } };
  });
  const all = ['one', 'two', 'three', 'four'];
  const ended = await Promise.all(all.map((word) => agent.exec(['echo', word])));
  t.same(
    ended.map(({ stdout }) => stdout),
    all,
  );
  t.equal(seen.most, 1);
});

t.test('a refusal ends one command, and the next one is asked', async (t) => {
  let count = 0;
  const { agent } = await agentOf(t, ({ execute }) => {
    if (execute === 'guest-exec-status') return { return: said('done') };
    count += 1;
    return count === 1 ? { error: { desc: 'no such file' } } : { return: { pid: count } };
  });
  const [first, second] = await Promise.allSettled([agent.exec(['missing']), agent.exec(['true'])]);
  t.match(first, { status: 'rejected', reason: { message: 'the guest agent: no such file' } });
  t.match(second, { status: 'fulfilled', value: { stdout: 'done' } });
});

t.test('an agent that does not answer is told of, with the command', async (t) => {
  const { agent } = await agentOf(t, ({ execute }) =>
    execute === 'guest-exec-status' ? undefined : { return: { pid: 7 } },
  );
  const lost = agent.exec(['sleep', '1'], { timeoutMs: 100 });
  await t.rejects(lost, {
    message: 'the guest agent gave no answer to guest-exec-status within 100 ms: sleep 1',
  });
});
