/**
 * A release out of a small build: small files in place of the executables, and all that is around them real. deb and rpm only where nfpm
 * is there, which a unit test does not build. .ci/run builds it for root, and runs this as root, too, by the word getuid.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { writtenFiles, writeShared } from '../../../packaging/documents/share.ts';
import { archive, layoutOf } from '../../../packaging/oci.ts';
import { keptNfpm } from '../../../packaging/release/packages/build-nfpm.ts';
import { configOf, nameOf } from '../../../packaging/release/packages/nfpm.ts';
import { withImage, writeChart } from '../../../packaging/release/chart.ts';
import { makeRelease, type Release } from '../../../packaging/release/release.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const version = '1.2.3';
const nfpm = keptNfpm();

const makeDist = async (dist: string): Promise<void> => {
  const put = (path: string, bytes: string | Uint8Array): void => {
    mkdirSync(dirname(join(dist, path)), { recursive: true });
    writeFileSync(join(dist, path), bytes);
  };
  for (const architecture of ['x64', 'arm64']) {
    for (const name of ['libatomic.so.1', 'README.md', 'THIRD-PARTY-LICENSES', 'LICENSE'])
      put(`linux-${architecture}/${name}`, `${name} for ${architecture}\n`);
    put(`linux-${architecture}/rcm-node`, `#!/bin/sh\necho rcm-node ${architecture}\n`);
    for (const name of ['rcm-node.service', 'rcm-node-uninstall.service'])
      put(`linux-${architecture}/${name}`, readFileSync(join(root, 'systemd', name)));
  }
  const layout = await layoutOf({
    name: 'rcm-node',
    tag: version,
    entrypoint: ['/rcm-node/rcm-node'],
    command: ['bootstrap'],
    labels: {},
    platforms: [{ architecture: 'amd64', layers: [] }],
  });
  for (const { path, bytes } of layout) put(`image/oci/${path}`, bytes);
  put(`image/rcm-node-${version}.tar`, archive(layout));
};

const released = async (t: Test, more: Partial<Release> = {}) => {
  const folder = t.testdir({ dist: {} });
  const dist = join(folder, 'dist');
  await makeDist(dist);
  writeShared(join(folder, 'share'), new Date(0));
  const names = makeRelease({
    root,
    dist,
    folder: join(folder, 'release'),
    version,
    architectures: ['x64', 'arm64'],
    share: join(folder, 'share'),
    nfpm,
    inputs: ['cli/main.ts', 'node_modules/yaml/dist/index.js'],
    source: { commit: 'a'.repeat(40), time: 1_700_000_000, changed: false },
    builder: { id: 'urn:rcm-node:builder:test', repository: undefined },
    maintainer: 'The rcm-node authors',
    image: 'registry.example.com/rcm-node',
    ...more,
  });
  return { folder: join(folder, 'release'), names };
};

const digests = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
      ]),
  );

const json = (folder: string, name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));

t.test('twice the same bytes', async (t) => {
  const one = digests((await released(t)).folder);
  t.ok(Object.keys(one).length > 8);
  await t.test('elsewhere, at another time', async (t) => {
    t.same(digests((await released(t)).folder), one);
  });
});

t.test('every file is in SHA256SUMS, and each artifact has what is inside', async (t) => {
  const { folder, names } = await released(t);
  t.same([...names].sort(), readdirSync(folder).sort());
  const { status, stdout } = spawnSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], {
    cwd: folder,
    encoding: 'utf8',
  });
  t.equal(status, 0, stdout);
  t.equal(stdout.split('\n').filter(Boolean).length, names.length - 1);
  for (const name of names.filter((one) => /\.(deb|rpm|tar|gz)$/.test(one))) {
    const bom = json(folder, `${name}.cdx.json`);
    t.match(bom, { bomFormat: 'CycloneDX', specVersion: '1.6' }, name);
    t.equal(bom.metadata.component.hashes[0].content, digests(folder)[name]);
    t.match(bom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    const refs: readonly string[] = bom.components.map((one: { readonly purl: string }) => one.purl);
    for (const [what, pattern] of [
      ['npm', /^pkg:npm\/yaml@/],
      ['Node', /^pkg:npm\/node-linux-(x64|arm64)@/],
      ['Debian', /^pkg:deb\/debian\/libatomic1@/],
    ] as const)
      t.ok(
        refs.some((ref) => pattern.test(ref)),
        `${name}: ${what}`,
      );
    t.equal(new Set(refs).size, refs.length, 'each once');
    t.equal(
      refs.some((ref) => ref.includes('/libc6@')),
      name.includes('image'),
      `${name}: glibc`,
    );
  }
});

t.test('the manifests name the image by the digest of all platforms', async (t) => {
  const { folder } = await released(t);
  const index = json(join(folder, '..', 'dist', 'image', 'oci'), 'index.json');
  const image = `registry.example.com/rcm-node@${index.manifests[0].digest}`;
  t.equal(readFileSync(join(folder, 'IMAGE'), 'utf8'), `${image}\n`);
  const text = readFileSync(join(folder, 'bootstrap.yaml'), 'utf8');
  const images = [...text.matchAll(/^ +(?:- )?image: (\S+)$/gm)].map(([, one]) => one);
  t.equal(images.filter((one) => one === image).length, 2);
  t.notOk(images.some((one) => one?.startsWith('rcm-node')));
});

t.test('provenance names every artifact, the commit and the builder', async (t) => {
  const { folder, names } = await released(t);
  const statement = json(folder, 'provenance.intoto.json');
  const subjects = new Map(
    statement.subject.map((one: { name: string; digest: { sha256: string } }) => [
      one.name,
      one.digest.sha256,
    ]),
  );
  const sums = digests(folder);
  for (const name of names.filter((one) => !['SHA256SUMS', 'provenance.intoto.json'].includes(one)))
    t.equal(subjects.get(name), sums[name], name);
  t.match(statement.predicate, {
    buildDefinition: { resolvedDependencies: [{ digest: { gitCommit: 'a'.repeat(40) } }] },
    runDetails: { builder: { id: 'urn:rcm-node:builder:test' } },
  });
});

t.test('an archive has the payload, its digests and the script, all from root', async (t) => {
  const { folder } = await released(t);
  const listed = execFileSync('tar', ['-tvzf', join(folder, `rcm-node-${version}-linux-arm64.tar.gz`)], {
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
  });
  const lines = listed.split('\n').filter(Boolean);
  for (const line of lines) t.match(line, / 0\/0 .* 2023-11-14 /);
  const at = `rcm-node-${version}-linux-arm64`;
  for (const name of ['install.sh', 'SHA256SUMS', 'payload/rcm-node', 'payload/libatomic.so.1'])
    t.ok(listed.includes(` ${at}/${name}\n`), name);
  t.match(listed, new RegExp(`^-rwxr-xr-x .* ${at}/install.sh$`, 'm'));
  for (const path of Object.keys(writtenFiles(new Date(0))))
    t.ok(listed.includes(` ${at}/share/${path}\n`), path);
});

const noNfpm = nfpm === undefined && 'nfpm was not built here yet: npm run release builds it';
const noDpkg = spawnSync('dpkg-deb', ['--version']).error !== undefined && 'there is no dpkg-deb here';

t.test(
  'dpkg reads the deb: what is needed, the conffile, no file for others to write',
  { skip: noNfpm || noDpkg },
  async (t) => {
    const { folder } = await released(t);
    const deb = join(folder, `rcm-node_${version}_arm64.deb`);
    const dpkg = (...argv: readonly string[]): string => execFileSync('dpkg-deb', argv, { encoding: 'utf8' });
    const fields = dpkg('-f', deb);
    t.match(fields, /^Version: 1\.2\.3$/m);
    t.match(fields, /^Architecture: arm64$/m);
    t.match(fields, /^Depends: .*libc6 \(>= 2\.28\).*systemd \(>= 252\)/m);
    t.equal(dpkg('-I', deb, 'conffiles'), '/etc/rcm-node/config.toml\n');
    for (const script of ['postinst', 'prerm', 'postrm'])
      t.match(dpkg('-I', deb, script), /^#!\/bin\/sh\nset -e\n/);
    const lines = dpkg('-c', deb).split('\n').filter(Boolean);
    for (const line of lines) t.match(line, /^(d|-|l).{7}-. root\/root /, line);
    const has = (pattern: RegExp): boolean => lines.some((line) => pattern.test(line));
    t.ok(has(/^-rwxr-xr-x .* \.\/opt\/rcm-node\/bin\/versions\/package\/rcm-node$/));
    t.ok(has(/^-rw------- .* \.\/etc\/rcm-node\/config\.toml$/));
    for (const path of Object.keys(writtenFiles(new Date(0))))
      t.ok(
        lines.some((line) => line.endsWith(` ./usr/share/${path}`)),
        path,
      );
    t.ok(has(/ \.\/usr\/bin\/rcm-node -> \/opt\/rcm-node\/bin\/rcm-node$/));
    t.notOk(
      has(/ \.\/opt\/rcm-node\/bin\/rcm-node$/),
      'the link belongs to no package: bootstrap may move it',
    );
    const at = join(folder, 'unpacked');
    dpkg('-x', deb, at);
    t.match(
      readFileSync(join(at, 'usr/lib/systemd/system/rcm-node.service'), 'utf8'),
      /^Documentation=file:\/\/\/opt\/rcm-node\/bin\/versions\/package\/README\.md$/m,
    );
  },
);

t.test('a version before a release sorts before it', { skip: noNfpm || noDpkg }, async (t) => {
  t.equal(spawnSync('dpkg', ['--compare-versions', '1.2.3~rc.1', 'lt', '1.2.3']).status, 0);
  t.equal(nameOf('deb', '1.2.3-rc.1', 'x64'), 'rcm-node_1.2.3~rc.1_amd64.deb');
  t.equal(nameOf('rpm', '1.2.3-rc.1', 'x64'), 'rcm-node-1.2.3~rc.1-1.x86_64.rpm');
});

t.test('an rpm is one, and holds no name of this machine', { skip: noNfpm }, async (t) => {
  const { folder } = await released(t);
  const bytes = readFileSync(join(folder, `rcm-node-${version}-1.aarch64.rpm`));
  t.equal(bytes.readUInt32BE(0), 0xedabeedb);
  t.ok(bytes.includes('localhost'));
  t.notOk(bytes.includes(root));
});

/** What a package of this machine would put where. */
const contentsFor = async (t: Test, packager: 'deb' | 'rpm') => {
  const { folder } = await released(t, { nfpm: undefined });
  const given = {
    root,
    built: join(folder, '..', 'dist', 'linux-x64'),
    unitFile: join(root, 'systemd/rcm-node.service'),
    share: join(folder, '..', 'share'),
    architecture: 'x64',
    version,
    time: 0,
    maintainer: 'a',
  } as const;
  const { contents } = configOf(given, packager, {}) as {
    contents: readonly { dst: string; src?: string; type?: string }[];
  };
  return contents;
};

t.test('a document of a package leads to documents that are in it, too', async (t) => {
  const contents = await contentsFor(t, 'deb');
  const targets = new Set(contents.map(({ dst }) => dst));
  let count = 0;
  for (const { dst, src = '' } of contents.filter((one) => one.dst.endsWith('.md'))) {
    if (!dst.startsWith('/usr/share/doc/')) continue;
    for (const [, link = ''] of readFileSync(src, 'utf8').matchAll(/\]\(([^)#\s:]+)(?:#[^)]*)?\)/g)) {
      const to = join(dirname(dst), link);
      // Sources are in no package.
      if (!/^\/usr\/share\/doc\/rcm-node\/(docs\/|[A-Z]+\.md$)/.test(to) || to.endsWith('CONTRIBUTING.md'))
        continue;
      count += 1;
      t.ok(targets.has(to), `${dst}: ${link}`);
    }
  }
  t.ok(count > 100, `${count} links`);
});

t.test(
  'an rpm owns the folders of its documents, and has completions where zsh looks by default',
  async (t) => {
    const targets = async (packager: 'deb' | 'rpm') =>
      (await contentsFor(t, packager)).map(({ dst, type }) => (type === 'dir' ? `${dst}/` : dst));
    const rpm = await targets('rpm');
    for (const path of [
      'zsh/site-functions/_rcm-node',
      'zsh/site-functions/',
      'fish/vendor_completions.d/rcm-node.fish',
      'bash-completion/completions/',
      'rcm-node/schema/',
      'doc/rcm-node/',
      'doc/rcm-node/docs/gitops/',
      'doc/rcm-node/docs/recipes/kubeadm.md',
    ])
      t.ok(rpm.includes(`/usr/share/${path}`), path);
    for (const path of ['man/', 'doc/']) t.notOk(rpm.includes(`/usr/share/${path}`), `${path} is of others`);
    t.equal(new Set(rpm).size, rpm.length, 'each once');
    t.ok((await targets('deb')).includes('/usr/share/zsh/vendor-completions/_rcm-node'));
  },
);

t.test('a chart names the image of the release, and is left out where there is none', async (t) => {
  const image = { newName: 'registry.example.com/rcm-node', digest: `sha256:${'b'.repeat(64)}` };
  const values =
    'image:\n  repository: rcm-node\n  tag: ""\n  digest: ""\npause:\n  repository: other\n  digest: ""\n';
  const text = withImage(values, image);
  t.equal(text, values.replace('rcm-node', image.newName).replace('digest: ""', `digest: ${image.digest}`));
  t.throws(() => withImage(text, image), /no image\.repository/);
  const root = t.testdir({
    none: {},
    with: {
      charts: { 'rcm-node': { 'Chart.yaml': 'name: rcm-node\nversion: 1.2.3\n', 'values.yaml': values } },
    },
  });
  t.same(writeChart(join(root, 'none'), root, 0, image), []);
  t.same(writeChart(join(root, 'with'), root, 0, image), ['rcm-node-1.2.3.tgz']);
  const listed = execFileSync('tar', ['-tzf', join(root, 'rcm-node-1.2.3.tgz')], { encoding: 'utf8' });
  t.same(listed.split('\n').filter(Boolean), ['rcm-node/', 'rcm-node/Chart.yaml', 'rcm-node/values.yaml']);
});

t.test('without nfpm the rest is made', async (t) => {
  const { names } = await released(t, { nfpm: undefined });
  t.notOk(names.some((name) => /\.(deb|rpm)$/.test(name)));
  for (const name of ['bootstrap.yaml', 'rcm-node.rules.yaml', 'rcm-node.dashboard.json'])
    t.ok(names.includes(name), name);
});
