// A SIP user agent over WebSocket (RFC 7118), as small as one line of one seat needs: it registers,
// takes calls and makes them. Sessions are described by the browser's own RTCPeerConnection.

const REGISTER_S = 120;
const ANSWER_MS = 10_000;
const USER_AGENT = 'Qingting-softphone';

const random = () => [...crypto.getRandomValues(new Uint8Array(8))].map(b => b.toString(16).padStart(2, '0')).join('');

async function sha256(text) {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map(b => b.toString(16).padStart(2, '0')).join('');
}

// One message: {method, uri} or {status, reason}; headers with lower-case names, in order.
export function parse(text) {
  const [head, ...rest] = text.split('\r\n\r\n');
  const [first, ...lines] = head.split('\r\n');
  const headers = lines.map(line => {
    const at = line.indexOf(':');
    return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()];
  });
  const message = { headers, body: rest.join('\r\n\r\n') };
  message.all = name => headers.filter(([known]) => known === name).map(([, value]) => value);
  message.one = name => message.all(name)[0] ?? '';
  const response = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(first);
  if (response) {
    return Object.assign(message, { status: Number(response[1]), reason: response[2] });
  }
  const [method, uri] = first.split(' ');
  return Object.assign(message, { method, uri });
}

const tagOf = value => /;tag=([^;>\s]+)/.exec(value)?.[1] ?? '';
const uriOf = value => /<([^>]+)>/.exec(value)?.[1] ?? value.split(';')[0].trim();

function challenge(value) {
  const fields = {};
  for (const [, name, quoted, bare] of value.matchAll(/(\w+)=(?:"([^"]*)"|([^,\s]+))/g)) {
    fields[name.toLowerCase()] = quoted ?? bare;
  }
  return fields;
}

export class SipPhone extends EventTarget {
  // `url` is the WebSocket of the server; `realm` the host part of our own address.
  constructor({ url, extension, password, realm }) {
    super();
    Object.assign(this, { url, extension, password, realm });
    this.host = `${random()}.invalid`;
    this.aor = `sip:${extension}@${realm}`;
    this.contact = `<sip:${extension}@${this.host};transport=ws>`;
    this.waiting = new Map(); // branch → what to do with responses
    this.calls = new Map(); // Call-ID → Call
    this.registration = { callId: random(), tag: random(), cseq: 0 };
    this.nonceCount = 0;
  }

  tell(type, detail = {}) {
    this.dispatchEvent(Object.assign(new Event(type), detail));
  }

  start() {
    this.stopped = false;
    this.socket = new WebSocket(this.url, 'sip');
    this.socket.onopen = () => this.register(REGISTER_S);
    this.socket.onmessage = async ({ data }) => {
      const text = typeof data === 'string' ? data : await data.text();
      if (text.trim()) this.receive(parse(text));
    };
    this.socket.onclose = () => {
      clearTimeout(this.again);
      this.tell('registered', { registered: false, why: '与服务器的连接断开' });
      if (!this.stopped) this.again = setTimeout(() => this.start(), 2_000 + Math.random() * 3_000);
    };
  }

  async stop() {
    this.stopped = true;
    clearTimeout(this.again);
    for (const call of this.calls.values()) call.hangUp();
    if (this.socket?.readyState === WebSocket.OPEN) await this.register(0);
    this.socket?.close();
  }

  send(text) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  // Sends a request; `onResponse` takes every response until a final one.
  request(method, uri, { callId, from, to, cseq, route = [], headers = [], body = '', branch }, onResponse) {
    const id = branch ?? `z9hG4bK${random()}`;
    if (onResponse) this.waiting.set(`${id} ${method}`, onResponse);
    const type = body ? ['Content-Type: application/sdp'] : [];
    this.send([
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/${this.url.startsWith('wss') ? 'WSS' : 'WS'} ${this.host};branch=${id}`,
      'Max-Forwards: 70',
      ...route.map(value => `Route: ${value}`),
      `From: ${from}`,
      `To: ${to}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} ${method}`,
      `Contact: ${this.contact}`,
      'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO',
      `User-Agent: ${USER_AGENT}`,
      ...headers, ...type,
      `Content-Length: ${new TextEncoder().encode(body).length}`,
      '', body,
    ].join('\r\n'));
    return id;
  }

  respond(request, status, reason, { tag, body = '', headers = [] } = {}) {
    const to = request.one('to');
    this.send([
      `SIP/2.0 ${status} ${reason}`,
      ...request.all('via').map(value => `Via: ${value}`),
      ...request.all('record-route').map(value => `Record-Route: ${value}`),
      `From: ${request.one('from')}`,
      `To: ${tagOf(to) || !tag ? to : `${to};tag=${tag}`}`,
      `Call-ID: ${request.one('call-id')}`,
      `CSeq: ${request.one('cseq')}`,
      `Contact: ${this.contact}`,
      `User-Agent: ${USER_AGENT}`,
      ...headers,
      ...(body ? ['Content-Type: application/sdp'] : []),
      `Content-Length: ${new TextEncoder().encode(body).length}`,
      '', body,
    ].join('\r\n'));
  }

  // The Authorization of a challenge; the server offers SHA-256 first, which every browser can do.
  async authorization(response, method, uri) {
    const header = response.status === 407 ? 'proxy-authenticate' : 'www-authenticate';
    const offered = response.all(header).map(challenge).find(c => /^SHA-256$/i.test(c.algorithm ?? ''));
    if (!offered) return null;
    this.nonceCount += 1;
    const [nc, cnonce] = [this.nonceCount.toString(16).padStart(8, '0'), random()];
    const a1 = await sha256(`${this.extension}:${offered.realm}:${this.password}`);
    const a2 = await sha256(`${method}:${uri}`);
    const answer = await sha256(`${a1}:${offered.nonce}:${nc}:${cnonce}:auth:${a2}`);
    const name = response.status === 407 ? 'Proxy-Authorization' : 'Authorization';
    const opaque = offered.opaque ? `, opaque="${offered.opaque}"` : '';
    return `${name}: Digest username="${this.extension}", realm="${offered.realm}", nonce="${offered.nonce}", `
      + `uri="${uri}", response="${answer}", algorithm=SHA-256, qop=auth, nc=${nc}, cnonce="${cnonce}"${opaque}`;
  }

  register(expires) {
    clearTimeout(this.again);
    const { callId, tag } = this.registration;
    const uri = `sip:${this.realm}`;
    return new Promise(done => {
      const attempt = (headers, tries) => this.request('REGISTER', uri, {
        callId, from: `<${this.aor}>;tag=${tag}`, to: `<${this.aor}>`, cseq: ++this.registration.cseq,
        headers: [`Expires: ${expires}`, ...headers],
      }, async response => {
        if (response.status < 200) return;
        const proof = tries > 0 && [401, 407].includes(response.status)
          ? await this.authorization(response, 'REGISTER', uri) : null;
        if (proof) return attempt([proof], tries - 1);
        const registered = response.status < 300 && expires > 0;
        this.tell('registered', { registered, why: registered ? '' : `${response.status} ${response.reason}` });
        if (registered) this.again = setTimeout(() => this.register(REGISTER_S), REGISTER_S * 700);
        done(registered);
      });
      attempt([], 2);
      setTimeout(() => done(false), ANSWER_MS);
    });
  }

  receive(message) {
    if (message.status) {
      const branch = /;branch=([^;,\s]+)/.exec(message.one('via'))?.[1];
      const key = `${branch} ${message.one('cseq').split(' ')[1]}`;
      const waits = this.waiting.get(key);
      if (waits && message.status >= 200) this.waiting.delete(key);
      if (waits) waits(message);
      else if (message.status >= 200 && message.status < 300) this.calls.get(message.one('call-id'))?.answeredAgain(message);
      return;
    }
    const call = this.calls.get(message.one('call-id'));
    if (call) return call.receive(message);
    if (message.method === 'INVITE' && !tagOf(message.one('to'))) return this.incoming(message);
    if (message.method === 'OPTIONS') return this.respond(message, 200, 'OK', { tag: random() });
    if (message.method !== 'ACK') this.respond(message, 481, 'Call/Transaction Does Not Exist', { tag: random() });
  }

  incoming(invite) {
    if (this.calls.size > 0) return this.respond(invite, 486, 'Busy Here', { tag: random() });
    const call = new Call(this, invite.one('call-id'));
    call.ring(invite);
    this.tell('incoming', { call });
  }

  // Calls a number or an extension.
  async dial(number) {
    const call = new Call(this, random());
    await call.dial(`sip:${encodeURIComponent(number)}@${this.realm}`);
    return call;
  }
}

// One call: its dialog and its RTCPeerConnection. Tells 'state' (ringing, calling, talking, ended).
export class Call extends EventTarget {
  constructor(phone, callId) {
    super();
    Object.assign(this, { phone, callId, state: 'new', cseq: 0, route: [], tag: random() });
    phone.calls.set(callId, this);
  }

  to(state, detail = {}) {
    this.state = state;
    if (state === 'ended') {
      this.phone.calls.delete(this.callId);
      this.peer?.close();
      this.microphone?.getTracks().forEach(track => track.stop());
    }
    this.dispatchEvent(Object.assign(new Event('state'), { state, ...detail }));
  }

  async open() {
    this.microphone = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    this.peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.microphone.getTracks().forEach(track => this.peer.addTrack(track, this.microphone));
    this.peer.ontrack = ({ streams: [stream] }) => {
      this.audio = Object.assign(new Audio(), { srcObject: stream, autoplay: true });
      this.stream = stream;
      this.audio.play().catch(() => {});
      this.dispatchEvent(Object.assign(new Event('audio'), { stream }));
    };
  }

  // The description once every candidate is in it: the server does not trickle.
  async described(description) {
    await this.peer.setLocalDescription(description);
    if (this.peer.iceGatheringState !== 'complete') {
      await Promise.race([
        new Promise(done => { this.peer.onicegatheringstatechange = () => this.peer.iceGatheringState === 'complete' && done(); }),
        new Promise(done => setTimeout(done, 2_000)),
      ]);
    }
    return this.peer.localDescription.sdp;
  }

  ring(invite) {
    this.invite = invite;
    this.local = `${invite.one('to')};tag=${this.tag}`;
    this.remote = invite.one('from');
    this.target = uriOf(invite.one('contact'));
    this.route = invite.all('record-route');
    this.caller = decodeURIComponent(/sips?:([^@;>]+)@/.exec(this.remote)?.[1] ?? '');
    this.id = invite.one('x-qingting-call');
    this.role = invite.one('x-qingting-role');
    this.phone.respond(invite, 180, 'Ringing', { tag: this.tag });
    this.to('ringing');
  }

  async answer() {
    if (this.state !== 'ringing') return;
    try {
      await this.open();
      await this.peer.setRemoteDescription({ type: 'offer', sdp: this.invite.body });
      const sdp = await this.described(await this.peer.createAnswer());
      if (this.state !== 'ringing') return;
      this.phone.respond(this.invite, 200, 'OK', { tag: this.tag, body: sdp });
      this.to('talking');
    } catch (error) {
      this.phone.respond(this.invite, 488, 'Not Acceptable Here', { tag: this.tag });
      this.to('ended', { why: `无法使用麦克风：${error.message}` });
    }
  }

  reject() {
    if (this.state !== 'ringing') return;
    this.phone.respond(this.invite, 486, 'Busy Here', { tag: this.tag });
    this.to('ended', { why: '已拒接' });
  }

  async dial(uri) {
    await this.open();
    const sdp = await this.described(await this.peer.createOffer());
    this.local = `<${this.phone.aor}>;tag=${this.tag}`;
    this.remote = `<${uri}>`;
    this.target = uri;
    this.to('calling');
    const attempt = (headers, tries) => {
      this.cseq += 1;
      const cseq = this.cseq;
      this.branch = this.phone.request('INVITE', uri, {
        callId: this.callId, from: this.local, to: this.remote, cseq, headers, body: sdp,
      }, async response => {
        if (response.status === 401 || response.status === 407) {
          this.acknowledge(uri, response, cseq, this.branch);
          const proof = tries > 0 ? await this.phone.authorization(response, 'INVITE', uri) : null;
          return proof ? attempt([proof], tries - 1) : this.to('ended', { why: '密码不对' });
        }
        if (response.status < 200) {
          this.id ||= response.one('x-qingting-call');
          return this.progress(response);
        }
        if (response.status >= 300) {
          this.acknowledge(uri, response, cseq, this.branch);
          return this.to('ended', { why: `${response.status} ${response.reason}` });
        }
        await this.answered(response, cseq);
      });
    };
    attempt([], 2);
  }

  async progress(response) {
    if (response.body && !this.peer.remoteDescription) {
      await this.peer.setRemoteDescription({ type: 'pranswer', sdp: response.body });
    }
  }

  async answered(response, cseq) {
    this.remote = response.one('to');
    this.target = uriOf(response.one('contact'));
    this.route = response.all('record-route').reverse();
    this.id ||= response.one('x-qingting-call');
    this.inviteCseq = cseq;
    this.answeredAgain(response);
    if (this.cancelled) return this.bye();
    await this.peer.setRemoteDescription({ type: 'answer', sdp: response.body });
    this.to('talking');
  }

  // The ACK of a 2xx, again for each copy of it.
  answeredAgain() {
    if (this.inviteCseq) this.within('ACK', { cseq: this.inviteCseq });
  }

  // The ACK of a refusal has the INVITE's branch (RFC 3261 §17.1.1.3).
  acknowledge(uri, response, cseq, branch) {
    this.phone.request('ACK', uri, { callId: this.callId, from: this.local, to: response.one('to'), cseq, branch });
  }

  within(method, { cseq, body = '', headers = [] } = {}, onResponse) {
    return this.phone.request(method, this.target, {
      callId: this.callId, from: this.local, to: this.remote, route: this.route,
      cseq: cseq ?? ++this.cseq, body, headers,
    }, onResponse);
  }

  hangUp() {
    if (this.state === 'ringing') return this.reject();
    if (this.state === 'calling') {
      this.cancelled = true;
      this.phone.request('CANCEL', this.target, {
        callId: this.callId, from: this.local, to: this.remote, cseq: this.cseq, branch: this.branch,
      });
      return;
    }
    if (this.state === 'talking') this.bye();
  }

  bye() {
    this.within('BYE', {}, () => {});
    this.to('ended', { why: '已挂机' });
  }

  mute(on) {
    this.microphone?.getAudioTracks().forEach(track => { track.enabled = !on; });
  }

  press(key) {
    const sender = this.peer?.getSenders().find(({ dtmf }) => dtmf);
    sender?.dtmf?.insertDTMF(key, 120, 60);
  }

  async receive(request) {
    const reply = (status, reason, more) => this.phone.respond(request, status, reason, { tag: this.tag, ...more });
    switch (request.method) {
      case 'ACK': return;
      case 'BYE':
        reply(200, 'OK');
        return this.to('ended', { why: '对方已挂机' });
      case 'CANCEL':
        reply(200, 'OK');
        if (this.state === 'ringing') {
          this.phone.respond(this.invite, 487, 'Request Terminated', { tag: this.tag });
          this.to('ended', { why: '来电已取消' });
        }
        return;
      case 'INVITE':
      case 'UPDATE': {
        if (request.one('cseq') === this.invite?.one('cseq')) return; // a copy of the first
        if (!request.body) return reply(200, 'OK', { body: request.method === 'INVITE' ? this.peer.localDescription.sdp : '' });
        await this.peer.setRemoteDescription({ type: 'offer', sdp: request.body });
        return reply(200, 'OK', { body: await this.described(await this.peer.createAnswer()) });
      }
      case 'OPTIONS': case 'INFO': case 'NOTIFY': return reply(200, 'OK');
      default: return reply(405, 'Method Not Allowed', { headers: ['Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO'] });
    }
  }
}
