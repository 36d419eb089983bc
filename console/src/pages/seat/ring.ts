// The ringing tone of Chinese exchanges: 450 Hz, 1 s on, 4 s off (GF 002).

const HZ = 450;
const CYCLE_S = 5;
const LOUDNESS = 0.1;
/** A call that nobody takes goes to another seat long before. */
const RINGS_MAX = 24;

let tone: AudioContext | null = null;

/** Rings, or stops ringing. */
export function ring(on: boolean): void {
  if (on === Boolean(tone)) return;
  void tone?.close();
  tone = on ? new AudioContext() : null;
  if (!tone) return;
  const [source, level] = [tone.createOscillator(), tone.createGain()];
  source.frequency.value = HZ;
  level.gain.value = 0;
  for (let at = 0; at < RINGS_MAX * CYCLE_S; at += CYCLE_S) level.gain.setValueAtTime(LOUDNESS, at).setValueAtTime(0, at + 1);
  source.connect(level).connect(tone.destination);
  source.start();
}
