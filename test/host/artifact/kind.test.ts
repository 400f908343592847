import t from 'tap';
import { foreignKind, isBeside, isProgram } from '../../../host/artifact/kind.ts';

const what = (head: string | Uint8Array): string | undefined =>
  foreignKind(typeof head === 'string' ? Buffer.from(head, 'latin1') : head)?.what;

t.test('unsupported compressions and archives are recognised by their first bytes', async (t) => {
  for (const [head, expected] of [
    ['PK\x07\x08PK\x03\x04', /part of a zip archive/],
    ["7z\xbc\xaf'\x1c\0\x04", /7z archive/],
    ['Rar!\x1a\x07\x01\0', /rar/],
    ['\x04"M\x18d', /lz4/],
    ['LZIP\x01', /lzip/],
    ['!<arch>\ndebian-binary', /Debian package/],
    ['\xed\xab\xee\xdb\x03', /RPM/],
    ['070701', /cpio/],
    ['\0asm\x01\0\0\0', /WebAssembly module/],
    ['MZ\x90\0', /Windows/],
    ['\xcf\xfa\xed\xfe\x07', /macOS/],
  ] as const)
    t.match(what(head), expected, expected.source);
  t.match(foreignKind(Buffer.from('PK\x07\x08'))?.hint, /tar\.gz.*unzip/);
  for (const head of ['\xfd7zXZ\0\0\x04', 'PK\x03\x04\x14\0', 'PK\x05\x06\0\0'])
    t.equal(what(head), undefined, 'it is read');
});

t.test(
  'pages and answers of servers, pointers, signatures and lists of digests are named as such',
  async (t) => {
    for (const page of [
      '<!DOCTYPE html>\n<html lang="en">',
      '\n\n  <HTML><body>404',
      '\xef\xbb\xbf<!doctype HTML>',
      '<!-- a -->\n<!-- b --><html>',
      '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x">',
      '<html>not found</html>',
    ])
      t.equal(what(page), 'an HTML page', page);
    t.match(foreignKind(Buffer.from('<html>'))?.hint, /log in/);
    t.match(what('<?xml version="1.0"?><Error><Code>AccessDenied'), /XML/);
    t.match(what('{"message":"Not Found"}'), /JSON/);
    t.match(what('{\n  "schemaVersion": 2,'), /JSON/);
    t.match(what('404: Not Found'), /a text that is no script/);
    t.match(
      what(`version https://git-lfs.github.com/spec/v1\noid sha256:${'ab'.repeat(32)}\n`),
      /git-lfs pointer/,
    );
    t.match(what('-----BEGIN PGP SIGNATURE-----\n'), /signature/);
    t.match(what(`${'0a'.repeat(32)}  containerd-shim-spin-v2\n`), /checksum/);
  },
);

t.test('programs and unknown files are none of these', async (t) => {
  for (const head of ['', '\x7fELF\x02\x01\x01', '\0\0\0\0', '\x01\x02\x03']) t.equal(what(head), undefined);
  t.equal(isProgram(Buffer.from('\x7fELF')), true);
  t.equal(isProgram(Buffer.from('#!/bin/sh')), true);
  for (const head of ['', '\x7f', '#', '\x7fEL', 'MZ'])
    t.equal(isProgram(Buffer.from(head, 'latin1')), false);
  t.ok(what(Buffer.alloc(4096, '<!--')), 'and a comment without an end takes no time');
});

t.test('files published beside a shim are distinguished from shims by name', async (t) => {
  const shim = 'containerd-shim-spin-v2';
  for (const ending of [
    ...['.sig', '.asc', '.pem', '.crt', '.sha256', '.SHA512', '.sha256sum', '.minisig', '.sigstore.json'],
    ...['.spdx.json', '.cdx.json', '.intoto.jsonl', '.bundle', '.sbom', '.att', '.txt', '.md', '.json.gz'],
    ...[
      '-LICENSE',
      '_NOTICE',
      '-README',
      '_checksums',
      '-checksums.txt',
      '.debug',
      '~',
      '.1.gz',
      '.tar.gz.sig',
    ],
  ])
    t.ok(isBeside(`${shim}${ending}`), ending);
  for (const name of [
    shim,
    'containerd-shim-spin-v0.1',
    'containerd-shim-wasm-1',
    'containerd-shim-map',
    'containerd-shim-key',
    'containerd-shim-x.v2',
    'containerd-shim-bundle',
  ])
    t.notOk(isBeside(name), name);
});
