import { recordingBytes } from '../api/client';
import { byteRange, wav } from '../call/clip';

/** Plays stretches of recordings, one at a time. */
export class Player {
  private readonly audio = new Audio();
  private clip = '';

  /** Times in milliseconds since the call was answered. */
  async play(call: string, fromMs: number, toMs: number): Promise<void> {
    const [first, last] = byteRange(fromMs, toMs);
    const samples = await recordingBytes(call, first, last);
    this.stop();
    this.clip = URL.createObjectURL(wav(samples));
    this.audio.src = this.clip;
    await this.audio.play();
  }

  stop(): void {
    this.audio.pause();
    URL.revokeObjectURL(this.clip);
  }
}
