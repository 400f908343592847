/** How each step of a plan is done. State is written by rename and synced, before the step that relies on it. */
import { Failure } from '../protocol/problem/problem.ts';
import { lastReport } from './observe.ts';
import { mendFile, placeFolder } from './place.ts';
import type { Payload, Step } from './plan.ts';
import { howItEnded, judgeStart } from './proof.ts';
import { mustStop, type Target } from './target.ts';
import { absent, type FileState, stateOf } from '../host/facts.ts';
import { places, program, printState, service, type State } from './state.ts';

/** The former version finishes its tick (TimeoutStopSec=), the new one becomes ready (TimeoutStartSec=). */
const startMs = 330_000 + 90_000 + 30_000;
const lookEveryMs = 500;

/** The service did not start: the only failure that is recorded against the payload. */
export class NotUp extends Error {}

export const sentence = (step: Step): string | undefined => {
  switch (step.kind) {
    case 'remember':
      return undefined;
    case 'place':
      return `placing ${places.versions}/${step.folder}`;
    case 'mend':
      return `replacing the damaged ${places.versions}/${step.folder}/${step.name}`;
    case 'file':
      return `${step.after === null ? 'removing' : 'writing'} ${step.path}`;
    case 'link':
      return `linking ${places.link} to versions/${step.folder}`;
    case 'enable':
      return 'reloading the units of systemd';
    case 'start':
      return step.how === 'start'
        ? `starting ${service}`
        : `restarting ${service}; its current work ends first, which may take minutes`;
    case 'prove':
      return 'waiting until it reports';
    case 'stop':
      return `stopping ${service}`;
    case 'prune':
      return `removing ${step.folders.join(', ')}`;
  }
};

/** Runs `steps` in order; returns the state as it is then. Throws `NotUp` for a start that fails. */
export const runSteps = async (
  site: Target,
  payload: Payload,
  steps: readonly Step[],
  before: State,
): Promise<State> => {
  const memory = { state: before, staleAt: undefined as string | undefined };
  const remember = async (change: Partial<State>): Promise<void> => {
    memory.state = { ...memory.state, ...change };
    await site.host.put(places.state, printState(memory.state), 0o644);
  };
  for (const step of steps) {
    const line = sentence(step);
    if (line) site.say(line);
    switch (step.kind) {
      case 'remember':
        await remember(step.change);
        break;
      case 'place':
        await placeFolder(site, payload, step.folder);
        break;
      case 'mend':
        await mendFile(site, payload, step.folder, step.name);
        break;
      case 'file':
        await writeFile(site, step);
        break;
      case 'link':
        await site.host.point(places.link, `versions/${step.folder}/${program}`);
        break;
      case 'enable':
        await site.systemd.enable(service);
        await site.systemd.daemonReload();
        break;
      case 'start': {
        const { trying } = memory.state;
        const { invocation } = await site.systemd.unit(service);
        if (trying !== null) await remember({ trying: { ...trying, from: invocation } });
        memory.staleAt = (await lastReport(site))?.at;
        await site.systemd.resetFailed(service);
        const result = await site.systemd[step.how](service, startMs);
        if (result !== 'done') throw new NotUp(await whyNot(site, result));
        break;
      }
      case 'prove':
        await prove(site, step.version, memory.staleAt);
        break;
      case 'stop':
        await site.systemd.disable(service);
        await mustStop(site, service, startMs);
        break;
      case 'prune':
        for (const folder of step.folders) await site.host.removeTree(`${places.versions}/${folder}`);
        break;
    }
  }
  return memory.state;
};

const writeFile = async (site: Target, step: Extract<Step, { kind: 'file' }>): Promise<void> => {
  const before = stateOf(step.before);
  const owner =
    before.kind === 'text' ? before : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  if (step.before.kind !== 'absent' && step.before.kind !== 'regular')
    throw new Failure({
      code: 'cannot-write',
      message: 'it is not a regular file',
      where: { file: step.path },
    });
  if (step.after !== null) await site.host.makeFolder(step.path.slice(0, step.path.lastIndexOf('/')));
  const after: FileState =
    step.after === null
      ? absent
      : { kind: 'text', text: step.after, mode: step.mode, uid: owner.uid, gid: owner.gid };
  await site.host.swap(step.path, before, after);
};

const whyNot = async (site: Target, result: string): Promise<string> => {
  return `its start ended as "${result}": ${howItEnded(await site.systemd.unit(service))}`;
};

const prove = async (site: Target, version: string, staleAt: string | undefined): Promise<void> => {
  const { invocation } = await site.systemd.unit(service);
  const since = site.clock.elapsed();
  for (;;) {
    const unit = await site.systemd.unit(service);
    const report = await lastReport(site);
    const elapsed = site.clock.elapsed() - since;
    const verdict = judgeStart({ unit, report, elapsed }, { version, invocation, staleAt });
    if (verdict.kind === 'down') throw new NotUp(verdict.why);
    if (verdict.kind === 'up') {
      site.say(`${service} is up: rcm-node ${version}${verdict.note ? `; ${verdict.note}` : ''}`);
      return;
    }
    await site.clock.sleep(lookEveryMs);
  }
};
