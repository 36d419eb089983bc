import { describe, expect, it } from 'vitest';
import { lines, moment, span, timeLeft } from './handling';

const MINUTE = 60_000;
const at = (ms: number) => `@${ms}`;

describe('handling', () => {
  it('says how much time is left in words', () => {
    expect(span(59_999)).toBe('0 分');
    expect(span(61 * MINUTE)).toBe('1 小时 1 分');
    expect(span(-(2 * 1_440 + 3 * 60 + 4) * MINUTE)).toBe('2 天 3 小时');
    expect(timeLeft(10 * MINUTE, 0)).toBe('还剩 10 分');
    expect(timeLeft(0, 90 * MINUTE)).toBe('已超期 1 小时 30 分');
  });

  it('tells an erasure from an acceptance', () => {
    const revisions = [{ revision: 1, at: 1, by: '801', changes: {} }, { revision: 2, at: 2, by: 'admin', erased: true, changes: {} }];
    expect(lines({ revisions, steps: [] }, at).map(({ by, what }) => `${by} ${what}`)).toEqual(['801 受理', '管理员 已按法删除']);
  });

  it('reads what was chosen as a time of China', () => {
    expect(moment('2026-01-01T00:00')).toBe(1_767_196_800_000);
    expect(moment('')).toBeUndefined();
  });

  it('tells the history in its order, the machine in one line', () => {
    const revision = (number: number, by: string, changes: Record<string, string | null>) => ({ revision: number, at: number, by, changes });
    const step = { revision: 6, step: 'dispatch', unit: '城管局', deadline: 99, at: 6, by: '901', note: '' };
    const history = {
      revisions: [
        revision(0, 'machine', {}), revision(1, 'machine', { title: '路灯' }), revision(2, 'machine', { title: '路灯不亮', place: '翠湖' }),
        revision(3, '801', { place: '翠湖小区', plate: null }), revision(4, 'machine', { amount: '3' }), revision(5, '801', {}),
      ],
      steps: [step, { ...step, revision: 7, step: 'satisfied', unit: null, deadline: null, by: 'machine' }],
    };
    expect(lines(history, at).map(({ by, what, note }) => `${by} ${what} ${note}`)).toEqual([
      '系统 填写 标题、事发地点', '801 修改 事发地点：翠湖小区；车牌号：清空', '系统 填写 金额（元）', '801 受理 ', '901 转办 城管局；限 @99 前', '系统 回访满意 ',
    ]);
  });
});
