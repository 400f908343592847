import { release } from 'node:os';
import t from 'tap';
import { hostFacts, treeFacts } from '../../host/os-facts.ts';
import { makeFiles } from '../../host/files/files.ts';

t.test('the machine is named as people name it', async (t) => {
  const facts = await hostFacts();
  t.match(facts.system, /\S/);
  t.equal(facts.kernel, release());
  for (const { mount, percent } of facts.full) {
    t.match(mount, /^\//);
    t.ok(percent >= 95 && percent <= 100, `${mount}: ${percent} %`);
  }
});

t.test('a tree is named by its own os-release, and not by the machine that reads it', async (t) => {
  const of = (files: Parameters<typeof t.testdir>[0]) => {
    const root = t.testdir(files);
    return treeFacts(root, makeFiles(root));
  };
  const here = await hostFacts();
  const debian = await of({ etc: { 'os-release': 'NAME=Other\nPRETTY_NAME="Image OS 9 (nine)"\n' } });
  t.match(debian, { system: 'Image OS 9 (nine)', kernel: undefined });
  t.not(debian.system, here.system);
  t.match(await of({ usr: { lib: { 'os-release': "NAME='Flat car'\nVERSION=1\n" } } }), {
    system: 'Flat car 1',
  });
  const link = { etc: { 'os-release': t.fixture('symlink', '/usr/lib/os-release') } };
  t.match(await of({ ...link, usr: { lib: { 'os-release': 'PRETTY_NAME="A\u001b[31mB"' } } }), {
    system: 'A [31mB',
  });
  t.match(await of({ etc: {} }), { system: 'a system without os-release' });
});
