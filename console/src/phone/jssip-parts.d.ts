// Parts of JsSIP that it does not describe.

declare module 'jssip/lib/DigestAuthentication.js' {
  export default class DigestAuthentication {
    _credentials: { username: string; realm: string; ha1: string };
    _nonce: string | null;
    _nc: number;
    authenticate(request: { method: string; ruri: unknown }, challenge: object): boolean;
  }
}

declare module 'jssip/lib/Utils.js' {
  export function createRandomToken(length: number): string;
}
