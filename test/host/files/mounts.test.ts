import t from 'tap';
import { isOnOverlay, wayToWrite } from '../../../host/files/mounts.ts';

const row = (point: string, options: string, own = 'rw'): string =>
  `36 35 98:0 / ${point} ${options},noatime master:1 - ext4 /dev/root ${own},errors=continue`;

const ask = (path: string, here: readonly string[], host: readonly string[]): string | undefined =>
  wayToWrite(path, (file) => `${(file.includes('self') ? here : host).join('\n')}\n`);

t.test(
  'a path that is read-only for the service only is distinguished from one that is read-only for all',
  async (t) => {
    const strict = [row('/', 'ro'), row('/etc/containerd', 'rw')];
    const open = [row('/', 'rw')];
    t.match(
      ask('/srv/containerd/config.toml', strict, open),
      /Only rcm-node\.service.*ReadWritePaths=\/srv\/containerd /,
    );
    t.match(
      ask('/srv/x/y', strict, [row('/', 'rw'), row('/srv', 'ro')]),
      /\/srv is mounted read-only.*remount,rw \/srv$/,
    );
    t.match(ask('/etc/x', [row('/', 'rw', 'ro')], [row('/', 'rw', 'ro')]), /^\/ is mounted read-only/);
  },
);

t.test(
  'the nearest mount counts, the last one of several on a point, and names with blanks are read',
  async (t) => {
    const both = [row('/', 'rw'), row('/etc', 'rw'), row('/etc/a\\040b', 'ro'), row('/etc', 'ro')];
    t.match(ask('/etc/a b/c', both, both), /^\/etc\/a b is/);
    t.match(ask('/etc/ab', both, both), /^\/etc is mounted/);
    t.equal(ask('/etcetera', both, both), undefined, 'it is writable, so this is not the reason');
  },
);

t.test('empty or unreadable tables of mounts give no answer', async (t) => {
  t.equal(ask('/etc', [], []), undefined);
  t.equal(ask('/etc', ['x'], ['y - z']), undefined);
  t.equal(
    wayToWrite('/etc', () => {
      throw new Error('EACCES');
    }),
    undefined,
  );
});

t.test('what cannot be seen may be on an overlay; what the kernel keeps in memory is on none', async (t) => {
  t.equal(
    isOnOverlay(() => '/proc/self'),
    false,
  );
  t.equal(
    isOnOverlay(() => '/nothing/there'),
    true,
  );
  t.equal(
    isOnOverlay(() => {
      throw new Error('links go round');
    }),
    true,
  );
});
