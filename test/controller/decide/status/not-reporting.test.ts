import t from 'tap';
import {
  noneReports,
  notReporting,
  whyNotReporting,
} from '../../../../controller/decide/status/not-reporting.ts';
import { aNode } from '../../../../testbed/controller/facts.ts';

const mute = { state: undefined, detail: undefined };
const windows = aNode('win', {}, { ...mute, labels: { 'kubernetes.io/os': 'windows' } });
const dead = aNode('dead', {}, { ...mute, ready: false });
const fresh = aNode('fresh', {}, { ...mute, machine: 'replaced' });
const silent = aNode('silent', {}, mute);

t.test('each node that has not reported has one reason', async (t) => {
  t.same([windows, dead, fresh, silent].map(whyNotReporting), ['unable', 'not-ready', 'replaced', 'silent']);
});

t.test('each reason is one sentence that names its nodes', async (t) => {
  t.equal(notReporting([]), '');
  t.match(
    notReporting([silent, windows, dead, fresh]),
    /^rcm-node does not run on win \(kubernetes\.io\/os=windows\)\. rcm-node has not reported since the machine was replaced on fresh; .*\. rcm-node has not reported on dead, not ready\. rcm-node has not reported on silent; /,
  );
});

t.test('a node with an unsupported system is named with it, and left out by its label', async (t) => {
  const talos = aNode('talos', {}, { ...mute, unserved: 'Talos Linux' });
  t.equal(whyNotReporting(talos), 'silent', 'its own word decides nothing');
  const what = 'rcm-node does not run on talos (Talos Linux); leave them out: kubectl label node NODE';
  t.equal(notReporting([talos]), `${what} rcm.spinkube.dev/bootstrap=skip.`);
  t.match(notReporting([silent, talos]), /has not reported on silent; .*\. rcm-node does not run on talos/);
  t.match(noneReports([talos], 'nodes'), /^rcm-node reports on none of the nodes\. rcm-node does not run/);
});

t.test('where no node reports, the message names the selector', async (t) => {
  t.match(noneReports([silent], 'nodes'), /^rcm-node has not reported on any of the nodes: silent; kubectl/);
  t.match(
    noneReports([windows], 'nodes with a=b'),
    /^rcm-node reports on none of the nodes with a=b\. rcm-node does not/,
  );
});
