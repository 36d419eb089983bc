import { expect, it } from 'vitest';
import { readSkills, writeSkills } from './skills';

it('reads what people type and writes what it reads', () => {
  expect(readSkills(' 企业：2，综合:1、外语 ')).toEqual({ 企业: 2, 综合: 1, 外语: 1 });
  expect(writeSkills({ 企业: 2, 综合: 1 })).toBe('综合:1 企业:2');
  expect(readSkills('')).toEqual({});
});

it('says what is wrong', () => {
  for (const line of ['综合:0', '综合:10', ':1', '综合:高']) expect(() => readSkills(line), line).toThrow('级别 1 到 9');
});
