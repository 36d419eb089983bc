// A SIP user agent over WebSocket (RFC 7118), as small as one line of one seat needs: it registers,
// takes calls and makes them. Sessions are described by the browser's own RTCPeerConnection.

const REGISTER_S = 120;
const ANSWER_MS = 10_000;
const BACK_OFF_MS = [1_000, 30_000];
const COMMON = ['User-Agent: Qingting-softphone', 'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO'];
const WHY = {
  401: '密码不对', 403: '不允许', 404: '号码不存在，或没有中继线路', 407: '密码不对', 408: '无人接听', 480: '对方不在线或无人接听',
  486: '对方忙', 487: '已取消', 488: '无法建立语音', 503: '线路不可用', 600: '对方忙', 603: '对方拒接',
};
const MICROPHONE = {
  NotAllowedError: '没有获得麦克风许可，请在浏览器地址栏允许本页使用麦克风', NotFoundError: '没有找到麦克风，请接上耳麦',
  NotReadableError: '麦克风被其他程序占用',
};

const hex = bytes => [...new Uint8Array(bytes)].map(byte => byte.toString(16).padStart(2, '0')).join('');
const random = () => hex(crypto.getRandomValues(new Uint8Array(8)));
const sha256 = async text => hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
const why = ({ status, reason }) => WHY[status] ?? `${status} ${reason}`;
const tagOf = value => /;tag=([^;>\s]+)/.exec(value)?.[1] ?? '';
const uriOf = value => /<([^>]+)>/.exec(value)?.[1] ?? value.split(';')[0].trim();
const methodOf = message => message.one('cseq').split(' ')[1];
const bodyLines = body => [...(body ? ['Content-Type: application/sdp'] : []),
  `Content-Length: ${new TextEncoder().encode(body).length}`, '', body];

// The microphone, or an error that says what to do.
export async function microphone() {
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new Error(MICROPHONE[error.name] ?? `无法使用麦克风：${error.message}`);
  }
}

// One message: {method, uri} or {status, reason}; headers with lower-case names, in order.
function parse(text) {
  const end = text.indexOf('\r\n\r\n');
  const [first, ...lines] = text.slice(0, end < 0 ? undefined : end).split('\r\n');
  const headers = lines.map(line => [line.split(':', 1)[0].trim().toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]);
  const all = name => headers.filter(([known]) => known === name).map(([, value]) => value);
  const message = { all, one: name => all(name)[0] ?? '', body: end < 0 ? '' : text.slice(end + 4) };
  const [, status, reason] = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(first) ?? [];
  const [method, uri] = first.split(' ');
  return Object.assign(message, status ? { status: Number(status), reason } : { method, uri });
}

function challenge(value) {
  const fields = [...value.matchAll(/(\w+)=(?:"([^"]*)"|([^,\s]+))/g)];
  return Object.fromEntries(fields.map(([, name, quoted, bare]) => [name.toLowerCase(), quoted ?? bare]));
}

// Tells 'registered' ({registered, why}) and 'incoming' ({call}).
export class SipPhone extends EventTarget {
  // `url` is the WebSocket of the server; `realm` the host part of our own address.
  constructor({ url, extension, password, realm }) {
    super();
    Object.assign(this, { url, extension, password, realm });
    this.host = `${random()}.invalid`;
    this.aor = `sip:${extension}@${realm}`;
    this.contact = `<sip:${extension}@${this.host};transport=ws>`;
    this.waiting = new Map(); // branch and method → what to do with responses
    this.calls = new Map(); // Call-ID → Call
    this.registration = { callId: random(), tag: random(), cseq: 0 };
    this.used = { nonce: '', count: 0 };
    this.failures = 0;
  }

  tell(type, detail) {
    this.dispatchEvent(Object.assign(new Event(type), detail));
  }

  start() {
    const socket = this.socket = new WebSocket(this.url, 'sip');
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.register(REGISTER_S);
    socket.onmessage = ({ data }) => {
      const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
      if (text.trim()) this.receive(parse(text));
    };
    socket.onclose = () => {
      this.tell('registered', { registered: false, why: '与服务器的连接断开，正在重连' });
      this.later(() => this.start());
    };
  }

  // Tries again after a while that doubles with every failure in a row, never the same for all seats.
  later(action, wait = Math.min(BACK_OFF_MS[0] * 2 ** this.failures++, BACK_OFF_MS[1]) * (0.5 + Math.random())) {
    clearTimeout(this.again);
    if (!this.stopped) this.again = setTimeout(action, wait);
  }

  async stop() {
    this.stopped = true;
    clearTimeout(this.again);
    for (const call of this.calls.values()) call.hangUp();
    if (this.socket?.readyState === WebSocket.OPEN) await this.register(0);
    this.socket?.close();
  }

  send(lines) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(lines.join('\r\n'));
  }

  // Sends a request; `onResponse` takes every response until a final one. Gives the branch.
  request(method, uri, { callId, from, to, cseq, route = [], headers = [], body = '', branch = `z9hG4bK${random()}` }, onResponse) {
    if (onResponse) this.waiting.set(`${branch} ${method}`, onResponse);
    this.send([
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/${this.url.startsWith('wss') ? 'WSS' : 'WS'} ${this.host};branch=${branch}`,
      'Max-Forwards: 70', ...route.map(value => `Route: ${value}`), `From: ${from}`, `To: ${to}`, `Call-ID: ${callId}`,
      `CSeq: ${cseq} ${method}`, `Contact: ${this.contact}`, ...COMMON, ...headers, ...bodyLines(body),
    ]);
    return branch;
  }

  respond(request, status, reason, { tag, body = '' } = {}) {
    const to = request.one('to');
    const copied = (name, field) => request.all(field).map(value => `${name}: ${value}`);
    this.send([
      `SIP/2.0 ${status} ${reason}`, ...copied('Via', 'via'), ...copied('Record-Route', 'record-route'), ...copied('From', 'from'),
      `To: ${tagOf(to) || !tag ? to : `${to};tag=${tag}`}`, ...copied('Call-ID', 'call-id'), ...copied('CSeq', 'cseq'),
      `Contact: ${this.contact}`, ...COMMON, ...bodyLines(body),
    ]);
  }

  // The credentials that a 401 or 407 asks for; the server offers SHA-256 first, which every browser can do.
  async authorization(response, method, uri) {
    const proxy = response.status === 407;
    const offered = response.all(proxy ? 'proxy-authenticate' : 'www-authenticate').map(challenge);
    const { realm, nonce, opaque } = offered.find(({ algorithm }) => /^sha-256$/i.test(algorithm ?? '')) ?? {};
    if (!nonce) return null;
    this.used = { nonce, count: this.used.nonce === nonce ? this.used.count + 1 : 1 };
    const [nc, cnonce] = [this.used.count.toString(16).padStart(8, '0'), random()];
    const [a1, a2] = await Promise.all([sha256(`${this.extension}:${realm}:${this.password}`), sha256(`${method}:${uri}`)]);
    const answer = await sha256(`${a1}:${nonce}:${nc}:${cnonce}:auth:${a2}`);
    return `${proxy ? 'Proxy-Authorization' : 'Authorization'}: Digest username="${this.extension}", realm="${realm}", `
      + `nonce="${nonce}", uri="${uri}", response="${answer}", algorithm=SHA-256, qop=auth, nc=${nc}, cnonce="${cnonce}"`
      + (opaque ? `, opaque="${opaque}"` : '');
  }

  // Registers for that long, 0 ends it; again before it expires.
  register(expires) {
    clearTimeout(this.again);
    const [{ callId, tag }, uri] = [this.registration, `sip:${this.realm}`];
    return new Promise(done => {
      const attempt = (proof, tries) => this.request('REGISTER', uri, {
        callId, from: `<${this.aor}>;tag=${tag}`, to: `<${this.aor}>`, cseq: ++this.registration.cseq,
        headers: [`Expires: ${expires}`, ...proof],
      }, async response => {
        if (response.status < 200) return;
        const refused = [401, 407].includes(response.status);
        const answer = refused && tries > 0 ? await this.authorization(response, 'REGISTER', uri) : null;
        if (answer) return attempt([answer], tries - 1);
        const registered = response.status < 300 && expires > 0;
        if (registered) this.failures = 0;
        this.tell('registered', { registered, why: registered ? '' : why(response) });
        if (registered) this.later(() => this.register(REGISTER_S), REGISTER_S * 700);
        // A wrong password stays wrong; asked again and again it would lock the seat out.
        else if (!refused) this.later(() => this.register(REGISTER_S));
        done(registered);
      });
      attempt([], 2);
      setTimeout(() => done(false), ANSWER_MS);
    });
  }

  receive(message) {
    const call = this.calls.get(message.one('call-id'));
    if (message.status) {
      const key = `${/;branch=([^;,\s]+)/.exec(message.one('via'))?.[1]} ${methodOf(message)}`;
      const waits = this.waiting.get(key);
      if (message.status >= 200) this.waiting.delete(key);
      if (waits) waits(message);
      else if (message.status >= 200 && message.status < 300 && methodOf(message) === 'INVITE') call?.acknowledgeAnswer();
    } else if (call) call.receive(message);
    else if (message.method === 'INVITE' && !tagOf(message.one('to'))) this.incoming(message);
    else if (message.method === 'OPTIONS') this.respond(message, 200, 'OK', { tag: random() });
    else if (message.method !== 'ACK') this.respond(message, 481, 'Call/Transaction Does Not Exist', { tag: random() });
  }

  incoming(invite) {
    if (this.calls.size > 0) return this.respond(invite, 486, 'Busy Here', { tag: random() });
    const call = new Call(this, invite.one('call-id'));
    call.ring(invite);
    this.tell('incoming', { call });
  }

  // Calls a number or an extension.
  dial(number) {
    const call = new Call(this, random());
    call.dial(`sip:${encodeURIComponent(number)}@${this.realm}`);
    return call;
  }
}

// One call: its dialog and its RTCPeerConnection. Tells 'state' ({why}): ringing or calling, talking, ended.
class Call extends EventTarget {
  constructor(phone, callId) {
    super();
    Object.assign(this, { phone, callId, state: 'calling', cseq: 0, route: [], tag: random() });
    phone.calls.set(callId, this);
  }

  to(state, reason = '') {
    if (this.state === 'ended') return;
    this.state = state;
    if (state === 'ended') {
      this.phone.calls.delete(this.callId);
      this.peer?.close();
      this.microphone?.getTracks().forEach(track => track.stop());
    }
    this.dispatchEvent(Object.assign(new Event('state'), { why: reason }));
  }

  async open() {
    this.microphone = await microphone();
    this.peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.microphone.getTracks().forEach(track => this.peer.addTrack(track, this.microphone));
    this.peer.ontrack = ({ streams: [stream] }) => {
      this.stream = stream;
      this.audio = Object.assign(new Audio(), { srcObject: stream, autoplay: true });
    };
  }

  // No candidate of ours is waited for: the server is a lite agent, which learns them from our checks.
  async described(description) {
    await this.peer.setLocalDescription(description);
    return this.peer.localDescription.sdp;
  }

  async answerTo(sdp) {
    await this.peer.setRemoteDescription({ type: 'offer', sdp });
    return this.described(await this.peer.createAnswer());
  }

  ring(invite) {
    const user = /sips?:([^@;>]+)@/.exec(invite.one('from'))?.[1] ?? '';
    Object.assign(this, {
      invite, local: `${invite.one('to')};tag=${this.tag}`, remote: invite.one('from'), target: uriOf(invite.one('contact')),
      route: invite.all('record-route'), party: user.replace(/%23/g, '#'), id: invite.one('x-qingting-call'),
    });
    this.phone.respond(invite, 180, 'Ringing', { tag: this.tag });
    // Made ready while it rings, so that the first word after the answer is heard; but for the local
    // description, which starts checks that nobody answers yet, ever more seldom.
    this.ready = this.open().then(() => this.peer.setRemoteDescription({ type: 'offer', sdp: invite.body }))
      .then(() => this.peer.createAnswer());
    this.ready.catch(() => {});
    this.to('ringing');
  }

  async answer() {
    if (this.state !== 'ringing' || this.answering) return;
    this.answering = true;
    try {
      const body = await this.described(await this.ready);
      if (this.state !== 'ringing') return;
      this.phone.respond(this.invite, 200, 'OK', { tag: this.tag, body });
      this.to('talking');
    } catch (error) {
      this.phone.respond(this.invite, 480, 'Temporarily Unavailable', { tag: this.tag });
      this.to('ended', error.message);
    }
  }

  async dial(uri) {
    Object.assign(this, { local: `<${this.phone.aor}>;tag=${this.tag}`, remote: `<${uri}>`, target: uri });
    try {
      await this.open();
      const body = await this.described(await this.peer.createOffer());
      if (this.cancelled) this.to('ended', '已取消');
      else this.invites(uri, body, [], 2);
    } catch (error) {
      this.to('ended', error.message);
    }
  }

  invites(uri, body, headers, tries) {
    const of = { callId: this.callId, from: this.local, cseq: ++this.cseq };
    const branch = this.phone.request('INVITE', uri, { ...of, to: this.remote, headers, body }, async response => {
      this.id ||= response.one('x-qingting-call');
      if (response.status < 200) return this.progress(response);
      if (response.status < 300) return this.answered(response);
      // The ACK of a refusal has the INVITE's branch (RFC 3261 §17.1.1.3).
      this.phone.request('ACK', uri, { ...of, to: response.one('to'), branch });
      const refused = [401, 407].includes(response.status) && tries > 0 && !this.cancelled;
      const proof = refused ? await this.phone.authorization(response, 'INVITE', uri) : null;
      if (proof) this.invites(uri, body, [proof], tries - 1);
      else this.to('ended', why(response));
    });
    // A CANCEL must not overtake its INVITE (§9.1): it waits for the first provisional response.
    this.cancel = () => this.phone.request('CANCEL', uri, { ...of, to: this.remote, branch });
    this.isHeardOf = false;
  }

  async progress(response) {
    this.isHeardOf = true;
    if (this.cancelled) return this.cancel();
    if (response.body) await this.peer.setRemoteDescription({ type: 'pranswer', sdp: response.body }).catch(() => {});
    this.to('calling');
  }

  async answered(response) {
    Object.assign(this, { remote: response.one('to'), target: uriOf(response.one('contact')), invited: this.cseq,
      route: response.all('record-route').reverse() });
    this.acknowledgeAnswer();
    if (this.cancelled) return this.bye('已取消');
    try {
      await this.peer.setRemoteDescription({ type: 'answer', sdp: response.body });
      this.to('talking');
    } catch {
      this.bye('无法建立语音');
    }
  }

  // The ACK of a 2xx, again for each copy of it (§13.2.2.4).
  acknowledgeAnswer() {
    if (this.invited) this.within('ACK', this.invited);
  }

  within(method, cseq = ++this.cseq) {
    const { callId, local: from, remote: to, route } = this;
    this.phone.request(method, this.target, { callId, from, to, route, cseq });
  }

  hangUp() {
    if (this.state === 'talking') return this.bye('已挂机');
    if (this.state === 'calling') {
      this.cancelled = true;
      if (this.isHeardOf) this.cancel();
    } else if (this.state === 'ringing') {
      this.phone.respond(this.invite, 486, 'Busy Here', { tag: this.tag });
      this.to('ended', '已拒接');
    }
  }

  bye(reason) {
    this.within('BYE');
    this.to('ended', reason);
  }

  mute(on) {
    this.microphone?.getAudioTracks().forEach(track => { track.enabled = !on; });
  }

  press(key) {
    this.peer?.getSenders().find(({ dtmf }) => dtmf?.canInsertDTMF)?.dtmf.insertDTMF(key, 120, 60);
  }

  async receive(request) {
    const reply = (status, reason, body) => this.phone.respond(request, status, reason, { tag: this.tag, body });
    if (request.method === 'ACK') {
      if (this.owed && request.body) await this.peer.setRemoteDescription({ type: 'answer', sdp: request.body }).catch(() => {});
      this.owed = false;
    } else if (request.method === 'BYE') {
      reply(200, 'OK');
      this.to('ended', this.farewell ?? '对方已挂机');
    } else if (request.method === 'CANCEL') {
      reply(200, 'OK');
      if (this.state !== 'ringing') return;
      this.phone.respond(this.invite, 487, 'Request Terminated', { tag: this.tag });
      this.to('ended', '来电已取消');
    } else if (request.method === 'INVITE' && request.one('cseq') === this.invite?.one('cseq')) {
      // A copy of the first.
    } else if (request.method === 'INVITE' || (request.method === 'UPDATE' && request.body)) {
      this.owed = !request.body;
      const described = this.owed ? this.peer.createOffer().then(offer => this.described(offer)) : this.answerTo(request.body);
      await described.then(body => reply(200, 'OK', body), () => reply(488, 'Not Acceptable Here'));
    } else if (['UPDATE', 'OPTIONS', 'INFO', 'NOTIFY'].includes(request.method)) reply(200, 'OK');
    else reply(405, 'Method Not Allowed');
  }
}
