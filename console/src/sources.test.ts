import { expect, it } from 'vitest';

const sources = import.meta.glob<string>(['./**/*.ts', './**/*.vue', '!./**/*.test.ts'], { query: '?raw', import: 'default', eager: true });

it('makes no markup of text and keeps nothing in the browser', () => {
  expect(Object.keys(sources).length).toBeGreaterThan(20);
  for (const [file, text] of Object.entries(sources)) {
    expect(text, file).not.toMatch(/v-html|innerHTML|outerHTML|insertAdjacentHTML|document\.write|localStorage|sessionStorage|\beval\(/);
  }
});
