// What this supervisor has asked for: its own telephone rings for it, and the call that comes is that one.

import { reactive, watch } from 'vue';
import { session } from '../api/session';

/** The call that is listened to, whose it is, and how; empty without one. */
export const supervising = reactive({ call: '', seat: '', mode: '' });

/** It is over, or was never asked for. */
export const clear = (): void => void Object.assign(supervising, { call: '', seat: '', mode: '' });
watch(() => session.role, clear);
