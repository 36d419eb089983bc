// Days of China for counts and sheets.

const DAY_MS = 86_400_000;
const OFFSET_MS = 8 * 3_600_000;

/** What a span is, around a day. */
export type Span = 'day' | 'week' | 'month';

/** The day in China, `YYYY-MM-DD`. */
export const dayOf = (at: number) => new Date(at + OFFSET_MS).toISOString().slice(0, 10);

/** First and last day of the span around a time that are not in the future: weeks begin on Monday. */
export function daysOf(span: Span, now: number): { from: string; to: string } {
  const to = dayOf(now);
  if (span === 'month') return { from: `${to.slice(0, 8)}01`, to };
  // Day 0 of the epoch was a Thursday.
  const weekday = (Math.floor((now + OFFSET_MS) / DAY_MS) + 3) % 7;
  return { from: span === 'week' ? dayOf(now - weekday * DAY_MS) : to, to };
}

/** A share as people read it. */
export const percent = (part: number, whole: number) => (whole ? `${((part / whole) * 100).toFixed(1)}%` : '—');
