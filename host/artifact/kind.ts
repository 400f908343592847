/**
 * Files that are published in place of a shim, or beside it, recognised by their first bytes or by their name: for a
 * message that names the kind, and to find the shim among several files. Nothing here decides that a file is a program.
 */

/** `what` completes "the artifact is …". */
export type ForeignKind = { readonly what: string; readonly hint: string };

type Row = ForeignKind & { readonly is: (head: string) => boolean };

const bytes =
  (...starts: readonly string[]) =>
  (head: string): boolean =>
    starts.some((start) => head.startsWith(start));

const pack = (how: string): string =>
  `Publish it as tar.gz or tar.zst, or as the program itself, and give the new sha256: ${how}`;

const unpack = (program: string): string => pack(`${program} -dc FILE | gzip > FILE.gz`);

const repack = (extract: string): string =>
  pack(`mkdir new && cd new && ${extract} && tar -czf ../FILE.tar.gz .`);

const page =
  'Give the address of the file itself, which needs no login (curl -fLO ADDRESS shows what comes); a page like this one often stands for "not found" or "log in".';

/** Bytes as Latin-1 text, so that each is one character. The first row that matches wins. */
const rows: readonly Row[] = [
  { what: 'compressed with lz4', hint: unpack('lz4'), is: bytes('\x04"M\x18') },
  { what: 'compressed with lzip', hint: unpack('lzip'), is: bytes('LZIP\x01') },
  { what: 'compressed with lzma', hint: unpack('xz --format=lzma'), is: bytes('\x5d\0\0') },
  { what: 'compressed with compress (.Z)', hint: unpack('gzip'), is: bytes('\x1f\x9d') },
  {
    what: 'a part of a zip archive that is in several files',
    hint: repack('unzip ../FILE.zip'),
    is: bytes('PK\x07\x08'),
  },
  { what: 'a 7z archive', hint: repack('7z x ../FILE.7z'), is: bytes("7z\xbc\xaf'\x1c") },
  { what: 'a rar archive', hint: repack('unrar x ../FILE.rar'), is: bytes('Rar!\x1a\x07') },
  { what: 'a cpio archive', hint: repack('cpio -id < ../FILE.cpio'), is: bytes('07070') },
  {
    what: 'a Debian package or another ar archive',
    hint: repack('dpkg-deb -x ../FILE.deb .'),
    is: bytes('!<arch>\n'),
  },
  {
    what: 'an RPM package',
    hint: repack('rpm2cpio ../FILE.rpm | cpio -id'),
    is: bytes('\xed\xab\xee\xdb'),
  },
  {
    what: 'a WebAssembly module and not a shim, which is what runs such modules',
    hint: 'Give the location of the shim; the module goes into the image of a Pod.',
    is: bytes('\0asm'),
  },
  {
    what: 'a program for Windows',
    hint: 'Give the location of the build for Linux.',
    is: bytes('MZ'),
  },
  {
    what: 'a program for macOS',
    hint: 'Give the location of the build for Linux.',
    is: bytes('\xcf\xfa\xed\xfe', '\xce\xfa\xed\xfe', '\xca\xfe\xba\xbe'),
  },
  {
    what: 'a git-lfs pointer and not the file that it stands for',
    hint: 'Publish the file itself: git lfs pull, then upload what it brought, and give its sha256.',
    is: bytes('version https://git-lfs.github.com/spec/', 'version https://hawser.github.com/spec/'),
  },
  {
    what: 'a signature, a certificate or a key in text form',
    hint: 'Give the location of the file that it was made for.',
    is: bytes('-----BEGIN ', 'untrusted comment:'),
  },
  {
    what: 'a checksum, or a list of them',
    hint: 'Give the location of the file that it was made for; the checksum itself goes into sha256.',
    is: (head) => /^[0-9a-fA-F]{40,128}(?:\s|$)|^SHA(?:1|256|512) \(/.test(head),
  },
  {
    what: 'an HTML page',
    hint: page,
    is: (head) => /^<(?:!doctype\s+html|html|head|body|title|script|meta)\b/i.test(afterComments(head)),
  },
  { what: 'an XML text, as servers answer errors', hint: page, is: (head) => /^<[?!]?\w/.test(textOf(head)) },
  {
    what: 'a JSON text, as servers answer errors and describe files',
    hint: page,
    is: (head) => /^(?:\{\s*(?:["}]|$)|\[\s*[[{"\]])/.test(textOf(head)),
  },
  {
    what: 'a text that is no script: it does not begin with "#!"',
    hint: page,
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a text does not have
    is: (head) => /\S/.test(head) && !/[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]/.test(head),
  },
];

/** Without a byte order mark and blanks, which a page may have at its start. */
const textOf = (head: string): string => head.replace(/^(?:\xef\xbb\xbf)?\s*/, '');
/** One comment or several, and the declaration of XML, may come before the first tag. */
const afterComments = (head: string): string => {
  let text = textOf(head);
  for (let start = /^<(?:!--.*?--|\?xml.*?\?)>\s*/s.exec(text); start; start = /^<!--.*?-->\s*/s.exec(text))
    text = text.slice(start[0].length);
  return text;
};

/** From the first 512 bytes of a file; undefined for an unknown kind, and for programs and tar archives. */
export const foreignKind = (head: Uint8Array): ForeignKind | undefined => {
  const text = Array.from(head.subarray(0, 512), (byte) => String.fromCharCode(byte)).join('');
  const row = rows.find(({ is }) => is(text));
  return row && { what: row.what, hint: row.hint };
};

/** As the loader of programs sees it: ELF, or a script. */
export const isProgram = (head: Uint8Array): boolean =>
  (head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46) ||
  (head[0] === 0x23 && head[1] === 0x21);

/** Extensions of signatures, digests, attestations, lists of contents, texts and packages, which releases add to the name of a file. */
const afterDot = [
  'sig|sign|signature|asc|gpg|pgp|minisig|sigstore|bundle|att|attestation|provenance|slsa|cosign',
  'pem|crt|cer|cert|der|pub|key',
  'md5|sha1|sha224|sha256|sha384|sha512|b2|blake2b?|b3|digest|hash|checksums?|(?:md5|sha\\d+|b2)sums?',
  'spdx|cdx|cyclonedx|sbom|intoto|in-toto|dsse|vex|openvex',
  'json|jsonl|xml|ya?ml|rdf|toml|txt|text|md|markdown|rst|adoc|html?|pdf|log|csv',
  'debug|dbg|dwp|dwo|sym|symbols|conf|service|bak|old|orig|1\\.gz|8\\.gz',
  'tar|tgz|(?:tar\\.)?(?:gz|xz|zst|zstd|bz2)|zip|deb|rpm|apk',
].join('|');
/** A shim's name may end in "-map" or "-1", so these are only words that no shim's name has. */
const afterDash =
  'licen[cs]e|notice|copying|readme|changelog|authors|checksums?|sbom|sha\\d+sums?|provenance';

const beside = new RegExp(`(?:\\.(?:${afterDot})(?:\\.gz)?|[._-](?:${afterDash})|~)$`, 'i');

/** Whether a name says that the file is about another one, as `containerd-shim-spin-v2.sig` is. */
export const isBeside = (name: string): boolean => beside.test(name);
