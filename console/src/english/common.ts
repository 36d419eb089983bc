/** What is on every page, and at the door. */
export const COMMON: Record<string, string> = {
  '倾听': 'Qingting',
  '政务服务便民热线': '12345 government hotline',
  '页面': 'Pages',
  '签出': 'Sign out',
  '签入': 'Sign in',
  '座席': 'Seat',
  '班长': 'Supervisor',
  '回访': 'Callbacks',
  '管理': 'Administration',
  '管理员': 'Administrator',
  '分机号或密码不对': 'Wrong extension or password',
  '分机号（管理员填 admin）': 'Extension (administrator: admin)',
  '密码': 'Password',
  '验证器应用显示的 6 位数字': 'The six digits of the authenticator',
  '数字不对或已经用过，请等下一组': 'Wrong or used before; wait for the next ones',
  '数字连续错了十次，十五分钟内不再受理，也可请管理员解除': 'Wrong ten times in a row: none counts for 15 minutes, unless the administrator unlocks',
};
