// The ticket's draft, which the machine fills while a person edits it. **What a person typed is on the screen until it
// is stored or taken back by that person**: nothing that comes from the server replaces it.

import type { Evidence } from './evidence';

/** A value as the server has it. */
export interface Value {
  value: string;
  confidence: number;
  source: string;
  /** Absent: not asked for since the value changed. */
  evidence?: Evidence[];
}

/** One field. */
export interface Field {
  stored?: Value;
  /** Typed and not stored yet. */
  typed?: string;
  /** What another person stored while this one typed. */
  theirs?: string;
}

/** A ticket that is being written. */
export interface Draft {
  id: string;
  number: string;
  status: string;
  revision: number;
  fields: Record<string, Field>;
}

/** A ticket as the API gives it. */
export interface Ticket {
  id: string;
  number: string;
  status: string;
  revision: number;
  fields: Record<string, Required<Value>>;
}

/** What `ticket_updated` tells: fields that changed, and the values of those that were not cleared. */
export interface Update {
  revision: number;
  changed: string[];
  draft: Record<string, Value>;
}

/** Below this a value is shown as doubtful. */
export const DOUBT_BELOW = 0.7;

/** The draft of a ticket that nobody typed in yet. */
export function begin(ticket: Ticket): Draft {
  const draft: Draft = { id: ticket.id, number: ticket.number, status: ticket.status, revision: -1, fields: {} };
  refresh(draft, ticket);
  return draft;
}

/** Takes over the whole ticket, unless the draft is newer already. */
export function refresh(draft: Draft, ticket: Ticket): void {
  if (ticket.revision < draft.revision) return;
  draft.revision = ticket.revision;
  draft.status = ticket.status;
  for (const name of new Set([...Object.keys(draft.fields), ...Object.keys(ticket.fields)])) {
    store(draft, name, ticket.fields[name]);
  }
}

/** Takes over what changed. An update that the draft is ahead of is old news. */
export function update(draft: Draft, news: Update): void {
  if (news.revision <= draft.revision) return;
  draft.revision = news.revision;
  // Events come without evidence: an empty list says nothing.
  for (const name of news.changed) {
    const value = news.draft[name];
    store(draft, name, value && { value: value.value, confidence: value.confidence, source: value.source });
  }
}

/** What is on the screen. */
export function shown(field: Field | undefined): string {
  return field?.typed ?? field?.stored?.value ?? '';
}

/** A person types. What was typed back to the stored value is no edit. */
export function type(draft: Draft, name: string, text: string): void {
  const field = (draft.fields[name] ??= {});
  if (text === (field.stored?.value ?? '') && field.theirs === undefined) delete field.typed;
  else field.typed = text;
}

/** Takes an edit back: what the server has is shown again. */
export function takeBack(draft: Draft, name: string): void {
  const field = draft.fields[name];
  delete field?.typed;
  delete field?.theirs;
}

/** What is typed and not stored. */
export function edits(draft: Draft): Record<string, string> {
  const typed = Object.entries(draft.fields).filter(([, field]) => field.typed !== undefined);
  return Object.fromEntries(typed.map(([name, field]) => [name, field.typed ?? '']));
}

/** Values of the machine that it is sure of and no person has decided about. */
export function acceptable(draft: Draft): Record<string, string> {
  const sure = Object.entries(draft.fields).filter(([, { stored, typed }]) =>
    typed === undefined && stored?.source === 'machine' && stored.confidence >= DOUBT_BELOW);
  return Object.fromEntries(sure.map(([name, field]) => [name, field.stored?.value ?? '']));
}

/** Edits were stored: they are no longer edits, unless the person typed on meanwhile. */
export function wereStored(draft: Draft, sent: Record<string, string>, ticket: Ticket): void {
  for (const [name, text] of Object.entries(sent)) {
    const field = draft.fields[name];
    if (field?.typed === text) takeBack(draft, name);
  }
  refresh(draft, ticket);
}

function store(draft: Draft, name: string, value: Value | undefined): void {
  const field = (draft.fields[name] ??= {});
  const before = field.stored?.value;
  if (value) field.stored = value;
  else delete field.stored;
  if (field.typed === undefined) return;
  const now = value?.value ?? '';
  if (now === field.typed) takeBack(draft, name);
  else if (value?.source === 'person' && now !== (before ?? '')) field.theirs = now;
}
