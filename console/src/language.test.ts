import { describe, expect, it } from 'vitest';
import { ENGLISH } from './english';

const sources = import.meta.glob<string>(['./**/*.ts', './**/*.vue', '!./**/*.test.ts', '!./english/*'], { query: '?raw', import: 'default', eager: true });
const files = import.meta.glob<Record<string, Record<string, string>>>('./english/*.ts', { eager: true });

/** Chinese that is stored, whatever language a page speaks. */
const STORED = './call/values.ts';
const spoken = Object.entries(sources).filter(([file]) => file !== STORED);

const CHINESE = /[\u4e00-\u9fff]/;
const KEY = /\b(?:t|say)\(\s*'((?:[^'\\]|\\.)*)'/g;
const TABLE = /\bspoken\(\{([\s\S]*?)\}\)/g;
const keys = (text: string) => [
  ...[...text.matchAll(KEY)].map(([, key]) => key ?? ''),
  ...[...text.matchAll(TABLE)].flatMap(([, table]) => [...(table ?? '').matchAll(/'([^']*)'/g)].map(([, key]) => key ?? '')),
];
const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|<!--[\s\S]*?-->/g, '').replace(/^\s*\/\/.*$|\s\/\/ .*$/gm, '');

describe('English', () => {
  it('is there for everything that the pages say', () => {
    const missing = spoken.flatMap(([file, text]) => keys(text)
      .filter((key) => CHINESE.test(key) && !(key in ENGLISH)).map((key) => `${file}: ${key}`));
    expect(missing).toEqual([]);
  });

  it('is asked for wherever Chinese is written', () => {
    const plain = spoken.flatMap(([file, text]) => withoutComments(text).replace(KEY, '').replace(TABLE, '').split('\n')
      .filter((line) => CHINESE.test(line)).map((line) => `${file}: ${line.trim()}`));
    expect(plain).toEqual([]);
  });

  it('has the same values as the Chinese, and no Chinese', () => {
    const values = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([value]) => value).sort();
    for (const [chinese, english] of Object.entries(ENGLISH)) {
      expect(values(english), chinese).toEqual(values(chinese));
      expect(english, chinese).not.toMatch(CHINESE);
    }
  });

  it('is said in one way and for something', () => {
    const said = Object.values(files).flatMap((file) => Object.entries(file).filter(([name]) => name !== 'ENGLISH'))
      .flatMap(([, words]) => Object.keys(words));
    expect(said.filter((key, at) => said.indexOf(key) !== at)).toEqual([]);
    expect(said.length).toBe(Object.keys(ENGLISH).length);
    const used = Object.values(sources).join('\n');
    expect(said.filter((key) => !used.includes(`'${key}'`))).toEqual([]);
  });
});
