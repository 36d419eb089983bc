// Client of Qingting's API. Its shapes are schema.d.ts, which is made from docs/openapi.json.

import createClient from 'openapi-fetch';

/** Longest that the server keeps a question for changes open, in seconds. */
const WAIT_S = 25;
/** How long an empty page is rested on: a server that has no place for a wait answers at once. */
const REST_MS = 500;
/** How soon the log is asked again when no answer came, and how late at most. */
const AGAIN_MS = 1_000;
const AGAIN_MS_MAX = 60_000;

/** Why a request was refused: `status`, and the problem (RFC 9457) that was answered. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? `status ${status}`);
    this.name = 'Refusal';
    this.status = status;
    this.problem = problem ?? null;
  }
}

/** A client of the server at `url`, with a key (`qt_…`) or a session's token (`qts_…`). */
export function connect(url, { key, fetch } = {}) {
  const client = createClient({ baseUrl: url.replace(/\/+$/, ''), ...(fetch && { fetch }) });
  client.use({
    onRequest({ request }) {
      if (key) request.headers.set('Authorization', `Bearer ${key}`);
      return request;
    },
  });
  return client;
}

/** The answer's body, or a `Refusal`. */
export async function ok(asked) {
  const { data, error, response } = await asked;
  if (!response.ok) throw new Refusal(response.status, typeof error === 'object' ? error : null);
  return data;
}

/**
 * Follows the log of changes from `after` (its beginning without one): pages of events with where to go on. Keep
 * `next` together with what was made of the events. What does not answer is asked again; what refuses ends it.
 */
export async function* follow(client, { after, kinds, signal } = {}) {
  let wait = AGAIN_MS;
  let hasAnswered = false;
  for (;;) {
    const query = { wait: WAIT_S, ...(after !== undefined && { after }), ...(kinds && { kinds: kinds.join(',') }) };
    let page;
    try {
      page = await ok(client.GET('/api/v1/feed', { params: { query }, signal }));
      wait = AGAIN_MS;
      hasAnswered = true;
    } catch (error) {
      if (signal?.aborted) return;
      const isRefused = error instanceof Refusal && error.status < 500 && error.status !== 429;
      if (isRefused) throw error;
      // What has never answered is a wrong address or certificate, not a loss.
      if (!hasAnswered && !(error instanceof Refusal)) throw error;
      await rest(wait, signal);
      if (signal?.aborted) return;
      wait = Math.min(2 * wait, AGAIN_MS_MAX);
      continue;
    }
    after = page.next;
    if (page.events.length) yield page;
    else await rest(REST_MS, signal);
    if (signal?.aborted) return;
  }
}

/** Ends early where it is told to. */
function rest(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', () => { clearTimeout(timer); done(); }, { once: true });
  });
}
