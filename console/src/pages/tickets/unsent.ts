// What was typed for a step of handling and not sent: it waits for its ticket and step, and goes with who typed it.

import { reactive, watch } from 'vue';
import { session } from '../../api/session';

export interface Said {
  unit: string;
  deadline: string;
  note: string;
}

const unsent = new Map<string, Said>();
watch(() => session.role, () => unsent.clear());

const key = (ticket: string, step: string) => `${ticket}/${step}`;

/** What was typed before, or what `begin` gives. */
export function saidOf(ticket: string, step: string, begin: () => Said): Said {
  const said = unsent.get(key(ticket, step)) ?? reactive(begin());
  unsent.set(key(ticket, step), said);
  return said;
}

/** It was sent. */
export const sent = (ticket: string, step: string) => void unsent.delete(key(ticket, step));
