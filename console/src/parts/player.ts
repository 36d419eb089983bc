import { recordingBytes } from '../api/client';
import { beginning, byteRange, stretch, wav } from '../call/clip';

/** What is fetched at a time of a recording that is played on. */
const PART_MS = 30_000;

/** Plays recordings, one at a time. Times are milliseconds since the call was answered. */
export class Player {
  private readonly audio = new Audio();
  private clip = '';
  /** Where the clip begins. */
  private clipMs = 0;
  /** Counts what was begun: what is fetched for an earlier one is not played. */
  private turn = 0;
  private over: () => void = () => undefined;

  /** `told` hears where it is, and null when it stops. */
  constructor(private readonly told: (atMs: number | null) => void = () => undefined) {
    this.audio.addEventListener('timeupdate', () => {
      if (!this.audio.paused) this.told(this.clipMs + this.audio.currentTime * 1_000);
    });
    this.audio.addEventListener('ended', () => this.over());
  }

  /** What was said between two times, with a little around it; returns when it begins to sound. */
  async play(call: string, fromMs: number, toMs: number): Promise<void> {
    const turn = this.begin();
    const samples = await recordingBytes(call, ...byteRange(fromMs, toMs));
    if (turn !== this.turn) return;
    this.over = () => this.stop();
    await this.sound(samples, beginning(fromMs));
  }

  /** From a time to the end; returns when it is over or stopped. */
  async playOn(call: string, fromMs: number, endMs: number): Promise<void> {
    const turn = this.begin();
    const part = (from: number) => recordingBytes(call, ...stretch(from, Math.min(from + PART_MS, endMs)));
    let next = part(fromMs);
    for (let from = fromMs; from < endMs; from += PART_MS) {
      const samples = await next;
      if (turn !== this.turn) return;
      if (from + PART_MS < endMs) {
        next = part(from + PART_MS);
        // It is told when its turn comes.
        next.catch(() => undefined);
      }
      const heard = new Promise<void>((over) => { this.over = over; });
      await this.sound(samples, from);
      await heard;
      if (turn !== this.turn) return;
    }
    this.stop();
  }

  stop(): void {
    this.begin();
    URL.revokeObjectURL(this.clip);
    this.told(null);
  }

  private begin(): number {
    this.audio.pause();
    this.turn += 1;
    const { over } = this;
    this.over = () => undefined;
    over();
    return this.turn;
  }

  private async sound(samples: ArrayBuffer, fromMs: number): Promise<void> {
    URL.revokeObjectURL(this.clip);
    this.clip = URL.createObjectURL(wav(samples));
    this.clipMs = fromMs;
    this.audio.src = this.clip;
    this.told(fromMs);
    // Who stops it before it sounds is told nothing.
    await this.audio.play().catch((error: Error) => { if (error.name !== 'AbortError') throw error; });
  }
}
