// The seat's telephone page: signs in, rings, and sends the seat's wishes to the server, which is the
// one that holds, transfers and connects. Only the sound and the line itself are the browser's.

import { SipPhone } from './sip.js';

const $ = id => document.getElementById(id);
const PARTIES = { caller: '市民', seat: '座席', expert: '专家' };
const STATES = {
  signed_out: '未签入', ready: '空闲', reserved: '来电分配中', ringing: '振铃', talking: '通话中',
  wrap_up: '话后处理', break: '小休', paused: '未接暂停',
};
const PHASES = {
  menu: '语音应答', queued: '排队', offered: '振铃', talking: '通话中', held: '保持中', consulting: '咨询中，市民等候',
  three_party: '三方通话', transferring: '转接中', ending: '已结束',
};

let token, phone, call, ticking, events;

async function api(method, path, body) {
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers: { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  const json = text ? JSON.parse(text) : null;
  if (!response.ok) throw new Error(json?.detail ?? `${response.status}`);
  return json;
}

// Shows what went wrong; a seat has no time for a dialog box.
async function attempt(action) {
  $('notice').textContent = '';
  try {
    return await action();
  } catch (error) {
    $('notice').textContent = error.message;
    return undefined;
  }
}

const command = wish => attempt(() => api('POST', `/calls/${call.id}/commands`, wish));
const seatState = state => attempt(() => api('POST', `/seats/${phone.extension}/state`, state));

$('sign-in').onsubmit = async event => {
  event.preventDefault();
  $('sign-in-error').textContent = '';
  const [extension, password] = [$('extension').value.trim(), $('password').value];
  try {
    ({ token } = await api('POST', '/session', { extension, password }));
    const [me, line] = await Promise.all([api('GET', '/me'), settings()]);
    phone = new SipPhone({ url: sipUrl(line), extension, password, realm: line.realm });
    phone.addEventListener('registered', ({ registered, why }) => {
      $('line').textContent = registered ? '话机已注册' : `话机未注册：${why}`;
      if (registered && !phone.signedIn) {
        phone.signedIn = true;
        seatState({ state: 'sign_in' });
      }
    });
    phone.addEventListener('incoming', ({ call: incoming }) => take(incoming));
    phone.start();
    $('password').value = '';
    $('who').textContent = `${me.person ?? me.name}（${extension}）`;
    $('sign-in').hidden = true;
    $('desk').hidden = false;
    listen();
  } catch (error) {
    $('sign-in-error').textContent = error.message;
  }
};

async function settings() {
  return (await fetch('softphone/settings.json')).json();
}

// Where the telephone speaks: the server's WebSocket port on the page's own host.
function sipUrl(line) {
  const secure = location.protocol === 'https:';
  const port = secure ? line.wss_port : line.ws_port;
  if (!port) throw new Error('服务器没有开放浏览器话机端口（sip.listen_wss）');
  return `${secure ? 'wss' : 'ws'}://${location.hostname}:${port}`;
}

function listen() {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  events = new WebSocket(`${scheme}://${location.host}/api/v1/events`, ['qingting', token]);
  events.onmessage = ({ data }) => heard(JSON.parse(data));
  events.onclose = () => { if (token) setTimeout(listen, 3_000); };
}

function heard(message) {
  const event = message.event ?? message;
  switch (event.type) {
    case 'seat_state':
      if (event.extension === phone.extension) $('seat-state').textContent = STATES[event.state] ?? event.state;
      break;
    case 'queue':
      $('waiting').textContent = event.waiting ? `${event.queue} 排队 ${event.waiting}` : '';
      break;
    case 'call_state':
      if (call?.id === event.call) $('call-state').textContent = PHASES[event.phase] ?? event.phase;
      break;
    case 'caption':
      if (call?.id === event.call) caption(event);
      break;
    default:
  }
}

function caption({ segment, party, text, final }) {
  const id = `segment-${segment}`;
  let line = document.getElementById(id);
  if (!text) return line?.remove();
  if (!line) {
    line = Object.assign(document.createElement('li'), { id });
    const who = Object.assign(document.createElement('span'), { className: 'party', textContent: PARTIES[party] ?? party });
    line.append(who, document.createElement('span'));
    $('captions').append(line);
  }
  line.className = final ? '' : 'draft';
  line.lastChild.textContent = text;
  line.scrollIntoView({ block: 'nearest' });
}

function take(next) {
  call = next;
  window.qingtingCall = next; // for tests: what is heard can be measured
  $('captions').replaceChildren();
  $('call').hidden = false;
  $('peer').textContent = next.caller || $('number').value;
  for (const id of ['hold', 'mute', 'pause']) $(id).setAttribute('aria-pressed', 'false');
  const show = () => {
    const words = { ringing: '来电', calling: '呼叫中', talking: '通话中', ended: '已结束' };
    $('call-state').textContent = words[next.state] ?? '';
    $('answer').hidden = next.state !== 'ringing';
    for (const button of document.querySelectorAll('#call button:not(#answer):not(#hang-up)')) {
      button.disabled = next.state !== 'talking';
    }
  };
  next.addEventListener('state', ({ state, why }) => {
    if (call !== next) return;
    show();
    if (state === 'talking') startClock();
    if (state === 'ended') {
      clearInterval(ticking);
      call = undefined;
      $('call').hidden = true;
      $('notice').textContent = why ?? '';
    }
  });
  show();
  if (next.state === 'ringing') $('answer').focus();
}

function startClock() {
  const began = Date.now();
  clearInterval(ticking);
  ticking = setInterval(() => {
    const seconds = Math.floor((Date.now() - began) / 1000);
    $('clock').textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  }, 500);
}

// A switch that stays pressed only when the server agreed.
function toggle(id, on, off) {
  $(id).onclick = async () => {
    const pressed = $(id).getAttribute('aria-pressed') === 'true';
    if (await (pressed ? off() : on()) !== undefined) $(id).setAttribute('aria-pressed', String(!pressed));
  };
}

$('answer').onclick = () => attempt(() => call?.answer());
$('hang-up').onclick = () => call?.hangUp();
toggle('hold', () => command({ command: 'hold' }), () => command({ command: 'resume' }));
toggle('pause', () => command({ command: 'pause_recording' }), () => command({ command: 'resume_recording' }));
toggle('mute', async () => { call.mute(true); return true; }, async () => { call.mute(false); return true; });
$('consult').onclick = () => command({ command: 'consult', to: $('target').value.trim() });
$('expert').onclick = () => command({ command: 'expert', department: $('target').value.trim(), mode: 'consult' });
$('three').onclick = () => command({ command: 'join_consulted' });
$('complete').onclick = () => command({ command: 'complete_transfer' });
$('cancel').onclick = () => command({ command: 'cancel_consult' });
$('transfer').onclick = () => command({ command: 'transfer', to: $('target').value.trim(), blind: true });
for (const button of document.querySelectorAll('.emergency')) {
  button.onclick = () => command({
    command: 'emergency', service: button.dataset.service, mode: $('stay').checked ? 'three_party' : 'transfer',
  });
}
for (const key of '123456789*0#') {
  const button = Object.assign(document.createElement('button'), { textContent: key });
  button.onclick = () => call?.press(key);
  $('keypad').append(button);
}

$('dial').onclick = () => attempt(async () => {
  const number = $('number').value.trim();
  if (number && !call) take(await phone.dial(number));
});
$('ready').onclick = () => seatState({ state: 'ready' });
$('break').onclick = () => seatState({ state: 'break', reason: '小休' });
$('done').onclick = () => seatState({ state: 'wrap_up_done' });
$('sign-out').onclick = async () => {
  await seatState({ state: 'sign_out' });
  await phone.stop();
  await attempt(() => api('DELETE', '/session'));
  token = undefined;
  events?.close();
  location.reload();
};

document.onkeydown = event => {
  if (!call || event.target.tagName === 'INPUT') return;
  if (event.key === 'Enter' && call.state === 'ringing') { event.preventDefault(); call.answer(); }
  if (event.key === 'Escape') call.hangUp();
};
