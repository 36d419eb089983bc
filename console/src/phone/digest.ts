// Digest authentication with SHA-256 (RFC 7616, RFC 8760), which the server prefers and JsSIP lacks.

import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import DigestAuthentication from 'jssip/lib/DigestAuthentication.js';
import { createRandomToken } from 'jssip/lib/Utils.js';

interface Challenge {
  algorithm?: string;
  realm?: string;
  nonce?: string;
  opaque?: string;
  stale?: boolean;
  qop?: string[];
}

const hash = (...parts: string[]) => bytesToHex(sha256(parts.join(':')));

/** H(A1): what a telephone keeps in place of the password. */
export const secret = (user: string, realm: string, password: string): string => hash(user, realm, password);

/** The answer to a challenge with `qop=auth` (RFC 7616 §3.4.1). */
export function proof(of: { secret: string; nonce: string; nc: string; cnonce: string; method: string; uri: string }): string {
  return hash(of.secret, of.nonce, of.nc, of.cnonce, 'auth', hash(of.method, of.uri));
}

/** A message without its challenges in MD5. Of several JsSIP reads the last, which is the weakest. */
export function withoutMd5(message: string): string {
  return message.replace(/^(?:www|proxy)-authenticate:[^\r\n]*algorithm=md5\b[^\r\n]*\r\n/gim, '');
}

/** Teaches JsSIP the algorithm. */
export function speakSha256(): void {
  DigestAuthentication.prototype.authenticate = function authenticate({ method, ruri }, challenge: Challenge) {
    const { algorithm, realm, nonce, opaque, stale, qop } = challenge;
    const { ha1, realm: ownRealm } = this._credentials;
    if (algorithm?.toUpperCase() !== 'SHA-256' || realm !== ownRealm || !nonce || !qop?.includes('auth')) return false;
    this._nc = nonce === this._nonce ? this._nc + 1 : 1;
    const [cnonce, nc, uri] = [createRandomToken(16), this._nc.toString(16).padStart(8, '0'), String(ruri)];
    Object.assign(this, {
      _algorithm: 'SHA-256', _realm: realm, _nonce: nonce, _opaque: opaque, _stale: stale, _qop: 'auth', _cnonce: cnonce,
      _ncHex: nc, _uri: uri, _ha1: ha1, _response: proof({ secret: ha1, nonce, nc, cnonce, method, uri }),
    });
    return true;
  };
}
