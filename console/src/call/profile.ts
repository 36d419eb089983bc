// Tables of the city's profile as somebody edits them: rows under the columns that the table has, whatever its language.

import { COLUMNS, YES } from './values';

/** A table; each row has as many cells as there are columns. */
export interface Sheet {
  columns: string[];
  rows: string[][];
}

/** A column of them. */
export type ColumnName = keyof typeof COLUMNS;

/** Where a column is; -1 where it is not. */
export const at = (sheet: Sheet, column: ColumnName): number =>
  sheet.columns.findIndex((name) => (COLUMNS[column] as readonly string[]).includes(name));

/** A cell; empty where there is no such column. */
export const cell = (sheet: Sheet, row: readonly string[], column: ColumnName): string => row[at(sheet, column)] ?? '';

/** Whether a row is offered to nobody. */
export const isRetired = (sheet: Sheet, row: readonly string[]): boolean => [YES, 'yes'].includes(cell(sheet, row, 'retired'));

/** The same table with a column for what is retired. */
export function withRetired(sheet: Sheet): Sheet {
  if (at(sheet, 'retired') >= 0) return sheet;
  const isEnglish = at(sheet, 'code') >= 0 && sheet.columns.includes(COLUMNS.code[1]);
  return { columns: [...sheet.columns, COLUMNS.retired[isEnglish ? 1 : 0]], rows: sheet.rows.map((row) => [...row, '']) };
}

/** The same table, the row of that place retired, or not any more. */
export function retire(sheet: Sheet, place: number, isOver: boolean): Sheet {
  const wide = withRetired(sheet);
  const column = at(wide, 'retired');
  const yes = wide.columns[column] === COLUMNS.retired[1] ? 'yes' : YES;
  return put(wide, place, wide.rows[place]?.map((text, of) => (of === column ? (isOver ? yes : '') : text)) ?? []);
}

/** The same table with this row in that place; behind the last one it is new. */
export function put(sheet: Sheet, place: number, row: string[]): Sheet {
  const rows = [...sheet.rows];
  rows[place] = row;
  return { ...sheet, rows };
}

const quoted = (text: string) => (/[",;\t\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);

/** The table as CSV. */
export const toCsv = ({ columns, rows }: Sheet): string => [columns, ...rows].map((row) => `${row.map(quoted).join(',')}\n`).join('');
