// How fast callers reach a person: the share that did within the time that hotlines are held to.

/** 15 秒接通率 and its goal. */
export const WITHIN_MS = 15_000;
export const GOAL = 0.95;

/** Of a call what the level is reckoned from. */
export interface Waited {
  direction: string;
  queue?: string | null;
  queue_wait_ms?: number | null;
  seat?: string | null;
  state: string;
}

/** Share of the citizens' own calls to a queue, to all queues without a name, that a seat took in time; null over none.
 * Calls that still wait count when they are over; those that we made, callbacks too, never do. */
export function level(calls: readonly Waited[], queue?: string): number | null {
  const of = calls.filter((call) => call.direction === 'inbound' && call.queue && (!queue || call.queue === queue) && (call.seat || call.state === 'ended'));
  if (!of.length) return null;
  const inTime = of.filter(({ seat, queue_wait_ms: waited }) => seat && waited != null && waited <= WITHIN_MS);
  return inTime.length / of.length;
}
