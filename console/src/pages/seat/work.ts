// One call at the seat: its transcript, its ticket and what helps with both. It stays after the call until another comes.

import { reactive } from 'vue';
import { GET, PATCH, POST, Refusal, type Schemas, away, ok } from '../../api/client';
import type { Event } from '../../api/events';
import { type Line, type Party, mark, settle, takeOver } from '../../call/captions';
import {
  type Draft, type Ticket, begin, edits, refresh, shown, takeBack, type as typeInto, update, wereStored,
} from '../../call/draft';
import type { Evidence } from '../../call/evidence';
import { isUnanswered } from '../../call/legs';
import { citizenOf } from '../../call/words';
import { say, t } from '../../language';
import { Player } from '../../parts/player';

/** How often the state of a submitted ticket is asked for, and how often at most: half a minute. */
const DELIVERY_EVERY_MS = 1_500;
const DELIVERY_LOOKS_MAX = 20;
/** Tries to store an edit over values that the machine goes on changing. */
const STORE_TRIES_MAX = 4;
const THEIRS = say('别人刚改了同一栏，请选择用哪一个');

/** What the page shows of a call. */
export interface WorkState {
  party: string;
  phase: string;
  isPaused: boolean;
  legs: Record<number, Schemas['LegNow']>;
  lines: Line[];
  draft: Draft | null;
  /** The field whose evidence is marked, and the evidence. */
  looksAt: string | null;
  evidence: Evidence[];
  repeats: Schemas['RepeatView'][];
  location: Schemas['LocationView'] | null;
  knowledge: Schemas['EntryView'][];
  followUp: Schemas['FollowUpDetail'] | null;
  delivery: Schemas['OutboxView'] | null;
  isSubmitting: boolean;
  /** Why a field's value was not taken, by its name. */
  refused: Record<string, string>;
  notice: string;
}

/** A call and its ticket; `state` is what can be seen of them. */
export class Work {
  readonly state = reactive<WorkState>({
    party: '', phase: '', isPaused: false, legs: {}, lines: [], draft: null, looksAt: null, evidence: [], repeats: [],
    location: null, knowledge: [], followUp: null, delivery: null, isSubmitting: false, refused: {}, notice: '',
  });
  private readonly path: { path: { id: string } };
  private readonly player = new Player();
  private isLeft = false;
  private storing: Promise<void> = Promise.resolve();

  constructor(readonly call: string, party: string) {
    this.path = { path: { id: call } };
    this.state.party = party;
  }

  /** Asks for everything that happened before this page heard of it. */
  async catchUp(): Promise<void> {
    const [call, transcript] = await Promise.all([
      ok(GET('/api/v1/calls/{id}', { params: this.path })),
      ok(GET('/api/v1/calls/{id}/transcript', { params: this.path })),
    ]);
    const { state } = this;
    const isOutgoing = call.direction !== 'inbound';
    state.party = citizenOf(call);
    for (const leg of call.now?.legs ?? []) state.legs[leg.leg] ??= leg;
    // It ended while nothing could be heard of it.
    if (!call.now) state.legs = {};
    state.phase = call.now?.phase ?? (call.ended_at ? 'ending' : state.phase);
    state.isPaused = call.now?.recording_paused ?? false;
    takeOver(state.lines, transcript.segments, transcript.gaps.map((gap) => ({ ...gap, party: gap.party as Party })));
    if (call.ticket) await this.reload(call.ticket);
    const aids = [this.askRepeats(), this.askLocation()];
    // A citizen's own call has none.
    if (isOutgoing) aids.push(this.askFollowUp());
    await Promise.allSettled(aids);
    if (state.draft?.status === 'confirmed') void this.watchDelivery();
  }

  /** Something happened in this call. */
  heard(event: Event): void {
    const { state } = this;
    if (event.type === 'caption') settle(state.lines, event);
    else if (event.type === 'caption_gap') mark(state.lines, event);
    else if (event.type === 'transcript_completed') void this.catchUp().catch(() => undefined);
    else if (event.type === 'repeats') state.repeats = event.repeats;
    else if (event.type === 'knowledge') state.knowledge = event.entries;
    else if (event.type === 'call_state') Object.assign(state, { phase: event.phase, isPaused: event.recording_paused });
    else if (event.type === 'call_leg') this.legIs(event);
    else if (event.type === 'call_ended') Object.assign(state, { phase: 'ending', legs: {} });
    else if (event.type === 'ticket_updated' && state.draft) this.ticketIs(event, state.draft);
    else if (event.type === 'ticket_confirmed' && state.draft) state.draft.status = 'confirmed';
  }

  /** Marks what a field rests on. Evidence is asked for here alone: each look at a ticket stands in the audit. */
  async look(name: string): Promise<void> {
    const { state } = this;
    state.looksAt = name;
    await this.evidenceOf(name);
    if (state.looksAt === name) state.evidence = state.draft?.fields[name]?.stored?.evidence ?? [];
  }

  /** Has the server tell what a field rests on, unless that is known. */
  async evidenceOf(name: string): Promise<void> {
    const { draft } = this.state;
    const stored = draft?.fields[name]?.stored;
    if (draft && stored && !stored.evidence) await this.reload(draft.id).catch(() => undefined);
  }

  /** Plays what the field rests on, else what was said last. */
  async playEvidence(): Promise<void> {
    const of = new Set(this.state.evidence.map(({ segment }) => segment));
    const spoken = this.state.lines.filter(({ isGap }) => !isGap);
    const line = spoken.find(({ id }) => of.has(id)) ?? spoken.at(-1);
    if (line) await this.play(line);
  }

  /** Plays a sentence from the recording. */
  async play({ startMs, endMs }: Pick<Line, 'startMs' | 'endMs'>): Promise<void> {
    await this.attempt(() => this.player.play(this.call, startMs, endMs));
  }

  type(name: string, text: string): void {
    delete this.state.refused[name];
    if (this.state.draft) typeInto(this.state.draft, name, text);
  }

  /** Takes what the server has in place of what was typed here. */
  takeBack(name: string): void {
    if (this.state.draft) takeBack(this.state.draft, name);
  }

  /** Stores a field as this person's: what was typed, or what the machine wrote and the person accepts. */
  accept(name: string): Promise<void> {
    return this.enqueue(() => {
      const field = this.state.draft?.fields[name];
      const isOpen = field?.typed !== undefined || field?.stored?.source === 'machine';
      return isOpen ? { [name]: shown(field) } : {};
    });
  }

  /** Stores these values as this person's. */
  store(values: Record<string, string>): Promise<void> {
    return this.enqueue(() => values);
  }

  /** Stores what is typed and submits the ticket. A ticket that changed meanwhile is shown first. */
  async submit(): Promise<void> {
    const { state } = this;
    const draft = state.draft;
    if (!draft || state.isSubmitting || draft.status === 'confirmed') return;
    if (!shown(draft.fields.title) && !shown(draft.fields.description)) {
      state.notice = t('标题和诉求内容都空着，请至少填一栏');
      return;
    }
    if (Object.values(draft.fields).some(({ theirs }) => theirs !== undefined)) {
      state.notice = t(THEIRS);
      return;
    }
    state.isSubmitting = true;
    await this.storing;
    await this.attempt(async () => {
      const typed = edits(draft);
      if (Object.keys(typed).length) await this.send(typed);
      await this.confirm(draft);
      void this.watchDelivery();
    });
    state.isSubmitting = false;
  }

  /** Does something to the running call. */
  command(wish: Schemas['CallCommand']): Promise<void> {
    return this.attempt(() => ok(POST('/api/v1/calls/{id}/commands', { params: this.path, body: wish })));
  }

  /** What failed because the server was away is no news any more. */
  serverIsBack(): void {
    if (this.state.notice === away()) this.state.notice = '';
  }

  /** The page shows another call from now on. */
  leave(): void {
    this.isLeft = true;
    this.player.stop();
  }

  // One request at a time: each must know the revision that the one before made, and what it stored.
  private enqueue(values: () => Record<string, string>): Promise<void> {
    this.storing = this.storing.then(() => {
      const wanted = values();
      return Object.keys(wanted).length ? this.attempt(() => this.send(wanted)) : undefined;
    });
    return this.storing;
  }

  private async attempt(action: () => Promise<unknown>): Promise<void> {
    this.state.notice = '';
    try {
      await action();
    } catch (error) {
      this.state.notice = (error as Error).message;
    }
  }

  // A person's word stands over the machine's, not over another person's.
  private async send(values: Record<string, string>, tries = STORE_TRIES_MAX): Promise<void> {
    const draft = this.state.draft;
    if (!draft) return;
    const body = { revision: draft.revision, fields: values };
    try {
      const ticket = await ok(PATCH('/api/v1/tickets/{id}', { params: { path: { id: draft.id } }, body }));
      wereStored(draft, values, ticket as Ticket);
    } catch (error) {
      if (error instanceof Refusal && error.status === 422) this.refuse(values, error);
      if (!(error instanceof Refusal) || error.status !== 409) throw error;
      for (const [name, text] of Object.entries(values)) typeInto(draft, name, text);
      await this.reload(draft.id);
      const isTheirs = Object.keys(values).some((name) => draft.fields[name]?.theirs !== undefined);
      if (isTheirs || tries === 0) throw new Refusal(409, t(THEIRS));
      await this.send(values, tries - 1);
    }
  }

  // What was to be stored stays typed; the field that it failed for says why.
  private refuse(values: Record<string, string>, { problem, message }: Refusal): void {
    const name = problem?.field ?? '';
    if (!(name in values) || !this.state.draft) return;
    this.state.refused[name] = message;
    for (const [each, text] of Object.entries(values)) typeInto(this.state.draft, each, text);
  }

  private async confirm(draft: Draft): Promise<void> {
    const asked = POST('/api/v1/tickets/{id}/confirm', { params: { path: { id: draft.id } }, body: { revision: draft.revision } });
    try {
      refresh(draft, (await ok(asked)) as Ticket);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 409) throw error;
      await this.reload(draft.id);
      throw new Refusal(409, t('内容刚有变化，请看一眼再提交'));
    }
  }

  private async reload(ticket: string): Promise<void> {
    const fresh = (await ok(GET('/api/v1/tickets/{id}', { params: { path: { id: ticket } } }))) as Ticket;
    if (this.state.draft) refresh(this.state.draft, fresh);
    else this.state.draft = begin(fresh);
  }

  private ticketIs(event: Extract<Event, { type: 'ticket_updated' }>, draft: Draft): void {
    update(draft, event);
    if (event.changed.includes('place')) this.askLocation().catch(() => undefined);
    if (this.state.looksAt && event.changed.includes(this.state.looksAt)) void this.look(this.state.looksAt);
  }

  private legIs(leg: Schemas['LegNow']): void {
    const { legs } = this.state;
    const before = legs[leg.leg];
    if (leg.state !== 'ended') legs[leg.leg] = leg;
    else delete legs[leg.leg];
    if (isUnanswered(leg, before)) this.state.notice = t('{target} 没有接通', { target: leg.target });
  }

  private async askRepeats(): Promise<void> {
    this.state.repeats = (await ok(GET('/api/v1/calls/{id}/repeats', { params: this.path }))).repeats;
  }

  private async askLocation(): Promise<void> {
    this.state.location = await ok(GET('/api/v1/calls/{id}/location', { params: this.path }));
  }

  private async askFollowUp(): Promise<void> {
    this.state.followUp = await ok(GET('/api/v1/calls/{id}/follow-up', { params: this.path }));
  }

  // Looks until the ticket system has the confirmed ticket, or a person must decide.
  private async watchDelivery(): Promise<void> {
    const { draft } = this.state;
    for (let look = 0; draft && look < DELIVERY_LOOKS_MAX && !this.isLeft; look += 1) {
      const params = { path: { id: draft.id } };
      const { messages, sends } = await ok(GET('/api/v1/tickets/{id}/messages', { params })).catch(() => ({ messages: [], sends: true }));
      // Nobody is to be told: submitted is all that there is to say.
      if (!sends) return;
      this.state.delivery = messages.find(({ kind }) => kind === 'ticket.confirmed') ?? null;
      if (this.state.delivery && this.state.delivery.state !== 'pending') return;
      await new Promise((done) => setTimeout(done, DELIVERY_EVERY_MS));
    }
  }
}
