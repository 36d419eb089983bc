import { expect, it } from 'vitest';
import { isUnanswered, seen, sought } from './legs';

const leg = (role: string, target: string, state: string) => ({ role, target, state });
const citizen = leg('citizen', '13800138000', 'answered');
const seat = leg('seat', '801', 'answered');

it('a supervisor who is rung or listens is nobody that a seat waits for or sees', () => {
  for (const state of ['dialling', 'ringing', 'answered']) {
    const legs = [citizen, seat, leg('supervisor', '901', state)];
    expect(sought(legs)).toBeUndefined();
    expect(seen(legs, '801')).toEqual([citizen, seat]);
    expect(seen(legs, '901')).toEqual(legs);
  }
});

it('an expert who is rung is', () => {
  const expert = leg('expert', '60001', 'ringing');
  expect(sought([leg('citizen', '1', 'ringing'), seat, expert])).toBe(expert);
  expect(seen([citizen, seat, expert], '801')).toHaveLength(3);
});

it('who did not answer is told of, unless it is a supervisor', () => {
  const over = (role: string) => leg(role, '901', 'ended');
  expect(isUnanswered(over('expert'), leg('expert', '901', 'ringing'))).toBe(true);
  expect(isUnanswered(over('expert'), leg('expert', '901', 'answered'))).toBe(false);
  expect(isUnanswered(over('expert'), undefined)).toBe(false);
  expect(isUnanswered(over('supervisor'), leg('supervisor', '901', 'ringing'))).toBe(false);
});
