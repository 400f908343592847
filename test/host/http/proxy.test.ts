import t from 'tap';
import { basicAuth, bypassesProxy, proxyFor } from '../../../host/http/proxy.ts';

const exempt = (url: string, no: string): boolean => bypassesProxy(new URL(url), no);

t.test('a name exempts itself and names below it, not names that end alike', async (t) => {
  t.ok(exempt('https://example.com/x', 'other.org, example.com'));
  t.ok(exempt('https://a.b.EXAMPLE.com/x', 'Example.com'));
  t.notOk(exempt('https://badexample.com/', 'example.com'));
  t.notOk(exempt('https://example.com.evil.org/', 'example.com'));
});

t.test('a leading dot or star exempts only names below', async (t) => {
  t.ok(exempt('https://a.example.com/', '.example.com'));
  t.notOk(exempt('https://example.com/', '.example.com'));
  t.ok(exempt('https://a.example.com/', '*.example.com'));
  t.notOk(exempt('https://example.com/', '*.example.com'));
});

t.test('a star alone exempts everything, an empty list nothing', async (t) => {
  t.ok(exempt('http://anything/', 'x, *'));
  t.notOk(exempt('http://anything/', ''));
  t.notOk(exempt('http://anything/', ' , ,'));
  t.notOk(bypassesProxy(new URL('http://anything/'), undefined));
});

t.test('addresses match exactly or by network, in both families', async (t) => {
  t.ok(exempt('http://10.1.2.3/', '10.0.0.0/8'));
  t.notOk(exempt('http://11.1.2.3/', '10.0.0.0/8'));
  t.ok(exempt('http://192.168.0.1/', '192.168.0.1'));
  t.notOk(exempt('http://a192.168.0.1.example/', '192.168.0.1'));
  t.ok(exempt('http://[fd00::1]/', 'fd00::/8'));
  t.ok(exempt('http://[::1]:8080/', '::1'));
  t.notOk(exempt('http://name.example/', '10.0.0.0/8'));
  t.notOk(exempt('http://10.0.0.1/', '10.0.0.0/99,10.0.0.0/x,/8,999.0.0.0/8'));
});

t.test('a port narrows an entry', async (t) => {
  t.ok(exempt('https://example.com/', 'example.com:443'));
  t.notOk(exempt('https://example.com:8443/', 'example.com:443'));
  t.ok(exempt('http://10.0.0.1:8080/', '10.0.0.1:8080'));
});

t.test('the proxy is that of the scheme, with or without a scheme in its address', async (t) => {
  const settings = { http: 'one:3128', https: 'https://two', no: 'direct.example' };
  t.equal(proxyFor(new URL('http://x/'), settings)?.href, 'http://one:3128/');
  t.equal(proxyFor(new URL('https://x/'), settings)?.href, 'https://two/');
  t.equal(proxyFor(new URL('https://direct.example/'), settings), undefined);
  t.equal(proxyFor(new URL('https://x/'), { http: 'one' }), undefined);
  t.equal(proxyFor(new URL('https://x/'), { https: '' }), undefined);
  t.equal(proxyFor(new URL('https://x/'), undefined), undefined);
});

t.test('an invalid address of a proxy is refused without showing it', async (t) => {
  for (const https of ['socks5://me:secret@x:1', 'http://me:secret@:0:0', '::secret::']) {
    t.throws(() => proxyFor(new URL('https://x/'), { https }), {
      message: 'the https proxy that is set is not an http:// or https:// address',
    });
  }
});

t.test('userinfo is decoded before it becomes Basic', async (t) => {
  t.equal(basicAuth(new URL('http://a%40b:c%3Ad@x/')), `Basic ${Buffer.from('a@b:c:d').toString('base64')}`);
  t.equal(basicAuth(new URL('http://x/')), undefined);
});
