// What the server's reader of tables says of a mistake, in Chinese. What is not known here is shown as it is.

import { language, say, t } from '../language';

/** A pattern of what it says; groups are the values of the text, by the names beside it. */
const KNOWN: readonly [RegExp, string, readonly string[]][] = [
  [/^is empty: fill it in or remove the row$/, say('没有填写：请填上，或删去这一行'), []],
  [/^row (\d+) has the same number: remove one of them$/, say('与第 {row} 行编号相同：请删去其中一行'), ['row']],
  [/^is empty$/, say('没有填写'), []],
  [/^expected numbers of digits/, say('应填电话号码，几个之间用分号'), []],
  [/^\S+ must be \S+ or \S+$/, say('应填“外线”或“分机”'), []],
  [/^expected weekdays/, say('应填星期，如 1-5、一至五、6;7 或 每天'), []],
  [/^expected a date/, say('应填日期，如 2026-10-01'), []],
  [/^expected a time/, say('应填时间，如 09:00'), []],
  [/^expected a number such as 1$/, say('应填数字，如 1'), []],
  [/^column (\d+) must be named (.*)$/, say('第 {at} 列的表头应为“{name}”'), ['at', 'name']],
  [/^more than (\d+) rows/, say('超过 {most} 行：请拆开'), ['most']],
  [/^the same person has other numbers in line (\d+)$/, say('同一人在第 {row} 行的电话不同'), ['row']],
  [/its last date is before its first$/, say('结束日期早于起始日期'), []],
  [/^the file is empty/, say('文件是空的：第一行应为表头'), []],
  [/^it is empty$/, say('没有填写：请填上，或删去这一行'), []],
  [/it is no citizen's number in China/, say('不是国内的手机号或带区号的固定电话'), []],
  [/`closed_at` is missing/, say('没有办结时间'), []],
  [/^(\d+) characters are more than (\d+)$/, say('{count} 个字太长，最多 {most} 个字'), ['count', 'most']],
  [/^it is not between 1990 and 2100$/, say('日期不在 1990 年至 2100 年之间'), []],
  [/^a spreadsheet made a number of it/, say('被电子表格改成了数值：请把这一列设为文本后重新填写'), []],
  [/^no row has the code "(.*)": add it/, say('没有编码为“{code}”的行：请补上，一级则留空'), ['code']],
  [/^"(.*)" is in row (\d+) already: give each row its own$/, say('“{value}”与第 {row} 行重复'), ['value', 'row']],
  [/^"(.*)" is in row (\d+) already, under the same parent$/, say('“{value}”与第 {row} 行重复，上级相同'), ['value', 'row']],
  [/^"(.*)" is no number of hours from 1 to (\d+)$/, say('“{value}”不是 1 至 {most} 的小时数'), ['value', 'most']],
  [/^"(.*)" is neither /, say('“{value}”应填“是”或留空'), ['value']],
  [/^a circle through the rows (.*): give one/, say('第 {rows} 行互为上级'), ['rows']],
  [/^deeper than (\d+) levels$/, say('层级超过 {most} 级'), ['most']],
  [/^holds "\/"/, say('名称中不能有“/”'), []],
  [/^no division has the code "(.*?)"/, say('没有编码为“{code}”的区划'), ['code']],
  [/ row \d+: no column "(.*?)"; the file has: (.*?)\. Name/, say('没有“{name}”这一列；文件中有：{found}'), ['name', 'found']],
  [/ row \d+: column "(.*?)" is there twice/, say('“{name}”列出现了两次'), ['name']],
  [/ row \d+: (\d+) cells, but (\d+) columns/, say('这一行有 {cells} 格，而表头只有 {columns} 列'), ['cells', 'columns']],
  [/ is empty: its first row must name the columns$/, say('文件是空的：第一行应为表头'), []],
  [/ is no readable workbook/, say('文件无法打开：请另存为不带密码的 XLSX 或 CSV'), []],
  [/^it is no time such as/, say('应填日期和时间，如 2026-09-12 08:30'), []],
  [/no text, or UTF-16 without its mark/, say('这不是文本文件：请另存为“CSV UTF-8”或 XLSX'), []],
  [/ row \d+: neither UTF-8 nor GB18030/, say('编码无法识别：请另存为“CSV UTF-8”'), []],
];

/** The mistake in the language that is spoken. */
export function said(detail: string): string {
  if (language.value === 'en') return detail;
  for (const [pattern, text, names] of KNOWN) {
    const found = pattern.exec(detail);
    if (found) return t(text, Object.fromEntries(names.map((name, at) => [name, found[at + 1] ?? ''])));
  }
  return detail;
}
