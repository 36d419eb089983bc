// The live stream of events. It comes back by itself and goes on where it was.

import type { Caption, Gap } from '../call/captions';
import type { Update } from '../call/draft';
import type { Schemas } from './client';
import { token } from './session';

/** Events that pages use; the server has others, and more later. */
export type Event =
  | ({ type: 'caption'; call: string; confidence: number } & Caption)
  | ({ type: 'caption_gap'; call: string } & Gap)
  | { type: 'transcript_completed'; call: string }
  | { type: 'recognition'; notice: string }
  | ({ type: 'ticket_updated'; call: string; ticket: string } & Update)
  | { type: 'ticket_confirmed'; call: string; ticket: string; revision: number }
  | { type: 'ticket_changed'; call: string; ticket: string; revision: number }
  | { type: 'repeats'; call: string; repeats: Schemas['RepeatView'][] }
  | { type: 'knowledge'; call: string; entries: Schemas['EntryView'][] }
  | { type: 'incident'; incident: Schemas['IncidentView'] }
  | ({ type: 'call_leg'; call: string } & Schemas['LegNow'])
  | { type: 'call_state'; call: string; phase: Schemas['CallPhase']; recording_paused: boolean }
  | { type: 'seat_state'; extension: string; state: string; reason?: string | null; registered: boolean }
  | { type: 'queue'; queue: string; waiting: number; longest_wait_ms: number; seats_ready: number; seats_at_work: number }
  | { type: 'call_ended'; call: string; ticket: string }
  | { type: 'lagged'; missed: number };

const AGAIN_MS = 3_000;
/** Close code of a stream whose session is over (RFC 6455 §7.4.1). */
const POLICY_VIOLATION = 1008;

/** What a page does with the stream. */
export interface Listener {
  heard(event: Event): void;
  /** The stream is open: what happened before must be asked for. */
  opened(): void;
  lost(): void;
  signedOut(): void;
}

/** Listens until the function that it gives is called. */
export function listen(listener: Listener): () => void {
  let last: number | undefined;
  let socket: WebSocket;
  let again: ReturnType<typeof setTimeout>;
  let isOver = false;
  const open = () => {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const after = last === undefined ? '' : `?after=${last}`;
    socket = new WebSocket(`${scheme}://${location.host}/api/v1/events${after}`, ['qingting', token() ?? '']);
    socket.onopen = () => listener.opened();
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      const event = JSON.parse(data) as Event & { seq?: number };
      last = event.seq ?? last;
      listener.heard(event);
    };
    socket.onclose = ({ code }) => {
      if (isOver) return;
      if (code === POLICY_VIOLATION) return listener.signedOut();
      listener.lost();
      again = setTimeout(open, AGAIN_MS);
    };
  };
  open();
  return () => {
    isOver = true;
    clearTimeout(again);
    socket.close();
  };
}
