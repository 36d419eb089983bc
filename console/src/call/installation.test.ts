import { describe, expect, it } from 'vitest';
import { overflowWords, promptUse, size, testWords } from './installation';

describe('the installation', () => {
  it('says where calls go that waited too long', () => {
    expect(['machine', 'busy', 'queue:夜间', 'transfer:057188888888'].map(overflowWords)).toEqual([
      '机器接听并填单', '提示后挂机，记为未接', '转队列 夜间', '转接 057188888888',
    ]);
  });

  it('says what a prompt is for', () => {
    expect(['hotline.greeting', 'numbers.企业.热线.closed', 'numbers.企业.greeting', 'menus.主菜单.say', 'callbacks.满意度', 'other'].map(promptUse)).toEqual([
      '欢迎语', '号码 企业.热线：非工作时间', '号码 企业：欢迎语', '菜单 主菜单', '回访脚本 满意度', 'other',
    ]);
  });

  it('says sizes in units that people compare', () => {
    expect([0, 999, 1_000, 12_345_678, 4e12, 5e15].map(size)).toEqual(['0 B', '999 B', '1.0 kB', '12 MB', '4.0 TB', '5000 TB']);
  });

  it('tells a test call in one line', () => {
    const call = { state: 'up', is_heard: true, rang_after_ms: 400, answered_after_ms: 2_100, codec: 'PCMA' };
    expect(testWords(call)).toBe('已接通，正在放测试音，0.4 秒后振铃，2.1 秒后接听，编码 PCMA，收到对方声音');
    expect(testWords({ state: 'ended', end: 'not_answered', sip_code: 503, is_heard: false })).toBe('没有接通，SIP 码 503');
    expect(testWords({ state: 'dialling', is_heard: false })).toBe('呼叫中');
  });
});
