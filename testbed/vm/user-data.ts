/** Our user-data with what an administrator has to replace in it: nothing else is changed, so that what is tested is what is copied. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';

const folder = join(import.meta.dirname, '../../packaging/cloud-init');

/** The unit that a kubelet starts after. */
export const beforeKubelet = (): Promise<string> =>
  readFile(join(folder, 'rcm-node-before-kubelet.service'), 'utf8');

export type Replaced = {
  readonly url: string;
  readonly sha256: string;
  readonly settings: string;
  readonly shim: string;
};

const replaced = (text: string, pattern: RegExp, by: string): string => {
  if (!pattern.test(text)) throw new Error(`user-data.yaml has no ${pattern}`);
  return text.replace(pattern, () => by);
};

export const userDataFor = async ({ url, sha256, settings, shim }: Replaced): Promise<string> => {
  const text = await readFile(join(folder, 'user-data.yaml'), 'utf8');
  const addressed = replaced(replaced(text, /(?<=url=)https:\S+/, url), /(?<=sha256=)0{64}/, sha256);
  const document = parseDocument(addressed);
  for (const [at, path, content] of [
    [0, '/etc/rcm-node/config.toml', settings],
    [1, '/etc/rcm-node/shims.d/spin.toml', shim],
  ] as const) {
    if (document.getIn(['write_files', at, 'path']) !== path)
      throw new Error(`file ${at} of user-data.yaml is not ${path}`);
    document.setIn(['write_files', at, 'content'], content);
  }
  return document.toString({ lineWidth: 0 });
};
