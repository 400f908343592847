/** The few lines of tar that test artifacts need: regular files from memory, always the same bytes for the same files. */

export type TarEntry = { readonly path: string; readonly bytes: Uint8Array; readonly mode: number };

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;

/** An uncompressed ustar archive; paths up to 100 bytes. */
export const tarOf = (entries: readonly TarEntry[]): Uint8Array => {
  const parts: Uint8Array[] = [];
  for (const { path, bytes, mode } of entries) {
    if (Buffer.byteLength(path) > 100) throw new Error(`too long for a test archive: ${path}`);
    const header = Buffer.alloc(512);
    header.write(path, 0);
    header.write(octal(mode, 8), 100);
    header.write(octal(0, 8), 108);
    header.write(octal(0, 8), 116);
    header.write(octal(bytes.length, 12), 124);
    header.write(octal(0, 12), 136);
    header.write('        ', 148); // the checksum counts itself as blanks
    header.write('0', 156);
    header.write('ustar\x0000', 257);
    header.write(
      `${octal(
        header.reduce((sum, byte) => sum + byte, 0),
        7,
      )} `,
      148,
    );
    parts.push(header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
};
