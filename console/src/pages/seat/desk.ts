// The seat from signing in to signing out: telephone, event stream, and the call that it works on.

import { effectScope, reactive, shallowRef, watch } from 'vue';
import { DELETE, GET, POST, type Schemas, away, ok } from '../../api/client';
import { type Event, listen } from '../../api/events';
import { ended, forget, session } from '../../api/session';
import { t } from '../../language';
import { Phone, type Settings } from '../../phone/phone';
import { ring } from './ring';
import { Work } from './work';

/** How long an incident is news. */
const INCIDENT_MS = 3_600_000;

/** What the page shows besides telephone and call. */
export interface DeskState {
  seat: string;
  reason: string;
  waiting: Record<string, number>;
  recognition: string;
  incident: Schemas['IncidentView'] | null;
  isOnline: boolean;
  notice: string;
}

/** A seat at work. */
export class Desk {
  readonly state = reactive<DeskState>({
    seat: '', reason: '', waiting: {}, recognition: '', incident: null, isOnline: false, notice: '',
  });
  readonly work = shallowRef<Work | null>(null);
  private readonly silence: () => void;
  private readonly watching = effectScope(true);
  // A seat that goes away in the middle of a call is asked first.
  private readonly ask = (event: BeforeUnloadEvent) => { if (this.phone.state.line !== 'idle') event.preventDefault(); };
  private readonly go = () => this.phone.hangUp();
  private fading: ReturnType<typeof setTimeout> | undefined;
  private seatChanges = 0;
  private isClosed = false;

  constructor(readonly phone: Phone, readonly extension: string) {
    this.silence = listen({
      heard: (event) => this.heard(event),
      opened: () => void this.opened(),
      lost: () => { this.state.isOnline = false; },
      signedOut: () => ended(),
    });
    this.watching.run(() => {
      watch(() => phone.state.call, (call) => {
        if (call) void this.open(call, phone.state.party);
      });
      watch(() => phone.state.line === 'ringing', (isRinging) => {
        ring(isRinging);
        document.title = isRinging ? t('☎ 来电 — 倾听') : t('倾听');
      });
    });
    addEventListener('beforeunload', this.ask);
    addEventListener('pagehide', this.go);
  }

  /** Shows a call: the one that comes in, or an earlier one of today. */
  async open(call: string, party: string): Promise<void> {
    if (this.work.value?.call === call) return;
    this.work.value?.leave();
    this.work.value = new Work(call, party);
    await this.attempt(() => this.work.value?.catchUp());
  }

  /** Goes back to the list of calls. */
  leaveWork(): void {
    this.work.value?.leave();
    this.work.value = null;
  }

  /** Ready, break, wrap-up done. */
  async be(state: Schemas['SeatStateRequest']): Promise<void> {
    const params = { path: { extension: this.extension } };
    await this.attempt(() => ok(POST('/api/v1/seats/{extension}/state', { params, body: state })));
  }

  async signOut(): Promise<void> {
    await this.be({ state: 'sign_out' });
    this.close();
    // What has ended already needs no end.
    await this.attempt(() => ok(DELETE('/api/v1/session')));
    forget();
  }

  /** Leaves everything; again does nothing. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.work.value?.leave();
    this.silence();
    this.phone.stop();
    this.watching.stop();
    ring(false);
    removeEventListener('beforeunload', this.ask);
    removeEventListener('pagehide', this.go);
    clearTimeout(this.fading);
  }

  private async opened(): Promise<void> {
    const isBack = this.state.seat !== '';
    this.state.isOnline = true;
    const before = this.seatChanges;
    const seats = await ok(GET('/api/v1/seats')).catch(() => []);
    const own = seats.find(({ extension }) => extension === this.extension);
    // A change that came while the answer was on its way is newer than it.
    if (own?.now && this.seatChanges === before) this.seatIs(own.now);
    if (!isBack) return;
    // What failed because the server was away is no news any more.
    if (this.state.notice === away()) this.state.notice = '';
    this.work.value?.serverIsBack();
    await this.attempt(() => this.work.value?.catchUp());
  }

  private heard(event: Event): void {
    const { state } = this;
    if (event.type === 'seat_state' && event.extension === this.extension) this.seatIs(event);
    else if (event.type === 'recognition') state.recognition = event.notice;
    else if (event.type === 'queue') state.waiting[event.queue] = event.waiting;
    else if (event.type === 'incident') this.incidentIs(event.incident);
    else if (event.type === 'lagged') void this.attempt(() => this.work.value?.catchUp());
    else if ('call' in event && event.call === this.work.value?.call) this.work.value?.heard(event);
  }

  private seatIs({ state, reason }: { state: string; reason?: string | null }): void {
    this.seatChanges += 1;
    Object.assign(this.state, { seat: state, reason: reason ?? '' });
  }

  private incidentIs(incident: Schemas['IncidentView']): void {
    this.state.incident = incident;
    clearTimeout(this.fading);
    this.fading = setTimeout(() => { this.state.incident = null; }, INCIDENT_MS);
  }

  private async attempt(action: () => Promise<unknown> | undefined): Promise<void> {
    this.state.notice = '';
    try {
      await action();
    } catch (error) {
      this.state.notice = (error as Error).message;
    }
  }
}

/** The desk of whoever is signed in with a telephone. */
export const desk = shallowRef<Desk | null>(null);
watch(() => session.role, (role) => {
  if (role) return;
  desk.value?.close();
  desk.value = null;
});

/** Opens the desk of the session that was just signed in. */
export async function openDesk(extension: string, password: string): Promise<void> {
  const settings = (await (await fetch('/softphone/settings.json')).json()) as Settings;
  desk.value = new Desk(new Phone(settings, extension, password), extension);
}
