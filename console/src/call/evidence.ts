// Which words of the transcript a field rests on. Positions count characters, not UTF-16 units.

/** As the API gives it. */
export interface Evidence {
  segment: string;
  start: number;
  end: number;
  quote: string;
}

/** A stretch of a line's text, marked or not. */
export interface Piece {
  text: string;
  isMarked: boolean;
}

/** Divides a line's text. Evidence whose words are no longer there, since the line was corrected, marks nothing. */
export function pieces(segment: string, text: string, evidence: readonly Evidence[]): Piece[] {
  const characters = Array.from(text);
  const isMarked = new Array<boolean>(characters.length).fill(false);
  for (const { segment: of, start, end, quote } of evidence) {
    if (of !== segment || characters.slice(start, end).join('') !== quote) continue;
    isMarked.fill(true, start, end);
  }
  const divided: Piece[] = [];
  characters.forEach((character, at) => {
    const last = divided.at(-1);
    if (last && last.isMarked === isMarked[at]) last.text += character;
    else divided.push({ text: character, isMarked: isMarked[at] ?? false });
  });
  return divided;
}
