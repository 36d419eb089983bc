// Keyboard shortcuts: letters go with Alt, so that they never meet what somebody types.

import { onBeforeUnmount, onMounted } from 'vue';

/** What a key does; the names are those of `KeyboardEvent.code` without `Key` or `Digit`, or `Ctrl+Enter`. */
export type Keys = Record<string, () => void>;

/** Listens to these keys while the component is on the page. */
export function useKeys(keys: Keys): void {
  const pressed = (event: KeyboardEvent) => {
    const isSubmit = event.ctrlKey && event.key === 'Enter';
    const name = isSubmit ? 'Ctrl+Enter' : event.code.replace(/^(Key|Digit)/, '');
    const action = isSubmit || (event.altKey && !event.ctrlKey && !event.metaKey) ? keys[name] : undefined;
    if (!action || event.repeat) return;
    event.preventDefault();
    action();
  };
  onMounted(() => document.addEventListener('keydown', pressed));
  onBeforeUnmount(() => document.removeEventListener('keydown', pressed));
}

/** Whether keys are somebody's typing there. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
