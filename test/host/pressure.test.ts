import t from 'tap';
import { readPressure } from '../../host/pressure.ts';

t.test('memory, tasks and disk of a real machine are read', async (t) => {
  const now = await readPressure('/');
  t.ok((now.memory?.total ?? 0) > 1e8);
  t.ok((now.memory?.available ?? 0) > 0);
  t.ok((now.tasks?.running ?? 0) > 1);
  t.ok((now.disk?.bytes ?? -1) >= 0 && (now.disk?.bytes ?? 2) <= 1);
});

t.test('existing files of the kernel are read, and missing ones are missing', async (t) => {
  const proc = t.testdir({
    meminfo: 'MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\n',
    pressure: {
      memory:
        'some avg10=1.50 avg60=0.36 avg300=1.23 total=300440256\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=8\n',
    },
    loadavg: '0.53 1.16 2.12 1/345 23456\n',
    sys: { kernel: { pid_max: '32768\n' } },
  });
  t.strictSame(await readPressure('/there/is/no/such/folder', proc), {
    memory: { available: 8192 * 1024, total: 16_384 * 1024 },
    memoryStall: { some: 1.5, full: 0.25 },
    tasks: { running: 345, most: 32_768 },
  });
  t.strictSame(await readPressure('/there/is/no/such/folder', t.testdir({ meminfo: 'nonsense' })), {});
});
