// What people read for the names that callbacks use.

import { spoken } from '../language';

export const QUESTIONS: Record<string, string> = spoken({
  right_person: '是否本人', contacted: '是否联系过', resolved: '是否解决', satisfied: '是否满意', reason: '原因', anything_else: '其他意见',
  when_to_call: '何时再打', confirm: '复述确认',
});
export const ANSWERS: Record<string, string> = spoken({
  yes: '是', partly: '部分', no: '否', very_satisfied: '非常满意', satisfied: '满意', fairly_satisfied: '基本满意', dissatisfied: '不满意',
  very_dissatisfied: '非常不满意', because: '说了原因', wrong_person: '不是本人', busy: '不方便', call_later: '改时间再打',
  stop_calling: '不要再打', hand_to_person: '转人工', other: '其他',
});
/** What a person may put in the place of the machine's reading, by question. */
export const CHOICES: Record<string, readonly string[]> = {
  contacted: ['yes', 'no'],
  resolved: ['yes', 'partly', 'no'],
  satisfied: ['very_satisfied', 'satisfied', 'fairly_satisfied', 'dissatisfied', 'very_dissatisfied'],
};
export const STATUSES: Record<string, string> = spoken({
  completed: '完成', partial: '部分回答', handed_over: '转人工', refused: '拒绝回访', wrong_number: '号码不对', unreached: '未联系上',
  cancelled: '已取消',
});
export const OUTCOMES: Record<string, string> = spoken({
  completed: '完成', stop_calling: '拒绝再访', wrong_person: '非本人', call_later: '约定再访', person_busy: '不便接听', silent: '无人说话',
  unclear: '未听清', handed_over: '转人工', hung_up: '中途挂断', voicemail: '语音信箱', network_announcement: '网络提示音',
  automaton: '自动应答', line_busy: '占线', no_answer: '无人接听', rejected: '拒接', switched_off: '关机', unreachable: '无法接通',
  suspended: '停机', no_such_number: '空号', network_fault: '线路故障', own_fault: '系统故障', unknown: '结果不明',
});
export const CAMPAIGNS: Record<string, string> = spoken({ draft: '未启动', running: '进行中', paused: '已暂停', stopped: '已停止' });
export const RATES: Record<string, string> = spoken({
  contact: '接通率', completion: '完成率', contacted: '响应率', resolved: '解决率', satisfied: '满意率',
});
/** Why a campaign cannot call, where the server says it in the words of its configuration. */
export const FAULTS: Record<string, string> = spoken({ 'there is no [[trunks]] to call by': '没有配置中继线路（[[trunks]]）' });
