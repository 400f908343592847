import t from 'tap';
import { parseCommand, usage } from '../../cli/arguments.ts';
import { commands } from '../../cli/command-table.ts';

const plain = { root: '/', activate: true, json: false, force: false };
const message = (...argv: readonly string[]): string => {
  const parsed = parseCommand(argv);
  if (parsed.kind !== 'usage') throw new Error(`expected a usage error, got ${JSON.stringify(parsed)}`);
  return parsed.message;
};

t.test('every command stands by itself', async (t) => {
  for (const name of Object.keys(commands).filter(
    (one) => !['help', 'retry', 'shim', 'completion'].includes(one),
  ))
    t.match(parseCommand([name]), { kind: 'command', command: { name, ...plain } }, name);
});

t.test('options may come before or after the command, in both spellings', async (t) => {
  const command = { name: 'once', root: '/mnt', activate: false, json: true, force: true };
  for (const argv of [
    ['once', '--root', '/mnt', '--json', '--force'],
    ['--force', '--json', '--root=/mnt', 'once'],
  ])
    t.same(parseCommand(argv), { kind: 'command', command });
});

t.test('the runtime is not restarted when told so, and never in another root', async (t) => {
  t.match(parseCommand(['once', '--no-activate']), { command: { root: '/', activate: false } });
  t.match(parseCommand(['plan', '--root', '/mnt']), { command: { root: '/mnt', activate: false } });
  t.match(parseCommand(['plan', '--root', '/']), { command: { root: '/', activate: true } });
  t.match(parseCommand(['plan', '--deep']), { command: { name: 'plan', deep: true } });
  t.match(message('once', '--deep'), /^--deep does not go with "once"/);
});

t.test('help is there for all and for one', async (t) => {
  t.same(parseCommand(['--help']), { kind: 'help', text: usage });
  t.same(parseCommand(['-h']), { kind: 'help', text: usage });
  const once = parseCommand(['once', '-h']);
  t.match(once, { kind: 'help', text: /^rcm-node once: bring this host[\s\S]*--force/ });
  t.match(parseCommand(['run', '--help']), { kind: 'help', text: /Usage: rcm-node run\n/ });
  t.match(parseCommand(['once', 'too', 'many', '--help']), { kind: 'help' });
  for (const name of Object.keys(commands)) t.match(usage, `  ${name} `);
  for (const code of [0, 1, 2, 3, 4]) t.match(usage, new RegExp(`  ${code}  [a-z]`));
});

t.test('help is a command, too', async (t) => {
  t.same(parseCommand(['help']), { kind: 'help', text: usage });
  t.same(parseCommand(['help', '--help']), { kind: 'help', text: usage });
  t.match(message('help', 'plan', 'more'), '"more" is one argument too many');
  t.match(message('help', 'plann'), 'did you mean "plan"?');
  for (const name of Object.keys(commands).filter((one) => one !== 'help')) {
    const parsed = parseCommand(['help', name]);
    t.same(parsed, parseCommand([name, '--help']), name);
    const text = parsed.kind === 'help' ? parsed.text : '';
    for (const line of `${text}\n${usage}`.split('\n')) t.ok(line.length <= 80, line);
    t.match(text, /\nExit codes:\n {2}0 {2}/, name);
  }
});

t.test('help says what a command needs root for', async (t) => {
  const text = (name: string): string => {
    const parsed = parseCommand(['help', name]);
    return parsed.kind === 'help' ? parsed.text.replace(/\s+/g, ' ') : '';
  };
  t.match(text('once'), 'It changes the host, and needs root.');
  t.match(text('plan'), 'It changes nothing, and needs root: it reads the ledger');
  t.notMatch(text('status'), 'root:');
});

t.test('the version is a command and an option', async (t) => {
  for (const argv of [['version'], ['--version'], ['-V']])
    t.match(parseCommand(argv), { kind: 'command', command: { name: 'version', json: false } });
  t.match(parseCommand(['-V', '--json']), { command: { name: 'version', json: true } });
  t.match(parseCommand(['version', '--json']), { command: { name: 'version', json: true } });
});

t.test('what is wrong behind a command leads to the help of this command', async (t) => {
  for (const argv of [
    ['shim', 'lst'],
    ['shim', 'example'],
    ['plan', '--to', 'x'],
    ['shim', 'list', '--to', 'x'],
  ])
    t.match(parseCommand(argv), { kind: 'usage', name: argv[0] }, argv.join(' '));
  t.notOk('name' in parseCommand(['frobnicate']));
  t.match(parseCommand(['help', 'shim', 'example']), { kind: 'help', text: /^rcm-node shim: / });
  t.equal(message('help', 'shim', 'lst'), '"lst" is one argument too many');
});

t.test('an invalid command line is an error that says what is wrong', async (t) => {
  t.equal(message(), 'a command is missing');
  t.equal(message('--json'), 'a command is missing');
  t.match(message('start'), /^"start" is not a command; did you mean "run"\?/);
  t.match(message('frobnicate'), /^"frobnicate" is not a command; commands are: run, once, plan/);
  t.equal(message('once', 'more'), '"more" is one argument too many');
  t.equal(message('once', '--dry-run'), 'there is no option "--dry-run"; "plan" says what "once" would do');
  t.equal(message('once', '-x'), 'there is no option "-x"');
  t.match(message('once', '--root'), /--root <value>' argument missing/);
  t.equal(message('once', '--root='), '--root needs a folder');
  t.match(message('once', '--json=yes'), /does not take an argument/);
  t.equal(message('run', '--json'), '--json does not go with "run", which has no options');
  t.equal(message('status', '--force'), '--force does not go with "status", which has --root, --json');
  t.match(message('doctor', '--no-activate'), /^--no-activate does not go with "doctor"/);
  t.match(message('once', '--version'), /^--version does not go with "once"/);
});

t.test('a misspelt word is answered with the right one', async (t) => {
  for (const [given, known] of [
    ['stauts', 'status'],
    ['Doctor', 'doctor'],
    ['unistall', 'uninstall'],
    ['apply', 'once'],
    ['remove', 'uninstall'],
    ['dry-run', 'plan'],
  ] as const)
    t.match(message(given), `did you mean "${known}"?`, given);
  for (const [given, known] of [
    ['--jsno', '--json'],
    ['--no-activat', '--no-activate'],
    ['--foce', '--force'],
    ['--rot=/mnt', '--root'],
  ] as const)
    t.match(message('once', given), `did you mean "${known}"?`, given);
  t.match(message('bootstrap', '--tokn', 'x'), 'did you mean "--token"?');
  t.notMatch(message('zzzzzzzz'), 'did you mean');
  t.notMatch(message('once', '--zzzzzzzz'), 'did you mean');
});

t.test('a command with verbs takes one of them, and its options', async (t) => {
  t.same(parseCommand(['shim', 'list']), {
    kind: 'command',
    command: { name: 'shim', verb: 'list', ...plain },
  });
  t.match(parseCommand(['shim', '--json', 'example', 'spin']), {
    command: { name: 'shim', verb: 'example', operand: 'spin', json: true },
  });
  t.equal(message('shim'), '"shim" needs one of: list | example NAME | mirror FILE...');
  t.equal(message('shim', 'lst'), '"shim" has no "lst"; did you mean "list"?');
  t.equal(
    message('shim', 'toString'),
    '"shim" has no "toString"; it has: list | example NAME | mirror FILE...',
  );
  t.match(parseCommand(['shim', 'mirror', '--to', 'm', 'a', 'b', '-']), {
    command: { name: 'shim', verb: 'mirror', operands: ['a', 'b', '-'], mirror: { to: 'm' } },
  });
  t.equal(
    message('shim', 'mirror', '--to', 'm'),
    '"shim mirror" needs FILE...: rcm-node shim mirror FILE...',
  );
  t.equal(message('shim', 'mirror', '--to', '', 'x'), '--to needs a value');
  t.equal(message('shim', 'list', '--to', 'm'), '--to goes with "shim mirror" only');
  t.equal(message('shim', 'example'), '"shim example" needs NAME: rcm-node shim example NAME');
  t.equal(message('shim', 'list', 'spin'), '"spin" is one argument too many');
  t.equal(message('shim', 'example', 'spin', 'wws'), '"wws" is one argument too many');
  t.match(message('shim', 'list', '--root', '/mnt'), /^--root does not go with "shim"/);
  t.match(parseCommand(['help', 'shim']), {
    text: /Usage: rcm-node shim list \[OPTIONS\]\n {7}rcm-node shim example NAME \[OPTIONS\]\n/,
  });
});

t.test('names of JavaScript properties are no commands', async (t) => {
  for (const word of ['constructor', 'toString', '__proto__', 'hasOwnProperty'])
    for (const argv of [[word], [word, '--help'], [word, '--json']])
      t.match(message(...argv), /is not a command/);
});
