import { expect, it } from 'vitest';
import { proof, secret, withoutMd5 } from './digest';

it('answers the challenge of RFC 7616 §3.9.1', () => {
  const own = secret('Mufasa', 'http-auth@example.org', 'Circle of Life');
  expect(proof({
    secret: own, nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v', nc: '00000001',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ', method: 'GET', uri: '/dir/index.html',
  })).toBe('753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1');
});

it('takes weak challenges out of a message and nothing else', () => {
  const strong = 'WWW-Authenticate: Digest realm="q", nonce="n", algorithm=SHA-256, qop="auth"\r\n';
  const weak = 'WWW-Authenticate: Digest realm="q", nonce="n", algorithm=MD5, qop="auth"\r\n';
  expect(withoutMd5(`SIP/2.0 401 Unauthorized\r\n${strong}${weak}Content-Length: 0\r\n\r\n`))
    .toBe(`SIP/2.0 401 Unauthorized\r\n${strong}Content-Length: 0\r\n\r\n`);
});
