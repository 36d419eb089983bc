import { describe, expect, it } from 'vitest';
import { said } from './mistakes';
import { type Sheet, isRetired, put, retire, toCsv } from './profile';

const units: Sheet = { columns: ['编码', '名称', '别名'], rows: [['1', '城管局', '城管;"市容"'], ['2', '住建局', '']] };

describe('tables of the profile', () => {
  it('get a column for what is retired, in the language of the others', () => {
    const after = retire(units, 0, true);
    expect(after.columns).toEqual(['编码', '名称', '别名', '停用']);
    expect(after.rows.map((row) => isRetired(after, row))).toEqual([true, false]);
    const again = retire(after, 0, false);
    expect(again.rows[0]?.[3]).toBe('');
    const english = retire({ columns: ['code', 'name'], rows: [['1', 'a']] }, 0, true);
    expect([english.columns[2], english.rows[0]?.[2]]).toEqual(['retired', 'yes']);
    expect(units.columns.length).toBe(3);
  });

  it('are written as they are read', () => {
    const after = put(units, 2, ['3', '水务局,\n', '']);
    expect(toCsv(after)).toBe('编码,名称,别名\n1,城管局,"城管;""市容"""\n2,住建局,\n3,"水务局,\n",\n');
  });
});

describe('mistakes of a table', () => {
  it('are said in Chinese where the pattern is known, and as they are where not', () => {
    expect(said('is empty: fill it in or remove the row')).toBe('没有填写：请填上，或删去这一行');
    expect(said('row 3 has the same number: remove one of them')).toBe('与第 3 行编号相同：请删去其中一行');
    expect(said('something new')).toBe('something new');
  });
});
