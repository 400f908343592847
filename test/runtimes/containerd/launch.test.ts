import t from 'tap';
import { parseToml } from '../../../daemon/toml/toml.ts';
import {
  configArgument,
  configVariable,
  defaults,
  socketIn,
} from '../../../daemon/runtimes/containerd/launch.ts';

const parse = (text: string) => parseToml(text, '/etc/containerd/config.toml');

t.test('the configuration is the one on the command line, in each spelling', async (t) => {
  const of = (...words: readonly string[]) => configArgument(['/usr/bin/containerd', ...words]);
  t.equal(of('-c', '/a'), '/a');
  t.equal(of('--config', '/a', '--root', '/b'), '/a');
  t.equal(of('--log-level=debug', '--config=/a=b'), '/a=b');
  t.equal(of('-config=/a'), '/a');
  t.equal(of('-c=/a'), '/a');
  t.equal(of('--config'), undefined);
  t.equal(of('--configure=/a'), undefined);
  t.equal(of(), undefined);
  t.equal(configVariable, 'CONTAINERD_CONFIG');
});

t.test('the socket is where the configuration puts it, in old files and new ones', async (t) => {
  t.equal(socketIn(parse('[grpc]\naddress = "/a"')), '/a');
  t.equal(socketIn(parse('[plugins."io.containerd.server.v1.grpc"]\naddress = "/b"')), '/b');
  t.equal(socketIn(parse('[grpc]\naddress = ""')), undefined);
  t.equal(socketIn(parse('[grpc]\naddress = 5')), undefined);
  t.equal(socketIn(parse('')), undefined);
  t.match(defaults.socket, /^\//);
});
