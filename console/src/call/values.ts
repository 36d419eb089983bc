// Values of the API that are Chinese words: what is stored, whatever language a page speaks.

/** 诉求类型. */
export const KINDS = ['咨询', '求助', '投诉', '举报', '建议', '表扬', '催办', '补充', '撤销', '反馈'] as const;

/** Why a citizen is not satisfied. */
export const CAUSES = ['未联系', '未解决', '推诿', '太慢', '态度差', '答复不清', '反复', '虚假办结', '其他'] as const;

/** Why a seat rests, where it gives no other reason. */
export const REST = '小休';

/** Names that columns of the city's tables may have, the Chinese one first, and what says yes in them. */
export const COLUMNS = {
  code: ['编码', 'code'], name: ['名称', 'name'], parent: ['上级编码', 'parent'], retired: ['停用', 'retired'],
} as const;
export const YES = '是';
