/** Turns the events of tap's `jsonstream` reporter into counts of named tests, with a reason for each that did not pass. */

/** What went wrong in one test, as far as tap tells. */
export type Failure = { readonly name: string; readonly detail: string };

export type Skip = { readonly name: string; readonly reason: string };

export type Tally = {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
  /** True when the report ended properly; false when tap died in the middle. */
  readonly complete: boolean;
  /** The file, and the test in it, that has begun and not ended. */
  readonly underWay: string;
};

/** A test under way. Counted when it ends, unless the tests inside it were. */
type Open = { readonly name: string; children: number; failed: boolean; skipped: number; asserted: number };

type Event = {
  readonly name?: string;
  readonly fullname?: string;
  readonly level?: number;
  readonly ok?: boolean;
  readonly skip?: string | true;
  readonly todo?: string | true;
  readonly time?: number;
  readonly diag?: Readonly<Record<string, unknown>>;
  readonly plan?: { readonly skipAll?: boolean; readonly skipReason?: string };
};

function detailOf(diag: Event['diag']): string {
  if (diag === undefined) return '';
  const { at, diff, stack, source, exitCode, signal, found, wanted } = diag;
  const place = at as { fileName?: string; lineNumber?: number } | undefined;
  return [
    place?.fileName === undefined ? undefined : `at ${place.fileName}:${place.lineNumber}`,
    exitCode === undefined ? undefined : `exit code ${exitCode}`,
    signal === undefined || signal === null ? undefined : `signal ${signal}`,
    diff ??
      (found === undefined ? undefined : `found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`),
    source ?? stack,
  ]
    .filter((part) => part !== undefined)
    .join('\n');
}

/**
 * A collector. `line` takes one line of tap's standard output and answers a line to show at once, or undefined;
 * `tally` is what has been seen so far. `renamed` is the file that a reader knows for one that was run in its place.
 */
export function collector(renamed: (file: string) => string = (file) => file): {
  readonly line: (text: string) => string | undefined;
  readonly tally: () => Tally;
} {
  const open: Open[] = [];
  const failures: Failure[] = [];
  const skips: Skip[] = [];
  let passed = 0;
  let complete = false;
  let fileStart = { passed: 0, failed: 0, skipped: 0 };

  /** The event with the name of the file that is read in place of the one that was run. */
  const called = (event: Event): Event => {
    const [file = '', ...rest] = event.fullname?.split(' > ') ?? [];
    return {
      ...event,
      ...(event.level === 1 && event.name !== undefined && { name: renamed(event.name) }),
      ...(event.fullname !== undefined && { fullname: [renamed(file), ...rest].join(' > ') }),
    };
  };

  /** Without a reason it is a failure: that is also how tap calls a test that asserts nothing. */
  const note = (name: string, reason: string | true | undefined): void => {
    if (typeof reason === 'string' && reason !== '') skips.push({ name, reason });
    else failures.push({ name, detail: 'asserts nothing, or is skipped without a reason' });
  };

  const skip = (event: Event, reason: string | true | undefined): void => {
    const parent = open.at(-1);
    if (parent !== undefined) {
      parent.skipped += 1;
      parent.asserted += 1;
    }
    note(event.fullname ?? event.name ?? '', reason);
  };

  const end = (event: Event): string | undefined => {
    const own = open.pop();
    if (own === undefined) return undefined;
    const parent = open.at(-1);
    if (event.level === 0) {
      complete = true;
      return undefined;
    }
    const name = event.fullname ?? own.name;
    const failed = event.ok === false;
    if (failed && !own.failed) {
      // tap drops what a crashed file said on standard error.
      const hint = event.level === 1 ? `\nto see what it prints: npx node ${own.name}` : '';
      failures.push({ name, detail: (detailOf(event.diag) || 'did not end as planned') + hint });
    } else if (event.plan?.skipAll === true && own.asserted === 0 && own.children === 0) {
      note(name, event.plan.skipReason);
    } else if (!failed && own.children === 0 && own.asserted > own.skipped) passed += 1;
    if (failed && parent !== undefined) parent.failed = true;
    if (event.level !== 1) return undefined;
    const counts = [
      `${passed - fileStart.passed} passed`,
      failures.length > fileStart.failed ? `${failures.length - fileStart.failed} FAILED` : '',
      skips.length > fileStart.skipped ? `${skips.length - fileStart.skipped} skipped` : '',
    ];
    const word = failed || failures.length > fileStart.failed ? 'FAIL' : 'ok  ';
    fileStart = { passed, failed: failures.length, skipped: skips.length };
    return `${word} ${own.name}: ${counts.filter(Boolean).join(', ')} (${Math.round(event.time ?? 0)} ms)`;
  };

  const line = (text: string): string | undefined => {
    const parsed = parse(text);
    if (parsed === undefined) return text === '' ? undefined : text;
    const [kind, as] = parsed;
    const event = called(as);
    const parent = open.at(-1);
    if (kind === 'start') {
      if (parent !== undefined) parent.children += 1;
      open.push({ name: event.name ?? '', children: 0, failed: false, skipped: 0, asserted: 0 });
      return undefined;
    }
    if (kind === 'end') return end(event);
    if (kind === 'skip') skip(event, event.skip);
    else if (kind === 'todo') skip(event, event.todo);
    else if (kind === 'pass' && parent !== undefined) parent.asserted += 1;
    else if (kind === 'fail') {
      // Several failed assertions in one test are one failed test with several details.
      const detail = `${event.name ?? ''}\n${detailOf(event.diag)}`.trim();
      const previous = failures.at(-1);
      const name = event.fullname?.replace(/ > [^>]*$/, '') ?? event.name ?? '';
      if (parent?.failed === true && parent.children === 0 && previous !== undefined) {
        failures[failures.length - 1] = { name: previous.name, detail: `${previous.detail}\n${detail}` };
      } else failures.push({ name, detail });
      if (parent !== undefined) {
        parent.failed = true;
        parent.asserted += 1;
      }
    }
    return undefined;
  };

  const underWay = (): string =>
    open
      .slice(1)
      .map(({ name }) => name)
      .join(' > ');
  return { line, tally: () => ({ passed, failures, skips, complete, underWay: underWay() }) };
}

/** One event, or undefined for a line that tap did not write. */
function parse(text: string): readonly [string, Event] | undefined {
  if (!text.startsWith('["')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (
      Array.isArray(value) &&
      typeof value[0] === 'string' &&
      typeof value[1] === 'object' &&
      value[1] !== null
    ) {
      return [value[0], value[1] as Event];
    }
  } catch {
    // A test printed something that looks like an event: shown as it is.
  }
  return undefined;
}
