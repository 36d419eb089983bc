import { describe, expect, it } from 'vitest';
import { action } from './audit';

describe('an action of the audit', () => {
  it('is told by what was done to what', () => {
    expect(action('ticket.read')).toBe('工单 · 查看');
    expect(action('call.join_consulted')).toBe('通话 · 三方通话');
  });
  it('stays as it is called where the page does not know it', () => {
    expect(action('moon.landed')).toBe('moon.landed');
    expect(action('ticket.landed')).toBe('ticket.landed');
    expect(action('odd')).toBe('odd');
  });
});
