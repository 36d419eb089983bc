// The seat's telephone page: signs in, rings, and sends the seat's wishes to the server, which is the
// one that holds, transfers and connects. Only the sound and the line itself are the browser's.

import { SipPhone, microphone } from './sip.js';

const $ = id => document.getElementById(id);
const PARTIES = { caller: '市民', seat: '座席', expert: '专家' };
const ROLES = {
  citizen: '市民', seat: '座席', seat_second_line: '座席二线', expert: '专家', emergency: '紧急服务', supervisor: '班长', other: '对方',
};
const LEGS = { dialling: '呼叫中', ringing: '振铃', answered: '通话', held: '听等候音乐' };
const SEATS = {
  signed_out: '未签入', ready: '空闲', reserved: '来电分配中', ringing: '振铃', talking: '通话中', wrap_up: '话后处理',
  break: '小休', paused: '未接暂停',
};
const PHASES = {
  menu: '语音应答', queued: '排队', offered: '振铃', talking: '通话中', held: '保持中，市民听音乐', consulting: '咨询中，市民等候',
  three_party: '三方通话', transferring: '转接中', ending: '已结束',
};
const LINES = { ringing: '来电', calling: '呼叫中' };
const REFUSED = { 401: '登录已失效，请重新签入', 403: '没有权限', 404: '没有找到', 429: '尝试太多，请稍后再试', 503: '服务器暂时不可用' };

let token, phone, call, ticking, events, lastEvent, seatChanges = 0;

async function api(method, path, body) {
  const response = await fetch(`/api/v1${path}`, {
    method, body: body && JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
  }).catch(() => { throw new Error('服务器没有回应，请检查网络'); });
  const json = await response.json().catch(() => null);
  if (response.ok) return json;
  // What the switchboard says is for people; other details are for programs.
  const isForPeople = /[\u4e00-\u9fff]/.test(json?.detail);
  throw Object.assign(new Error(isForPeople ? json.detail : REFUSED[response.status] ?? `操作没有成功（${response.status}）`), response);
}

// Shows what went wrong; a seat has no time for a dialog box.
async function attempt(action) {
  $('notice').textContent = '';
  try { return await action(); } catch (error) { $('notice').textContent = error.message; }
}

const command = wish => attempt(() => api('POST', `/calls/${call.id}/commands`, wish));
const seatState = state => attempt(() => api('POST', `/seats/${phone.extension}/state`, state));

$('sign-in').onsubmit = async event => {
  event.preventDefault();
  const [extension, password] = [$('extension').value.trim(), $('password').value];
  $('sign-in-error').textContent = '';
  $('enter').disabled = true;
  try {
    (await microphone()).getTracks().forEach(track => track.stop());
    const session = await api('POST', '/session', { extension, password }).catch(error => {
      throw error.message === REFUSED[401] ? new Error('分机号或密码不对') : error;
    });
    token = session.token;
    await begin(session, extension, password);
  } catch (error) {
    $('sign-in-error').textContent = error.message;
  }
  $('enter').disabled = false;
};

async function begin({ person, name }, extension, password) {
  const line = await (await fetch('softphone/settings.json')).json();
  const secure = location.protocol === 'https:';
  const port = secure ? line.wss_port : line.ws_port;
  if (!port && !line.url) throw new Error('服务器没有开放浏览器话机端口（sip.listen_wss）');
  phone = new SipPhone({ url: line.url ?? `${secure ? 'wss' : 'ws'}://${location.hostname}:${port}`, extension, password, realm: line.realm });
  phone.addEventListener('registered', ({ registered, why }) => {
    $('line').textContent = registered ? '话机已注册' : `话机未注册：${why}`;
    $('line').className = registered ? 'good' : 'bad';
  });
  phone.addEventListener('incoming', ({ call: incoming }) => take(incoming));
  phone.start();
  listen();
  $('password').value = '';
  $('who').textContent = `${person ?? name}（${extension}）`;
  [$('sign-in').hidden, $('desk').hidden] = [true, false];
  $('number').focus();
}

function listen() {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const after = lastEvent === undefined ? '' : `?after=${lastEvent}`;
  events = new WebSocket(`${scheme}://${location.host}/api/v1/events${after}`, ['qingting', token]);
  events.onopen = async () => {
    const before = seatChanges;
    const seats = await api('GET', '/seats').catch(() => []);
    const own = seats.find(({ extension }) => extension === phone.extension);
    // A change that came while the answer was on its way is newer than it.
    if (own?.now && seatChanges === before) seatIs(own.now);
  };
  events.onmessage = ({ data }) => heard(JSON.parse(data));
  events.onclose = ({ code }) => {
    if (code === 1008) $('notice').textContent = REFUSED[401];
    else if (token) setTimeout(listen, 3_000);
  };
}

function heard(event) {
  lastEvent = event.seq ?? lastEvent;
  if (event.type === 'seat_state' && event.extension === phone.extension) seatIs(event);
  if (event.type === 'recognition') $('recognition').textContent = event.notice;
  if (event.type === 'incident') incidentIs(event.incident);
  if (event.type === 'queue') $('waiting').textContent = event.waiting ? `${event.queue}排队 ${event.waiting}` : '';
  if (!call?.id || call.id !== event.call) return;
  if (event.type === 'caption') caption(event);
  if (event.type === 'caption_gap') gapIs(event);
  if (event.type === 'repeats') repeatsAre(event.repeats);
  if (event.type === 'ticket_updated' && event.changed.includes('place')) lookUpLocation(call).catch(() => {});
  if (event.type === 'knowledge') knowledgeIs(event.entries);
  if (event.type === 'call_state') Object.assign(call, { phase: event.phase, isPaused: event.recording_paused });
  if (event.type === 'call_leg') legIs(event);
  show();
}

function seatIs({ state, reason }) {
  seatChanges += 1;
  $('seat-state').textContent = (SEATS[state] ?? state) + (reason && state === 'break' ? `：${reason}` : '');
  $('ready').disabled = !['break', 'paused', 'signed_out'].includes(state);
  $('break').disabled = ['break', 'signed_out'].includes(state);
  $('done').disabled = state !== 'wrap_up';
}

function legIs({ leg, ...is }) {
  const before = call.legs.get(leg)?.state;
  const isOver = is.state === 'ended';
  const isRungInVain = isOver && is.role !== 'supervisor' && ['dialling', 'ringing'].includes(before);
  if (isRungInVain) $('notice').textContent = `${ROLES[is.role]} ${is.target} 没有接通`;
  if (isOver) call.legs.delete(leg);
  else call.legs.set(leg, is);
}

function caption({ segment, party, text, final }) {
  const id = `segment-${segment}`;
  let line = $(id);
  if (!text) return line?.remove();
  if (!line) {
    line = Object.assign(document.createElement('li'), { id });
    const who = Object.assign(document.createElement('span'), { className: `party ${party}`, textContent: PARTIES[party] ?? party });
    line.append(who, document.createElement('span'));
    $('captions').append(line);
  }
  line.className = final ? '' : 'draft';
  line.lastChild.textContent = text;
  $('captions').scrollTop = $('captions').scrollHeight;
}

function gapIs({ party, from_ms, to_ms }) {
  const id = `gap-${party}-${from_ms}`;
  $(id)?.remove();
  const line = Object.assign(document.createElement('li'), { id, className: 'gap' });
  const seconds = Math.max(1, Math.round((to_ms - from_ms) / 1_000));
  line.textContent = `${PARTIES[party] ?? party}有约 ${seconds} 秒没有识别`;
  $('captions').append(line);
}

// A closed list that a seat opens when there is time; nothing moves under the hand.
function listed(id, title, lines) {
  const [summary, list] = $(id).children;
  $(id).hidden = !lines.length;
  summary.textContent = `${title}（${lines.length}）`;
  list.replaceChildren(...lines.map(textContent => Object.assign(document.createElement('li'), { textContent })));
}

const repeatsAre = repeats => listed('repeats', '可能是重复来电', repeats.map(({ number, title, place, reasons }) =>
  `${number} ${title ?? place ?? ''} — ${reasons.join('；')}`));
// An ambiguous place is told with all that it may be; the seat asks.
const locationIs = ({ place, divisions }) => listed('location', divisions.length > 1 ? `${place}，请确认所在区划` : place ?? '',
  divisions.map(({ names, share }) => names.join('') + (divisions.length > 1 ? `（${Math.round(share * 100)}%）` : '')));
async function lookUpLocation(known) {
  const found = await api('GET', `/calls/${known.id}/location`);
  if (call === known) locationIs(found);
}
const knowledgeIs = entries => listed('knowledge', '知识库', entries.map(({ title, answer, source, valid_from, valid_to }) =>
  `${title}：${answer}（${source}，${valid_from} 起${valid_to ? `，至 ${valid_to}` : ''}）`));

let fading;
function incidentIs({ place, words, callers }) {
  $('incident').textContent = `${place}一小时内已有 ${callers} 人来电${words.length ? `：${words.join('、')}` : ''}`;
  clearTimeout(fading);
  fading = setTimeout(() => { $('incident').textContent = ''; }, 3_600_000);
}

// The call that the page shows from now on.
function take(next, party = next.party) {
  call = Object.assign(next, { legs: new Map() });
  window.qingtingCall = next; // for tests: what is heard can be measured
  $('captions').replaceChildren();
  repeatsAre([]);
  locationIs({ divisions: [] });
  knowledgeIs([]);
  [$('notice').textContent, $('clock').textContent, $('target').value] = ['', '', ''];
  $('mute').setAttribute('aria-pressed', 'false');
  $('peer').textContent = party === 'anonymous' ? '号码隐藏' : party;
  next.addEventListener('state', ({ why }) => {
    if (next.state === 'talking') startClock();
    if (next.state === 'ended') {
      clearInterval(ticking);
      call = undefined;
      $('notice').textContent = why;
      $('number').focus();
    }
    show();
  });
  show();
  if (next.state === 'ringing') $('answer').focus();
}

// What happened in the call before the page could hear of it.
async function catchUp(known) {
  const [{ now }, { segments }] = await Promise.all([api('GET', `/calls/${known.id}`), api('GET', `/calls/${known.id}/transcript`)]);
  if (call !== known) return;
  for (const leg of now?.legs ?? []) if (!known.legs.has(leg.leg)) legIs(leg);
  known.phase ??= now?.phase;
  for (const { id, ...said } of segments) if (!$(`segment-${id}`)) caption({ segment: id, final: true, ...said });
  show();
  const { repeats } = await api('GET', `/calls/${known.id}/repeats`);
  if (call === known) repeatsAre(repeats);
  await lookUpLocation(known);
}

// What can be seen and done now.
function show() {
  const ringing = call?.state === 'ringing';
  document.title = ringing ? '☎ 来电 — 倾听' : '倾听 · 座席电话';
  ring(ringing);
  [$('call').hidden, $('dial-pad').hidden] = [!call, Boolean(call)];
  if (!call) return;
  if (call.id && !call.isCaughtUp) {
    call.isCaughtUp = true;
    catchUp(call).catch(() => {});
  }
  const talks = call.state === 'talking';
  const legs = [...call.legs.values()];
  // A supervisor who listens or whispers changes nothing for the seat.
  const isListening = ({ role, target }) => role === 'supervisor' && target !== phone.extension;
  const seeks = talks
    && legs.find(({ role, state }) => !['citizen', 'supervisor'].includes(role) && ['dialling', 'ringing'].includes(state));
  // Whoever is asked or joined in does not lead the call while its seat is there.
  const leads = legs.every(({ role, target }) => role !== 'seat' || target === phone.extension);
  const is = (...phases) => talks && leads && !seeks && phases.includes(call.phase);
  const wanted = $('target').value.trim();
  const can = {
    hold: is('talking', 'held', 'three_party'), mute: talks, pause: talks && leads, consult: is('talking', 'held') && wanted,
    expert: is('talking', 'held') && wanted, transfer: is('talking', 'held') && wanted, three: is('consulting'),
    complete: is('consulting'), cancel: is('consulting') || (seeks && leads),
  };
  for (const [id, possible] of Object.entries(can)) $(id).disabled = !possible;
  for (const button of document.querySelectorAll('.emergency')) button.disabled = !is('talking', 'held', 'three_party');
  for (const button of $('keypad').children) button.disabled = !talks;
  $('answer').hidden = !ringing;
  $('hang-up').firstChild.textContent = { ringing: '拒接 ', calling: '取消 ' }[call.state] ?? '挂机 ';
  $('hold').setAttribute('aria-pressed', call.phase === 'held');
  $('pause').setAttribute('aria-pressed', Boolean(call.isPaused));
  $('call-state').textContent = LINES[call.state] ?? (seeks ? `正在接通${ROLES[seeks.role]}` : PHASES[call.phase] ?? '通话中');
  $('legs').replaceChildren(...legs.filter(leg => !isListening(leg)).map(({ role, target, state, muted }) => Object.assign(document.createElement('li'), {
    textContent: `${target === phone.extension ? '我' : ROLES[role] ?? role} ${target} · ${muted ? '静音' : LEGS[state] ?? state}`,
    className: state,
  })));
}

// The ringing tone of Chinese exchanges: 450 Hz, 1 s on, 4 s off.
let tone;
function ring(on) {
  if (on === Boolean(tone)) return;
  if (!on) tone = tone.close();
  else tone = new AudioContext();
  if (!on) return (tone = undefined);
  const [source, level] = [tone.createOscillator(), tone.createGain()];
  source.frequency.value = 450;
  level.gain.value = 0;
  for (let at = 0; at < 60; at += 5) level.gain.setValueAtTime(0.1, at).setValueAtTime(0, at + 1);
  source.connect(level).connect(tone.destination);
  source.start();
}

function startClock() {
  const began = Date.now();
  clearInterval(ticking);
  ticking = setInterval(() => {
    const seconds = Math.floor((Date.now() - began) / 1000);
    $('clock').textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  }, 500);
}

const isPressed = id => $(id).getAttribute('aria-pressed') === 'true';
const target = () => $('target').value.trim();
const clicks = {
  answer: () => call?.answer(),
  'hang-up': () => call?.hangUp(),
  hold: () => command({ command: isPressed('hold') ? 'resume' : 'hold' }),
  pause: () => command({ command: isPressed('pause') ? 'resume_recording' : 'pause_recording' }),
  mute() {
    call.mute(!isPressed('mute'));
    $('mute').setAttribute('aria-pressed', !isPressed('mute'));
  },
  consult: () => command({ command: 'consult', to: target() }),
  expert: () => command({ command: 'expert', department: target(), mode: 'consult' }),
  transfer: () => leave({ command: 'transfer', to: target(), blind: true }),
  three: () => command({ command: 'join_consulted' }),
  complete: () => leave({ command: 'complete_transfer' }),
  cancel: () => command({ command: 'cancel_consult' }),
  ready: () => seatState({ state: 'ready' }),
  break: () => seatState({ state: 'break', reason: '小休' }),
  done: () => seatState({ state: 'wrap_up_done' }),
  async 'sign-out'() {
    await seatState({ state: 'sign_out' });
    await phone.stop();
    await attempt(() => api('DELETE', '/session'));
    location.reload();
  },
};
for (const [id, action] of Object.entries(clicks)) $(id).onclick = action;

// The server ends our leg when the call is somebody else's.
function leave(wish) {
  call.farewell = '已转接';
  return command(wish);
}

for (const button of document.querySelectorAll('.emergency')) {
  button.onclick = () => command({ command: 'emergency', service: button.dataset.service, mode: $('stay').checked ? 'three_party' : 'transfer' });
}
for (const key of '123456789*0#') {
  $('keypad').append(Object.assign(document.createElement('button'), { textContent: key, id: `key-${key}`, onclick: () => call?.press(key) }));
}
$('target').oninput = show;
$('dial-pad').onsubmit = event => {
  event.preventDefault();
  const number = $('number').value.replace(/[\s-]/g, '');
  if (!number || !phone || call) return;
  $('number').value = '';
  take(phone.dial(number), number);
};

document.onkeydown = event => {
  const isField = event.target.tagName === 'INPUT';
  if (!call || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === 'Enter' && call.state === 'ringing' && (event.target.tagName !== 'BUTTON' || event.target.id === 'answer')) {
    event.preventDefault();
    call.answer();
  } else if (event.key === 'Escape') {
    if (isField) event.target.blur();
    else call.hangUp();
  } else if (!isField && call.state === 'talking' && /^[0-9*#]$/.test(event.key)) call.press(event.key);
};
// A seat that goes away in the middle of a call hangs up, and is asked first.
addEventListener('beforeunload', event => { if (call) event.preventDefault(); });
addEventListener('pagehide', () => call?.hangUp());
