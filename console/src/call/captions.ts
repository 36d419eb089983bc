// The lines of a transcript while a call runs: later words of a sentence take the place of earlier ones.

/** Who speaks. */
export type Party = 'caller' | 'seat' | 'expert';

/** A sentence, or a stretch that nobody transcribed. Times in milliseconds since the call was answered. */
export interface Line {
  readonly id: string;
  readonly party: Party;
  readonly startMs: number;
  endMs: number;
  text: string;
  isFinal: boolean;
  readonly isGap: boolean;
}

/** A caption as the event stream tells it. */
export interface Caption {
  segment: string;
  party: Party;
  start_ms: number;
  end_ms: number;
  text: string;
  final: boolean;
}

/** A gap as the event stream and the transcript tell it. */
export interface Gap {
  party: Party;
  from_ms: number;
  to_ms: number;
}

/** A sentence of the stored transcript. */
export interface Segment {
  id: string;
  party: string;
  start_ms: number;
  end_ms: number;
  text: string;
}

/** Puts a caption in its place. Words that stay are not taken back by late ones; no words, no line. */
export function settle(lines: Line[], caption: Caption): void {
  const place = lines.findIndex(({ id }) => id === caption.segment);
  const known = lines[place];
  if (known?.isFinal && !caption.final) return;
  if (!caption.text) {
    if (known) lines.splice(place, 1);
  } else if (known) {
    known.text = caption.text;
    known.endMs = caption.end_ms;
    known.isFinal = caption.final;
  } else {
    insert(lines, {
      id: caption.segment, party: caption.party, startMs: caption.start_ms, endMs: caption.end_ms,
      text: caption.text, isFinal: caption.final, isGap: false,
    });
  }
}

/** Marks a stretch without text; the same stretch once. */
export function mark(lines: Line[], gap: Gap): void {
  const id = `gap-${gap.party}-${gap.from_ms}`;
  const known = lines.find((line) => line.id === id);
  if (known) known.endMs = gap.to_ms;
  else insert(lines, { id, party: gap.party, startMs: gap.from_ms, endMs: gap.to_ms, text: '', isFinal: true, isGap: true });
}

/** Takes over what the server has stored: sentences that were missed come in, gaps that were filled go. */
export function takeOver(lines: Line[], segments: readonly Segment[], gaps: readonly Gap[]): void {
  const stays = new Set(gaps.map((gap) => `gap-${gap.party}-${gap.from_ms}`));
  for (let at = lines.length - 1; at >= 0; at -= 1) {
    if (lines[at]?.isGap && !stays.has(lines[at]?.id ?? '')) lines.splice(at, 1);
  }
  for (const { id, ...said } of segments) settle(lines, { ...said, segment: id, party: said.party as Party, final: true });
  for (const gap of gaps) mark(lines, gap);
}

// From the end: new lines are the latest nearly always.
function insert(lines: Line[], line: Line): void {
  let at = lines.length;
  while (at > 0 && (lines[at - 1]?.startMs ?? 0) > line.startMs) at -= 1;
  lines.splice(at, 0, line);
}
