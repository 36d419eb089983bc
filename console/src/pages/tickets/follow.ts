// Whether the ticket that is open has changed, as the stream of events tells it. The administrator's password is no
// session and opens no stream: then it is asked.

import { onBeforeUnmount, onMounted } from 'vue';
import { listen } from '../../api/events';
import { ended, token } from '../../api/session';

/** How often it is asked where there is no stream. */
const ASK_MS = 2_000;

/** Calls `look` with the revision that the ticket is at now, or without one where nobody knows. */
export function useChanges(ticket: string, look: (revision?: number) => void): void {
  let stop: () => void = () => undefined;
  onMounted(() => {
    if (!token()) {
      const asking = setInterval(() => { if (!document.hidden) look(); }, ASK_MS);
      stop = () => clearInterval(asking);
      return;
    }
    let isBack = false;
    stop = listen({
      heard: (event) => {
        if (event.type === 'lagged') look();
        else if (event.type === 'ticket_changed' && event.ticket === ticket) look(event.revision);
      },
      opened: () => {
        if (isBack) look();
        isBack = true;
      },
      lost: () => undefined,
      signedOut: ended,
    });
  });
  onBeforeUnmount(() => stop());
}
