// Who works at this page. **Credentials live in this module's memory alone**: closing or reloading the page signs out.

import { reactive } from 'vue';
import { t } from '../language';

/** Of the API's roles, those of people at this console. */
export type Role = 'seat' | 'supervisor' | 'admin' | 'operator' | 'expert' | 'auditor';

/** Who is signed in. */
export const session = reactive({
  role: null as Role | null,
  name: '',
  /** As in the history of tickets and the audit. */
  login: '',
  /** Of a seat: its telephone. */
  extension: null as string | null,
  /** It has ended without being asked to: the form for signing in says so. */
  hasEnded: false,
});

/** How requests prove themselves, and streams. The administrator's password is no session: it goes along. */
let proof: { header: string; token: string | null } | null = null;

export const header = (): string | null => proof?.header ?? null;
export const token = (): string | null => proof?.token ?? null;

/** The session of a seat or of a person without a telephone. */
export function hold(of: string, who: { role: string; person?: string | null; name: string; extension?: string | null }): void {
  proof = { header: `Bearer ${of}`, token: of };
  Object.assign(session, { role: who.role as Role, name: who.person ?? who.name, login: who.name, extension: who.extension ?? null });
}

/** The administrator's password, in UTF-8 (RFC 7617 §2.1), which the server has not seen yet. */
export function holdPassword(password: string): void {
  const bytes = new TextEncoder().encode(`admin:${password}`);
  proof = { header: `Basic ${btoa(String.fromCharCode(...bytes))}`, token: null };
}

/** The server took the administrator's password. */
export function beAdministrator(): void {
  Object.assign(session, { role: 'admin', name: t('管理员'), login: 'admin', extension: null, hasEnded: false });
}

/** Forgets everything. */
export function forget(): void {
  proof = null;
  Object.assign(session, { role: null, name: '', login: '', extension: null, hasEnded: false });
}

/** The server ended the session: nothing of it stays on the screen. */
export function ended(): void {
  if (!session.role) return;
  forget();
  session.hasEnded = true;
}
