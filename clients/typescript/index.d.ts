import type { Client } from 'openapi-fetch';
import type { components, paths } from './schema.js';

export type { components, paths };
/** Shapes of the API. */
export type Schemas = components['schemas'];
/** GET, POST, PUT, PATCH and DELETE of every operation, typed. */
export type Qingting = Client<paths>;

/** Why a request was refused. */
export class Refusal extends Error {
  readonly status: number;
  readonly problem: Schemas['Problem'] | null;
  constructor(status: number, problem?: Schemas['Problem'] | null);
}

/** A client of the server at `url`, with a key (`qt_…`) or a session's token (`qts_…`). */
export function connect(url: string, options?: { key?: string; fetch?: typeof globalThis.fetch }): Qingting;

/** The answer's body, or a `Refusal`. */
export function ok<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T>;

/** Follows the log of changes; ends when `signal` says so, and throws a `Refusal` where it is refused (410: begin anew). */
export function follow(
  client: Qingting,
  options?: { after?: string; kinds?: readonly string[]; signal?: AbortSignal },
): AsyncGenerator<Schemas['FeedPage'], void, void>;
