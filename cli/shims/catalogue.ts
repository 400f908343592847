/** What a person chooses an example by: the first comment of each sample says it, and no other list does. */

export type Sample = {
  /** That of the file, without "shim-": spin, crun-wasmedge. */
  readonly name: string;
  readonly what: string;
  /** Upstream's, as its release is called. */
  readonly version: string;
  readonly state: 'maintained' | 'experimental' | 'retired';
  readonly text: string;
};

const states = ['maintained', 'experimental', 'retired'] as const;
const opening = /^# What: (?<what>\S.*)\n# Version: (?<version>\S.*)\n# State: (?<state>\S.*)\n/;

export const catalogueOf = (texts: Readonly<Record<string, string>>): readonly Sample[] =>
  Object.entries(texts).map(([name, text]) => {
    const { what = '', version = '', state: given } = opening.exec(text)?.groups ?? {};
    const state = states.find((one) => one === given);
    if (state === undefined)
      throw new Error(`shim-${name}.yaml does not begin with What, Version and State (${states.join(', ')})`);
    return { name, what, version, state, text };
  });
