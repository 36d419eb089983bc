// Skills of a seat as a line that people type: 综合:1 企业:2.

import { t } from '../language';

/** Reads the line; a skill without a level has the best, 1. */
export function readSkills(line: string): Record<string, number> {
  const skills: Record<string, number> = {};
  for (const part of line.split(/[\s,，、;；]+/).filter(Boolean)) {
    const [name = '', level = '1'] = part.split(/[:：]/);
    if (!name || !/^[1-9]$/.test(level)) throw new Error(t('技能“{part}”应写作 名称:级别，级别 1 到 9', { part }));
    skills[name] = Number(level);
  }
  return skills;
}

/** The best first. */
export function writeSkills(skills: Record<string, number>): string {
  const sorted = Object.entries(skills).sort(([, a], [, b]) => a - b);
  return sorted.map(([name, level]) => `${name}:${level}`).join(' ');
}
