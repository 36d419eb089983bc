// Lines, prompts and disks in words.

import { say, spoken, t } from '../language';

/** Where a queue's calls go that waited too long. */
export function overflowWords(overflow: string): string {
  const [kind, name = ''] = overflow.split(/:(.*)/);
  if (kind === 'queue') return t('转队列 {name}', { name });
  if (kind === 'transfer') return t('转接 {name}', { name });
  return kind === 'busy' ? t('提示后挂机，记为未接') : t('机器接听并填单');
}

/** What a key of the configuration is to people. */
const USES: Record<string, string> = {
  'hotline.notice': say('录音告知'), 'hotline.greeting': say('欢迎语'), 'hotline.are_you_there': say('无声提示'), 'hotline.farewell': say('结束语'),
  'seats.returned': say('对方未接通'), 'seats.call_back_offer': say('回电提议'), 'seats.call_back_promised': say('答应回电'),
  'seats.three_party': say('三方通话告知'), 'seats.nobody': say('无人接听'), 'queues.position': say('排队位次'), 'seats.music': say('等候音乐'), ringing: say('回铃音'),
};

/** What a prompt is for. */
export function promptUse(used: string): string {
  const [list = '', rest = ''] = used.split(/\.(.*)/);
  if (list === 'numbers') {
    const name = rest.replace(/\.(greeting|closed)$/, '');
    return rest.endsWith('.closed') ? t('号码 {name}：非工作时间', { name }) : t('号码 {name}：欢迎语', { name });
  }
  if (list === 'menus') return t('菜单 {name}', { name: rest.replace(/\.say$/, '') });
  if (list === 'callbacks') return t('回访脚本 {name}', { name: rest });
  return t(USES[used] ?? used);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in the unit that leaves one to three digits before the point. */
export function size(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit ? value.toFixed(value < 10 ? 1 : 0) : value} ${UNITS[unit]}`;
}

/** A test call as the API tells it. */
export interface Tested {
  state: string;
  end?: string | null;
  sip_code?: number | null;
  rang_after_ms?: number | null;
  answered_after_ms?: number | null;
  codec?: string | null;
  is_heard: boolean;
}

const STATES: Record<string, string> = spoken({ dialling: '呼叫中', ringing: '对方振铃', up: '已接通，正在放测试音', ended: '已结束' });
const ENDS: Record<string, string> = spoken({
  done: '测试音放完', stopped: '已手动结束', hung_up: '对方挂机', not_answered: '没有接通', failed: '媒体协商失败',
});

/** Where a test call is, in one line. */
export function testWords(call: Tested): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const parts = [call.state === 'ended' ? ENDS[call.end ?? ''] ?? STATES.ended : STATES[call.state] ?? call.state];
  if (call.end === 'not_answered' && call.sip_code) parts.push(t('SIP 码 {code}', { code: call.sip_code }));
  if (call.rang_after_ms != null) parts.push(t('{seconds} 秒后振铃', { seconds: seconds(call.rang_after_ms) }));
  if (call.answered_after_ms != null) parts.push(t('{seconds} 秒后接听', { seconds: seconds(call.answered_after_ms) }));
  if (call.codec) parts.push(t('编码 {codec}', { codec: call.codec }));
  if (call.answered_after_ms != null) parts.push(call.is_heard ? t('收到对方声音') : t('没有收到对方声音'));
  return parts.join(t('，'));
}
