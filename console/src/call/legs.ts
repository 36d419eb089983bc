// The parties of a call as a seat has them on its screen. A supervisor who listens or whispers changes nothing for the
// seat: its leg is neither shown nor waited for.

/** Of a leg what is looked at. */
export interface Party {
  role: string;
  target: string;
  state: string;
}

const isRung = ({ state }: Party) => state === 'dialling' || state === 'ringing';
const isSupervisor = ({ role }: Party) => role === 'supervisor';

/** Whoever is being rung for this call, which cannot be commanded meanwhile. */
export const sought = <Leg extends Party>(legs: readonly Leg[]): Leg | undefined =>
  legs.find((leg) => leg.role !== 'citizen' && !isSupervisor(leg) && isRung(leg));

/** Those that the page of this extension names. */
export const seen = <Leg extends Party>(legs: readonly Leg[], own: string): Leg[] =>
  legs.filter((leg) => !isSupervisor(leg) || leg.target === own);

/** Whether somebody was rung for this call in vain: it is over, and was rung before. */
export const isUnanswered = (leg: Party, before: Party | undefined): boolean =>
  leg.state === 'ended' && !isSupervisor(leg) && before !== undefined && isRung(before);
