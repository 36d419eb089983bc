import { WebSocketInterface } from 'jssip';
import { withoutMd5 } from './digest';

/** A WebSocket whose messages offer JsSIP the strong challenge alone. */
export class StrongSocket extends WebSocketInterface {
  // JsSIP's own name for what the socket hears.
  _onMessage({ data }: MessageEvent<string | ArrayBuffer>): void {
    this.ondata(withoutMd5(typeof data === 'string' ? data : new TextDecoder().decode(data)));
  }
}
