// Handling of a ticket (办理) in words: stages, steps and what they need, the time that is left, the history as lines.

import { say, t } from '../language';
import { FIELDS } from './words';

/** Where a ticket is, in the order of its way. */
export const STAGES: Record<string, string> = {
  accepted: say('受理'), dispatched: say('转办'), in_handling: say('承办'), closed: say('办结'), follow_up: say('回访'), archived: say('归档'),
};

/** What may be asked for beside a stage. */
export const STATUSES: Record<string, string> = { draft: say('草稿'), imported: say('历史导入') };

/** A step and what its form asks for. */
export interface StepWords {
  label: string;
  unit?: 'must' | 'may';
  deadline?: 'must' | 'may';
  /** How the note is called, where one is needed. */
  note?: string;
}

/** Steps that people take. */
export const STEPS: Record<string, StepWords> = {
  dispatch: { label: say('转办'), unit: 'must', deadline: 'may' },
  sign: { label: say('签收') },
  return: { label: say('退回'), note: say('退回原因') },
  extend: { label: say('延期'), deadline: 'must', note: say('延期原因') },
  supervise: { label: say('督办'), note: say('督办原因') },
  close: { label: say('办结'), note: say('办理结果') },
  redo: { label: say('重办'), unit: 'may', deadline: 'may', note: say('重办原因') },
  archive: { label: say('归档') },
};

/** Every step, those of follow-ups too. */
const DONE: Record<string, string> = {
  ...Object.fromEntries(Object.entries(STEPS).map(([name, { label }]) => [name, label])),
  follow_up: say('转入回访'), satisfied: say('回访满意'), dissatisfied: say('回访不满意，待决定'), unanswered: say('未能回访，待决定'),
};

/** What a follow-up came to, beside the stage. */
export const HEARD: Record<string, string> = { satisfied: say('市民满意'), dissatisfied: say('市民不满意，请决定重办或归档'), unanswered: say('未能回访，请决定重办或归档') };

const BY: Record<string, string> = { machine: say('系统'), 'ticket-system': say('工单系统'), admin: say('管理员') };

/** Fields as they are shown here; the draft has a banner for what is urgent. */
export const SHOWN: readonly { name: string; label: string; kind: string }[] = [{ name: 'emergency', label: say('紧急'), kind: 'line' }, ...FIELDS];

const MINUTE_MS = 60_000;

/** How long until then, or since then, in the two largest units. */
export function span(ms: number): string {
  const minutes = Math.floor(Math.abs(ms) / MINUTE_MS);
  const [days, hours, rest] = [Math.floor(minutes / 1_440), Math.floor((minutes % 1_440) / 60), minutes % 60];
  if (days) return t('{days} 天 {hours} 小时', { days, hours });
  return hours ? t('{hours} 小时 {minutes} 分', { hours, minutes: rest }) : t('{minutes} 分', { minutes: rest });
}

/** What is left of an open ticket's time, in words that need no colour. */
export function timeLeft(deadline: number, now: number): string {
  return deadline < now ? t('已超期 {span}', { span: span(now - deadline) }) : t('还剩 {span}', { span: span(deadline - now) });
}

/** A moment that somebody chose in China's time, of `YYYY-MM-DDTHH:MM`; none where it is not one. */
export function moment(local: string): number | undefined {
  const at = Date.parse(`${local}:00+08:00`);
  return Number.isNaN(at) ? undefined : at;
}

/** A line of the history. */
export interface Line {
  revision: number;
  at: number;
  by: string;
  what: string;
  note: string;
}

interface Revision { revision: number; at: number; by: string; erased?: boolean; changes: Record<string, string | null> }
interface Step { revision: number; step: string; unit?: string | null; deadline?: number | null; at: number; by: string; note: string }

const labelOf = (field: string) => t(SHOWN.find(({ name }) => name === field)?.label ?? field);
const personOf = (by: string) => (by in BY ? t(BY[by] ?? by) : by);

/** Who wrote and did what, oldest first. What the machine filled while somebody spoke is one line. */
export function lines(history: { revisions: readonly Revision[]; steps: readonly Step[] }, dayAndTime: (at: number) => string): Line[] {
  const all: Line[] = [];
  let filled: { line: Line; fields: Set<string> } | null = null;
  for (const { revision, at, by, erased, changes } of history.revisions) {
    const names = Object.keys(changes);
    const line = { revision, at, by: personOf(by), what: '', note: '' };
    if (by === 'machine') {
      if (!names.length) continue;
      if (!filled) all.push((filled = { line, fields: new Set() }).line);
      for (const name of names) filled.fields.add(name);
      Object.assign(filled.line, { revision, at, what: t('填写'), note: [...filled.fields].map(labelOf).join(t('、')) });
      continue;
    }
    filled = null;
    const values = names.map((name) => `${labelOf(name)}${t('：')}${changes[name] || t('清空')}`);
    all.push({ ...line, what: erased ? t('已按法删除') : names.length ? t('修改') : t('受理'), note: values.join(t('；')) });
  }
  for (const { revision, step, unit, deadline, at, by, note } of history.steps) {
    const said = [unit, deadline && t('限 {at} 前', { at: dayAndTime(deadline) }), note].filter(Boolean).join(t('；'));
    all.push({ revision, at, by: personOf(by), what: t(DONE[step] ?? step), note: said });
  }
  return all.sort((a, b) => a.revision - b.revision);
}
