// What people read for the names that callbacks use.

export const QUESTIONS: Record<string, string> = {
  right_person: '是否本人', contacted: '是否联系过', resolved: '是否解决', satisfied: '是否满意', reason: '原因', anything_else: '其他意见',
  when: '何时再打',
};
export const ANSWERS: Record<string, string> = {
  yes: '是', no: '否', partly: '部分', very_satisfied: '非常满意', satisfied: '满意', fairly_satisfied: '基本满意', neutral: '一般',
  dissatisfied: '不满意', very_dissatisfied: '非常不满意', unclear: '听不清楚', other: '其他',
};
