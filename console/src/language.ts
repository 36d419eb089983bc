// What the pages say, in Chinese, and in English for who chooses it. **The Chinese text is the key**, as in gettext: it
// is read where it is used, and `language.test.ts` holds that each has its English. What people wrote and names of
// categories and units stay as they are.

import { ref, shallowRef } from 'vue';

/** The languages. Chinese is in the program, English is fetched when it is chosen. */
export type Language = 'zh' | 'en';

/** Which one the pages speak. It is not kept: a page that is loaded anew speaks Chinese. */
export const language = ref<Language>('zh');

const english = shallowRef<Record<string, string>>({});

/** Speaks it from now on. */
export async function speak(chosen: Language): Promise<void> {
  if (chosen === 'en') english.value = (await import('./english')).ENGLISH;
  language.value = chosen;
  document.documentElement.lang = chosen === 'en' ? 'en' : 'zh-CN';
}

/** The text in the language that is spoken; `{name}` stands for a value. */
export function t(chinese: string, values: Record<string, string | number> = {}): string {
  const text = language.value === 'en' ? english.value[chinese] ?? chinese : chinese;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A text that is said later, by `t` where it is shown: marks it as one. */
export const say = (chinese: string): string => chinese;

/** Words by the names that the API uses, each said in the language that is spoken when it is read. */
export function spoken<Names extends Record<string, string>>(words: Names): Names {
  const said = Object.keys(words).map((name) => [name, { enumerable: true, get: () => t(words[name] ?? '') }] as const);
  return Object.defineProperties({}, Object.fromEntries(said)) as Names;
}
