/** Checks what can go wrong on this host, each with a way out. Reads only; one check that fails does not stop the others. */
import { fileOf, folderOf, paths } from '../../protocol/host-paths.ts';
import { hostFacts, treeFacts } from '../../host/os-facts.ts';
import type { Host } from '../../host/host.ts';
import type { Observed } from '../decide/observed.ts';
import { detailOf, problemOf } from '../../protocol/problem/problem.ts';
import { noteCodes } from '../../protocol/problem/problem-files.ts';
import type { Settings } from '../model/settings.ts';
import { bad, type Check, good } from './check.ts';
import { clusterChecks } from './cluster-checks.ts';
import { consider } from '../reconcile/consider.ts';
import { readState } from '../state/state.ts';
import { runtimeOf } from '../runtimes/table.ts';

export const diagnose = async (host: Host, settings: Settings): Promise<readonly Check[]> => {
  const checks: Check[] = [
    settings.problem
      ? bad('settings', settings.problem)
      : good('settings', (await host.files.stat(paths.settings)) ? paths.settings : 'defaults'),
  ];
  const add = async (what: string, work: () => Promise<readonly Check[]>): Promise<void> => {
    try {
      checks.push(...(await work()));
    } catch (error) {
      checks.push(bad(what, problemOf(error)));
    }
  };
  await add('host', async () => {
    const facts = host.systemd ? await hostFacts() : await treeFacts(host.root, host.files);
    const kernel = facts.kernel === undefined ? '' : `, kernel ${facts.kernel}`;
    const where = host.systemd ? '' : `, in ${host.root}`;
    return [
      good('host', `${facts.system}${kernel}, ${host.machine}${where}`),
      ...facts.full.map(
        (one): Check => ({
          what: 'disk',
          verdict: 'warn',
          says: `${one.mount} is ${one.percent} % full`,
          hint: 'Free space on it; downloads and state need it.',
        }),
      ),
    ];
  });
  await add('service', () => service(host));
  await add('state', async () => {
    const state = await readState(host);
    const tick = { activate: host.systemd !== undefined, deep: true, force: false, now: false };
    const { desired, before, decision } = await consider(host, settings, state.ledger, tick, {
      force: false,
      since: undefined,
    });
    return [
      ...state.problems.map((problem) => bad('state', problem)),
      ...state.notes.map((note): Check => ({ ...bad('state', note), verdict: 'warn' })),
      ...(state.journal
        ? [
            {
              what: 'journal',
              verdict: 'warn',
              says: 'a plan was interrupted',
              hint: 'The service finishes or undoes it at its next tick; or run rcm-node once.',
            } as const,
          ]
        : [good('state', `${Object.keys(state.ledger.handlers).length} handlers in the ledger`)]),
      ...runtime(before),
      ...store(before),
      ...desired.problems
        .filter((problem) => problem !== settings.problem)
        .map((problem) => bad(problem.where ? fileOf(problem.where.file) : 'shims', problem)),
      ...decision.handlers.map(
        (one): Check =>
          one.problem ? bad(`handler ${one.name}`, one.problem) : good(`handler ${one.name}`, one.state),
      ),
      ...decision.notes.map(
        (problem): Check =>
          noteCodes.has(problem.code) ? { ...bad('note', problem), verdict: 'warn' } : bad('plan', problem),
      ),
      ...(decision.plan.kind === 'refused' ? [bad('plan', decision.plan.problem)] : []),
      ...(decision.plan.kind === 'steps'
        ? [
            {
              what: 'plan',
              verdict: 'warn',
              says: 'changes are pending',
              hint: 'See rcm-node plan; the service makes them, or rcm-node once.',
            } as const,
          ]
        : []),
    ];
  });
  if (host.systemd) await add('cluster', () => clusterChecks(host, settings));
  for (const path of [paths.home, paths.state, paths.run]) await add('folder', () => writable(host, path));
  return saidOnce(checks);
};

/** Without systemd nothing of what it would have told is known: that is one finding, and not one for each question. */
const saidOnce = (checks: readonly Check[]): readonly Check[] => {
  const first = checks.find((check) => check.code === 'systemd-unreachable');
  return checks.map((check) =>
    check === first || check.code !== 'systemd-unreachable'
      ? check
      : {
          what: check.what,
          verdict: 'unknown',
          says: `not checked, because systemd does not answer (${first?.what})`,
        },
  );
};

const service = async (host: Host): Promise<readonly Check[]> => {
  if (!host.systemd)
    return [{ what: 'service', verdict: 'unknown', says: 'no service manager can be asked in another root' }];
  const unit = await host.systemd.unit('rcm-node.service');
  const systemd = good('systemd', `version ${await host.systemd.version()} answers over D-Bus`);
  if (unit.load === 'not-found')
    return [
      systemd,
      {
        what: 'service',
        verdict: 'warn',
        says: 'rcm-node.service is not installed',
        hint: 'Copy systemd/rcm-node.service to /etc/systemd/system, then systemctl enable --now rcm-node.',
      },
    ];
  if (unit.active === 'active')
    return [systemd, good('service', `rcm-node.service is active, ${unit.restarts} automatic restarts`)];
  return [
    systemd,
    {
      what: 'service',
      verdict: 'bad',
      says: `rcm-node.service is ${unit.active} (${unit.sub})`,
      hint: 'systemctl status rcm-node; journalctl -u rcm-node',
    },
  ];
};

const runtime = (before: Observed): readonly Check[] => {
  const { runtime } = before;
  if (runtime.name === 'none') return [bad('runtime', runtime.problem)];
  const of = runtime.distro === undefined ? '' : ` of ${runtime.distro}`;
  const said = `${runtime.name} ${runtime.version || '(version unknown)'}${of}, ${runtime.binary}, configuration ${runtime.configPath}`;
  const { cri } = runtime;
  const unit = runtime.unit?.name ?? runtimeOf(runtime).usual.unit;
  const hint = `systemctl status ${unit}; journalctl -u ${unit}`;
  if (!before.activate) return [good('runtime', said)];
  if (cri.kind === 'silent')
    return [
      good('runtime', said),
      {
        what: 'CRI',
        verdict: 'bad',
        says: cri.why,
        ...detailOf(cri),
        hint,
      },
    ];
  // One that is only prepared is in this list, and is not served.
  const handlers = cri.handlers === 'unknown' ? 'handlers unknown' : `lists ${cri.handlers.join(', ')}`;
  return [
    good('runtime', said),
    cri.ready
      ? good('CRI', `${runtime.socket} answers, ${handlers}, ${cri.sandboxes.length} sandboxes`)
      : { what: 'CRI', verdict: 'bad', says: 'not ready', detail: cri.reason, hint },
  ];
};

const store = (before: Observed): readonly Check[] =>
  Object.entries(before.store).map(
    ([key, fact]): Check =>
      fact.kind === 'whole'
        ? good(
            'store',
            `${key.slice(0, 12)} is whole, every byte verified${fact.untried ? '; it was never run' : ''}`,
          )
        : {
            what: 'store',
            verdict: 'bad',
            says: `${key.slice(0, 12)}: ${fact.why}`,
            hint: 'The service fetches it again at its next tick.',
          },
  );

const writable = async (host: Host, path: string): Promise<readonly Check[]> => {
  await host.files.trust(path);
  // It is made when it is needed, with those above it: another root may have none of them.
  const isThere = async (one: string): Promise<boolean> =>
    one === '/' || (await host.files.isFolder(one)) || (await host.files.stat(one)) !== null;
  let folder = path;
  while (!(await isThere(folder))) folder = folderOf(folder);
  const probe = `${folder === '/' ? '' : folder}/.rcm-node-doctor`;
  await host.files.put(probe, '', 0o600);
  await host.files.removeTree(probe);
  return [good('folder', `${folder} is writable${folder === path ? '' : `, for ${path}`}`)];
};
