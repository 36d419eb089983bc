import { type Ref, ref } from 'vue';
import { GET, ok } from '../api/client';

/** How long nothing is typed before names are looked for. */
const PAUSE_MS = 150;
/** Names of one list. */
const NAMES = 50;

/** Names of the city's profile that have what was typed; none where the server does not answer. */
export function useSuggestions(of: 'units' | 'categories'): { names: Ref<string[]>; look(text: string): void } {
  const names = ref<string[]>([]);
  let waiting: ReturnType<typeof setTimeout> | undefined;
  async function ask(text: string) {
    const params = { query: { text: text.trim(), limit: NAMES } };
    names.value = of === 'units'
      ? (await ok(GET('/api/v1/units', { params }))).units.map(({ name }) => name)
      : (await ok(GET('/api/v1/categories', { params }))).categories.map(({ path }) => path);
  }
  function look(text: string) {
    clearTimeout(waiting);
    waiting = setTimeout(() => { ask(text).catch(() => { names.value = []; }); }, PAUSE_MS);
  }
  return { names, look };
}

/** Whether a unit of this name, whole, is one of the profile's, of a person's or of an earlier ticket's. */
export async function isKnownUnit(name: string): Promise<boolean> {
  return (await ok(GET('/api/v1/units', { params: { query: { text: name, limit: 1 } } }))).known;
}
