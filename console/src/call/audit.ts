// What people read for the actions of the audit, which the API calls `noun.verb`.

import { spoken, t } from '../language';

const NOUNS: Record<string, string> = spoken({
  admin: '管理员', backup: '备份', call: '通话', campaign: '回访任务', citizen: '市民资料', do_not_call: '不再回访名单', duty: '值班表',
  events: '实时事件', feed: '变更数据', follow_up: '回访', key: '接口密钥', line: '线路', location: '事发地点', missed: '未接来电', outbox: '待发消息',
  person: '人员', profile: '城市资料', quality: '质检', recording: '录音', repeats: '可能重复', report: '报表', retention: '保存期限',
  rising: '上升话题', seat: '座席', session: '会话', ticket: '工单', transcript: '通话文字',
});
const VERBS: Record<string, string> = spoken({
  add: '添加', barge: '强插', call_back: '回拨', cancel: '取消', cancel_consult: '结束咨询', change: '修改', complete_transfer: '完成转接', consult: '咨询',
  correct: '更正', create: '新建', delete: '删除', dial: '拨打', discard: '放弃', draft: '新建', drop: '请离一方', dry_run: '试算', emergency: '一键转紧急服务', erase: '删除',
  erase_preview: '预览删除', expert: '请专家', export: '导出', hang_up: '挂断', history: '查看经过', hold: '保持', import: '导入', join: '加入一方',
  join_consulted: '三方通话', list: '列出', listen: '监听', make: '制作', mute: '静音', open: '打开', own_password: '修改自己的密码', password: '修改密码', paused: '暂停',
  pause_recording: '暂停录音', peaks: '查看波形', read: '查看', read_track: '取听分轨', redo: '重新回访', remove: '移除', reopen: '重开', replace: '替换', reset: '还原', restore: '恢复',
  results: '查看结果', resume: '取回', resume_recording: '继续录音', retry: '重发', review: '复核', revoke: '吊销', running: '启动', save: '保存',
  search: '查找', sip_messages: '查看信令', state: '改状态', stopped: '停止', summary: '查看汇总', supervise: '监听或强插', test_call: '试拨', to_queue: '转队列',
  totp_confirm: '启用动态口令', totp_lock: '锁定动态口令', totp_offer: '申请动态口令', totp_remove: '取消动态口令', totp_unlock: '解锁动态口令',
  transfer: '转接', vcon: '导出记录', whisper: '耳语', whole: '查看全文',
});

/** 工单 · 查看. What this page does not know yet stays as it is called. */
export function action(name: string): string {
  const [noun = '', verb = ''] = name.split('.');
  const [of, done] = [NOUNS[noun], VERBS[verb]];
  return of && done ? t('{of} · {done}', { of, done }) : name;
}
