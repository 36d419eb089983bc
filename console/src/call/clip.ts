// A stretch of a call's recording: which bytes of the WAV file it is, and a file of its own for it.

/** The mix of a call: 16-bit samples at 8 kHz, the citizen left and everybody else right, from the answer on. */
const RATE_HZ = 8_000;
const CHANNELS = 2;
const SAMPLE_BYTES = 2;
const FRAME_BYTES = CHANNELS * SAMPLE_BYTES;
const HEADER_BYTES = 44;
/** What is heard around the words. */
const AROUND_MS = 300;

const frames = (ms: number) => Math.round((Math.max(0, ms) * RATE_HZ) / 1_000);

/** First and last byte of what lies between these milliseconds since the answer. */
export function stretch(fromMs: number, toMs: number): [number, number] {
  const byte = (ms: number) => HEADER_BYTES + frames(ms) * FRAME_BYTES;
  return [byte(fromMs), byte(toMs) - 1];
}

/** Where a clip of what was said from then on begins. */
export const beginning = (fromMs: number) => Math.max(0, fromMs - AROUND_MS);

/** First and last byte of what was said between these milliseconds since the answer, with a little around it. */
export function byteRange(fromMs: number, toMs: number): [number, number] {
  return stretch(beginning(fromMs), toMs + AROUND_MS);
}

/** The samples as a WAV file (RIFF, PCM). */
export function wav(samples: ArrayBuffer): Blob {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  const ascii = (at: number, text: string) => Array.from(text).forEach((letter, place) => header.setUint8(at + place, letter.charCodeAt(0)));
  ascii(0, 'RIFF');
  header.setUint32(4, HEADER_BYTES - 8 + samples.byteLength, true);
  ascii(8, 'WAVEfmt ');
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, CHANNELS, true);
  header.setUint32(24, RATE_HZ, true);
  header.setUint32(28, RATE_HZ * FRAME_BYTES, true);
  header.setUint16(32, FRAME_BYTES, true);
  header.setUint16(34, SAMPLE_BYTES * 8, true);
  ascii(36, 'data');
  header.setUint32(40, samples.byteLength, true);
  return new Blob([header.buffer, samples], { type: 'audio/wav' });
}
