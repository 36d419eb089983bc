// What people read for the names that the API uses.

import { say, spoken } from '../language';

/** A field of the ticket: how it is called and how it is written. */
export interface FieldWords {
  name: string;
  label: string;
  kind: 'line' | 'text' | 'kind' | 'yes';
  /** Columns of twelve. */
  wide: number;
}

/** In the order in which a seat fills them, three or four in a row. `emergency` has its banner. */
export const FIELDS: readonly FieldWords[] = [
  { name: 'title', label: say('标题'), kind: 'line', wide: 12 },
  { name: 'description', label: say('诉求内容'), kind: 'text', wide: 12 },
  { name: 'appeal_kind', label: say('诉求类型'), kind: 'kind', wide: 3 },
  { name: 'category', label: say('事项分类'), kind: 'line', wide: 5 },
  { name: 'handling_unit', label: say('承办单位'), kind: 'line', wide: 4 },
  { name: 'place', label: say('事发地点'), kind: 'line', wide: 8 },
  { name: 'occurred_at', label: say('发生时间'), kind: 'line', wide: 4 },
  { name: 'respondent', label: say('被反映方'), kind: 'line', wide: 4 },
  { name: 'caller_name', label: say('联系人'), kind: 'line', wide: 4 },
  { name: 'phone', label: say('联系电话'), kind: 'line', wide: 4 },
  { name: 'amount', label: say('金额（元）'), kind: 'line', wide: 4 },
  { name: 'plate', label: say('车牌号'), kind: 'line', wide: 4 },
  { name: 'earlier_ticket', label: say('原工单编号'), kind: 'line', wide: 4 },
  { name: 'callback_time', label: say('方便回访时间'), kind: 'line', wide: 4 },
  { name: 'deadline', label: say('办理时限'), kind: 'line', wide: 8 },
  { name: 'confidential', label: say('保密'), kind: 'yes', wide: 4 },
  { name: 'enterprise', label: say('涉企'), kind: 'yes', wide: 4 },
  { name: 'tourism', label: say('涉旅'), kind: 'yes', wide: 4 },
];

export const PARTIES: Record<string, string> = spoken({ caller: '市民', seat: '座席', expert: '专家' });
export const ROLES: Record<string, string> = spoken({
  citizen: '市民', seat: '座席', seat_second_line: '座席二线', expert: '专家', emergency: '紧急服务', supervisor: '班长', other: '对方',
});
export const MODES: Record<string, string> = spoken({ listen: '监听', whisper: '耳语', barge: '强插' });
export const LEGS: Record<string, string> = spoken({ dialling: '呼叫中', ringing: '振铃', answered: '通话', held: '听等候音乐' });
export const SEATS: Record<string, string> = spoken({
  signed_out: '未签入', ready: '空闲', reserved: '来电分配中', ringing: '振铃', talking: '通话中', wrap_up: '话后处理',
  break: '小休', paused: '未接暂停',
});
export const PHASES: Record<string, string> = spoken({
  menu: '语音应答', queued: '排队', offered: '振铃', talking: '通话中', held: '保持中，市民听音乐', consulting: '咨询中，市民等候',
  three_party: '三方通话', transferring: '转接中', ending: '已结束',
});
export const LINES: Record<string, string> = spoken({ ringing: '来电', calling: '呼叫中' });
export const DIRECTIONS: Record<string, string> = spoken({ inbound: '呼入', outbound: '呼出', callback: '回拨' });
export const CALLS: Record<string, string> = spoken({ ringing: '振铃', active: '通话中', ended: '已结束' });
export const MESSAGES: Record<string, string> = spoken({
  pending: '等待发送', sent: '已送达工单系统', parked: '工单系统未接受，已转管理员处理', discarded: '管理员已放弃发送', skipped: '按设置不发送',
});
export const EMERGENCIES: Record<string, string> = spoken({ 110: '公安', 119: '消防', 120: '急救', 122: '交警' });

/** Minutes and seconds. */
export function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
}

/** A time of day in China, which the hotline lives by wherever the browser is. */
export function timeOfDay(ms: number): string {
  return new Intl.DateTimeFormat('zh-CN', { timeZone: 'Asia/Shanghai', hour: '2-digit', minute: '2-digit', hour12: false }).format(ms);
}

/** Day and time of day in China. */
export function dayAndTime(ms: number): string {
  return new Intl.DateTimeFormat('zh-CN', {
    timeZone: 'Asia/Shanghai', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hour12: false,
  }).format(ms);
}

/** When the day of that moment began in China, which has one time zone and no summer time. */
export function chinaMidnight(ms: number): number {
  const [ahead, day] = [8 * 3_600_000, 86_400_000];
  return ms - ((ms + ahead) % day);
}

/** The citizen's number: `caller` whichever way the call went. */
export function citizenOf(call: { caller: string }): string {
  return call.caller;
}
