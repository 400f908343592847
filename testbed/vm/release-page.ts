/**
 * A page of releases for a virtual machine: qemu starts this program for each connection (`guestfwd` of its network), with the
 * connection as standard input and output. It answers one request with a file of the folder that it is given.
 */
import { createReadStream, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Where the machine finds it. */
export const pageAddress = '10.0.2.100';

/** An option of qemu's network. A comma in a path is written twice. */
export const pageOption = (folder: string): string =>
  `guestfwd=tcp:${pageAddress}:80-cmd:${[process.execPath, import.meta.filename, folder].join(' ').replaceAll(',', ',,')}`;

const answer = (folder: string, request: string): void => {
  const [, method, path = ''] = /^(GET|HEAD) (\S+) HTTP/.exec(request) ?? [];
  const file = join(folder, basename(path));
  const size = path === '/' ? undefined : statSync(file, { throwIfNoEntry: false })?.size;
  const head = (status: string, length: number): string =>
    `HTTP/1.1 ${status}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;
  if (size === undefined) process.stdout.end(head('404 Not Found', 0));
  else {
    process.stdout.write(head('200 OK', size));
    if (method === 'GET') createReadStream(file).pipe(process.stdout);
    else process.stdout.end();
  }
};

if (import.meta.main) {
  let request = '';
  process.stdin.setEncoding('latin1');
  process.stdin.on('data', (chunk: string) => {
    request += chunk;
    if (!request.includes('\r\n\r\n')) return;
    process.stdin.destroy();
    answer(process.argv[2] ?? '', request);
  });
}
