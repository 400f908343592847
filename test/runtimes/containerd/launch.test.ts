import t from 'tap';
import { parseToml } from '../../../daemon/toml/toml.ts';
import { configOf, usual } from '../../../daemon/runtimes/containerd/launch.ts';
import { socketIn, socketOf } from '../../../daemon/runtimes/containerd/loaded.ts';
import { withGiven } from '../../../daemon/runtimes/facts.ts';

const parse = (text: string) => parseToml(text, '/etc/containerd/config.toml');

t.test('the configuration is that of the command line, in each spelling', async (t) => {
  const of = (...words: readonly string[]) => configOf(['/usr/bin/containerd', ...words]).main;
  t.equal(of('-c', '/a'), '/a');
  t.equal(of('--config', '/a', '--root', '/b'), '/a');
  t.equal(of('--log-level=debug', '--config=/a=b'), '/a=b');
  t.equal(of('-config=/a'), '/a');
  t.equal(of('-c=/a'), '/a');
  t.equal(of('--config'), usual.configPath);
  t.equal(of('--configure=/a'), usual.configPath);
  t.equal(of(), usual.configPath);
  const variable = new Map([['CONTAINERD_CONFIG', '/b']]);
  t.equal(configOf(['x'], variable, variable).main, usual.configPath, 'containerd reads no variable');
});

t.test('sockets and folders of the command line take precedence over every file', async (t) => {
  const of = (...words: readonly string[]) => configOf(['/usr/bin/containerd', ...words]).given?.doc;
  t.same(of('-a', '/run/a.sock'), { grpc: { address: '/run/a.sock' } });
  t.same(of('--address=/run/a.sock', '--state', '/run/b'), {
    grpc: { address: '/run/a.sock' },
    state: '/run/b',
  });
  t.equal(of('--address='), undefined, 'an empty one is none');
  t.equal(of('--config', '/a'), undefined);
  const file = {
    path: '/a',
    fact: { kind: 'absent' },
    doc: parse('version = 4\n[grpc]\naddress = "/b"'),
  } as const;
  t.equal(
    socketOf(withGiven([file], { given: { doc: of('-a', '/c') ?? {}, words: [] }, place: '/u' })),
    '/c',
  );
});

t.test('the socket is where the configuration puts it, in old files and new ones', async (t) => {
  t.equal(socketIn(parse('[grpc]\naddress = "/a"')), '/a');
  t.equal(socketIn(parse('[plugins."io.containerd.server.v1.grpc"]\naddress = "/b"')), '/b');
  const both = '[grpc]\naddress = "/a"\n[plugins."io.containerd.server.v1.grpc"]\naddress = "/b"';
  t.equal(socketIn(parse(`version = 4\n${both}`)), '/b');
  t.equal(socketIn(parse(`version = 3\n${both}`)), '/b', 'what stands in the new place is not replaced');
  t.equal(socketIn(parse('version = 4\n[grpc]\naddress = "/a"')), undefined, 'ignored there');
  t.equal(socketIn(parse('version = 3\n[grpc]\naddress = "/a"')), '/a');
  t.equal(socketIn(parse('[grpc]\naddress = ""')), undefined);
  t.equal(socketIn(parse('[grpc]\naddress = 5')), undefined);
  t.equal(socketIn(parse('')), undefined);
  t.match(usual.socket, /^\//);
});
