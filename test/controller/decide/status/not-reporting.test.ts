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

t.test('each node that has not spoken has one reason', async (t) => {
  t.same([windows, dead, fresh, silent].map(whyNotReporting), ['unable', 'not-ready', 'replaced', 'silent']);
});

t.test('each reason is one sentence that names its nodes', async (t) => {
  t.equal(notReporting([]), '');
  t.match(
    notReporting([silent, windows, dead, fresh]),
    /^rcm-node does not run on win \(kubernetes\.io\/os=windows\)\. rcm-node has not spoken since the machine was made anew on fresh; .*\. rcm-node has not spoken on dead, not ready\. rcm-node has not spoken on silent; /,
  );
});

t.test('where none speaks, it is said of what', async (t) => {
  t.match(noneReports([silent], 'nodes'), /^rcm-node has not spoken on any of the nodes: silent; kubectl/);
  t.match(
    noneReports([windows], 'nodes with a=b'),
    /^rcm-node speaks on none of the nodes with a=b\. rcm-node does not/,
  );
});
