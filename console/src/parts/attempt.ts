import { type Ref, ref } from 'vue';

/** Runs what may fail; `problem` is why the last of them did, in words for people. */
export function useAttempt(): { problem: Ref<string>; attempt(action: () => Promise<unknown>): Promise<void> } {
  const problem = ref('');
  const attempt = async (action: () => Promise<unknown>) => {
    problem.value = '';
    try {
      await action();
    } catch (error) {
      problem.value = (error as Error).message;
    }
  };
  return { problem, attempt };
}
