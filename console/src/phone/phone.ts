// The seat's telephone: one line, SIP over WebSocket by JsSIP. Only the sound and the line itself are the browser's; the
// server holds, transfers and connects.

import { C, UA } from 'jssip';
import type { EndEvent, RTCSession } from 'jssip/lib/RTCSession';
import type { IncomingRTCSessionEvent, OutgoingRTCSessionEvent } from 'jssip/lib/UA';
import { reactive } from 'vue';
import { spoken, t } from '../language';
import { secret, speakSha256 } from './digest';
import { StrongSocket } from './socket';

const REGISTER_S = 120;
const RECONNECT_S = [1, 4] as const;
/** How long a call whose sound is lost waits for its network; the server's `media.seat_inactivity_s` is 45. */
const LOST_MS_MAX = 60_000;
/** Of the way for the sound, while it is there. */
const HEARS: readonly string[] = ['connected', 'completed'];
/** Why JsSIP ends a call that lost its network. */
const LOSSES: readonly string[] = [C.causes.RTP_TIMEOUT, C.causes.CONNECTION_ERROR, C.causes.REQUEST_TIMEOUT];
/** How soon it is tried again. */
const RECOVER_MS = 1_000;
const KEY_MS = 120;
const BETWEEN_KEYS_MS = 60;
/** The header in which the server names the call. */
const CALL_HEADER = 'X-Qingting-Call';
/** The server is an ICE-lite agent that learns our candidates from our checks: none has to be gathered. */
const PEER: RTCConfiguration = { iceServers: [], bundlePolicy: 'max-bundle' };
const WHY: Record<number, string> = spoken({
  401: '密码不对', 403: '不允许', 404: '号码不存在，或没有中继线路', 407: '密码不对', 408: '无人接听', 480: '对方不在线或无人接听',
  486: '对方忙', 487: '已取消', 488: '无法建立语音', 503: '线路不可用', 600: '对方忙', 603: '对方拒接',
});
const MICROPHONE: Record<string, string> = spoken({
  NotAllowedError: '没有获得麦克风许可，请在浏览器地址栏允许本页使用麦克风', NotFoundError: '没有找到麦克风，请接上耳麦',
  NotReadableError: '麦克风被其他程序占用',
});

speakSha256();

/** The microphone, or an error that says what to do. */
export async function microphone(): Promise<MediaStream> {
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  return navigator.mediaDevices.getUserMedia({ audio }).catch((error: DOMException) => {
    throw new Error(MICROPHONE[error.name] ?? t('无法使用麦克风：{message}', { message: error.message }));
  });
}

/** Where the server's telephone is, as `/softphone/settings.json` gives it. */
export interface Settings {
  realm: string;
  /** The proxy through which browsers come; null when that is the server itself. */
  url: string | null;
  ws_port: number | null;
  wss_port: number | null;
}

/** What the line does. */
export type LineState = 'idle' | 'ringing' | 'calling' | 'talking';

/** What a page shows of the telephone. */
export interface PhoneState {
  isRegistered: boolean;
  /** Why it is not. */
  why: string;
  line: LineState;
  /** Of the line: who is there, and the server's call. */
  party: string;
  call: string | null;
  talkingSince: number | null;
  isMuted: boolean;
  /** The network was lost in the call, which waits for it. */
  isLost: boolean;
  /** How the last call ended, in words. */
  ended: string;
}

/** A telephone; `state` is what can be seen of it. */
export class Phone {
  readonly state = reactive<PhoneState>({
    isRegistered: false, why: t('正在连接'), line: 'idle', party: '', call: null, talkingSince: null, isMuted: false, isLost: false, ended: '',
  });
  /** What the server will end soon because this seat gave the call away. */
  isLeaving = false;
  private readonly ua: UA;
  private readonly realm: string;
  private session: RTCSession | null = null;
  private waiting: ReturnType<typeof setTimeout> | undefined;
  private stream: Promise<MediaStream> | null = null;
  private readonly audio = Object.assign(new Audio(), { autoplay: true });

  constructor(settings: Settings, readonly extension: string, password: string) {
    const isSecure = location.protocol === 'https:';
    const port = isSecure ? settings.wss_port : settings.ws_port;
    if (!port && !settings.url) throw new Error(t('服务器没有开放浏览器话机端口（sip.listen_ws 或 sip.listen_wss）'));
    this.realm = settings.realm;
    const socket = new StrongSocket(settings.url ?? `${isSecure ? 'wss' : 'ws'}://${location.hostname}:${port}`);
    this.ua = new UA({
      sockets: socket, uri: `sip:${extension}@${settings.realm}`, realm: settings.realm, authorization_user: extension,
      ha1: secret(extension, settings.realm, password), register_expires: REGISTER_S, session_timers: false,
      connection_recovery_min_interval: RECONNECT_S[0], connection_recovery_max_interval: RECONNECT_S[1],
      user_agent: 'Qingting-console',
    });
    this.ua.on('registered', () => {
      Object.assign(this.state, { isRegistered: true, why: '' });
      this.recover();
    });
    this.ua.on('unregistered', () => { this.state.isRegistered = false; });
    this.ua.on('registrationFailed', ({ response }) => {
      const status = response?.status_code ?? 0;
      Object.assign(this.state, { isRegistered: false, why: WHY[status] ?? t('服务器没有接受注册') });
    });
    this.ua.on('disconnected', () => {
      Object.assign(this.state, { isRegistered: false, why: t('与服务器的连接断开，正在重连') });
      if (this.state.line === 'talking') this.lose();
    });
    this.ua.on('newRTCSession', (event: IncomingRTCSessionEvent | OutgoingRTCSessionEvent) => this.take(event));
    this.ua.start();
  }

  /** Takes the call that rings. */
  async answer(): Promise<void> {
    const session = this.session;
    if (!session || this.state.line !== 'ringing') return;
    try {
      const mediaStream = await (this.stream ??= microphone());
      if (this.session === session) session.answer({ mediaStream, pcConfig: PEER });
    } catch (error) {
      session.terminate({ status_code: 480 });
      this.state.ended = (error as Error).message;
    }
  }

  /** Calls a number or an extension. */
  async dial(number: string): Promise<void> {
    if (this.session) return;
    Object.assign(this.state, { ended: '' });
    try {
      const mediaStream = await (this.stream = microphone());
      Object.assign(this.state, { party: number });
      this.ua.call(number, { mediaStream, pcConfig: PEER });
    } catch (error) {
      this.close((error as Error).message);
    }
  }

  /** Ends, refuses or cancels. */
  hangUp(): void {
    if (!this.session) return;
    const refused = this.state.line === 'ringing';
    this.session.terminate(refused ? { status_code: 486, reason_phrase: 'Busy Here' } : {});
  }

  mute(on: boolean): void {
    if (on) this.session?.mute({ audio: true });
    else this.session?.unmute({ audio: true });
    this.state.isMuted = on;
  }

  /** Sends a key as an RTP event (RFC 4733). */
  press(key: string): void {
    const sender = this.session?.connection?.getSenders().find(({ dtmf }) => dtmf?.canInsertDTMF);
    sender?.dtmf?.insertDTMF(key, KEY_MS, BETWEEN_KEYS_MS);
  }

  /** The seat has another password: it registers with that from now on. */
  takePassword(password: string): void {
    this.ua.set('ha1', secret(this.extension, this.realm, password));
    this.ua.register();
  }

  /** Signs off. */
  stop(): void {
    this.hangUp();
    this.ua.stop();
  }

  private take({ session, request, originator }: IncomingRTCSessionEvent | OutgoingRTCSessionEvent): void {
    const isIncoming = originator === 'remote';
    if (this.session) {
      if (isIncoming) session.terminate({ status_code: 486, reason_phrase: 'Busy Here' });
      return;
    }
    this.session = session;
    this.isLeaving = false;
    Object.assign(this.state, { ended: '', call: null, isMuted: false, line: isIncoming ? 'ringing' : 'calling' });
    if (isIncoming) {
      Object.assign(this.state, { party: session.remote_identity.uri.user, call: request.getHeader(CALL_HEADER) ?? null });
      // Ready before the answer, so that the first word is heard; a refusal shows at the answer.
      this.stream = microphone();
      this.stream.catch(() => undefined);
    }
    session.on('icecandidate', ({ ready }) => ready());
    // JsSIP ends a call whose sound is lost; the server keeps it for a while, so that the network may come back.
    const terminate = session.terminate.bind(session);
    session.terminate = (options) => {
      if (this.state.line === 'talking' && LOSSES.includes(options?.cause ?? '')) this.lose();
      else terminate(options);
    };
    session.on('progress', (event: object) => this.named(event));
    session.on('accepted', (event: object) => {
      this.named(event);
      Object.assign(this.state, { line: 'talking', talkingSince: Date.now() });
    });
    session.on('peerconnection', ({ peerconnection }) => this.listenTo(peerconnection));
    // An outgoing call has its connection before anybody could ask for the event.
    if (session.connection) this.listenTo(session.connection);
    session.on('ended', (event) => this.over(event));
    session.on('failed', (event) => this.over(event));
  }

  /** The network is gone in the middle of a call. */
  private lose(): void {
    if (this.state.isLost) return;
    this.state.isLost = true;
    const session = this.session;
    const giveUp = () => {
      if (this.session !== session || !this.state.isLost) return;
      // Signalling alone is away: who still hears each other talks on.
      if (HEARS.includes(session?.connection?.iceConnectionState ?? '')) this.waiting = setTimeout(giveUp, LOST_MS_MAX);
      else session?.terminate();
    };
    this.waiting = setTimeout(giveUp, LOST_MS_MAX);
    this.recover();
  }

  /** Tells the server where this telephone is now, and looks for a way for the sound anew (RFC 8445 §9). */
  private recover(): void {
    const { session } = this;
    if (!session || !this.state.isLost) return;
    // What the telephone cannot send now goes out when it is registered again.
    if (!this.ua.isConnected() || !this.ua.isRegistered()) return;
    const isSent = session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, () => this.found(session));
    // Another request of the call may be under way.
    if (!isSent) setTimeout(() => this.recover(), RECOVER_MS);
  }

  private found(session: RTCSession): void {
    if (this.session !== session) return;
    clearTimeout(this.waiting);
    this.state.isLost = false;
  }

  private named(event: object): void {
    const response = 'response' in event ? (event.response as { getHeader?(name: string): string | undefined } | null) : null;
    this.state.call ??= response?.getHeader?.(CALL_HEADER) ?? null;
  }

  private listenTo(connection: RTCPeerConnection): void {
    connection.addEventListener('track', ({ streams: [stream] }) => {
      if (!stream) return;
      this.audio.srcObject = stream;
      // For tests: what is heard can be measured.
      Object.assign(window, { qingtingCall: { stream } });
    });
  }

  private over({ originator, message, cause }: EndEvent): void {
    const status = message && 'status_code' in message ? Number(message.status_code) : 0;
    const isOurs = originator !== 'remote';
    const was = this.state.line;
    if (was === 'talking') this.close(this.isLeaving ? t('已转接') : isOurs ? t('已挂机') : t('对方已挂机'));
    else if (was === 'ringing') this.close(isOurs ? this.state.ended || t('已拒接') : t('来电已取消'));
    else this.close(WHY[status] ?? (isOurs ? t('已取消') : t('没有接通（{cause}）', { cause })));
  }

  private close(ended: string): void {
    this.session = null;
    this.stream?.then((stream) => stream.getTracks().forEach((track) => track.stop()), () => undefined);
    this.stream = null;
    this.audio.srcObject = null;
    clearTimeout(this.waiting);
    Object.assign(this.state, { line: 'idle', talkingSince: null, isMuted: false, isLost: false, ended });
  }
}
