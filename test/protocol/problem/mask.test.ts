import t from 'tap';
import { maskUrls, printUrl } from '../../../protocol/problem/mask.ts';

t.test('credentials and signatures are removed, the address stays', async (t) => {
  for (const [text, wanted] of [
    ['https://user:hunter2@example.com/a/b', 'https://example.com/a/b'],
    ['https://hunter2@example.com:8443/a', 'https://example.com:8443/a'],
    ['https://user:hun@ter2@example.com/a', 'https://example.com/a'],
    ["https://us'er:hunter2@example.com/a", 'https://example.com/a'],
    ['https://example.com/a?X-Amz-Signature=hunter2&x=1', 'https://example.com/a?…'],
    ['https://example.com/a?sig=hunter2#hunter2', 'https://example.com/a?…'],
    ['https://example.com/a#hunter2', 'https://example.com/a?…'],
    ['HTTPS:user:hunter2@example.com', 'HTTPS:example.com'],
    ['https:\\user:hunter2@example.com', 'https:\\example.com'],
    ['ftp://user:hunter2@example.com', 'ftp://example.com'],
    ['two: http://a:hunter2@b/c, and https://d/e?hunter2.', 'two: http://b/c, and https://d/e?…'],
    ['{"url":"https://u:hunter2@h/p?hunter2","x":1}', '{"url":"https://h/p?…","x":1}'],
    [
      '{"a":"[{\\"url\\":\\"https://u:hunter2@h/p?hunter2\\"}]"}',
      '{"a":"[{\\"url\\":\\"https://h/p?…\\"}]"}',
    ],
  ] as const)
    t.equal(maskUrls(text), wanted);
});

t.test('text without credentials stays unchanged', async (t) => {
  for (const text of [
    'https://example.com/a%20b/c.tar.gz',
    'file:///srv/artifacts/a@b',
    'location has the scheme "ftp:"; https:, http: and file: are known',
    '/etc/containerd/config.toml:1:2: rcm-node.service, user@host, what?',
    'https://[2001:db8::1]:6443 and spin@sha256:ab',
  ])
    t.equal(maskUrls(text), text);
});

t.test('a long text takes hardly any time', async (t) => {
  const text = `${'a'.repeat(100_000)} ${'https://'.repeat(20_000)}`;
  t.equal(maskUrls(text), text);
  // Minutes, where each scheme is searched for its "@" to the end.
  const quotes = "http:'".repeat(60_000);
  t.equal(maskUrls(quotes), quotes);
});

t.test('an address is printed without possible secrets', async (t) => {
  t.equal(printUrl('https://user:secret@example.com:8443/a/b?token=1#x'), 'https://example.com:8443/a/b');
  t.equal(printUrl('file:///srv/a'), 'file:///srv/a');
  t.equal(printUrl('nonsense with token'), '(no valid URL)');
});
