import { describe, expect, it } from 'vitest';
import { dayOf, daysOf, percent } from './span';

describe('a span', () => {
  const at = Date.UTC(2026, 10, 25, 16, 0); // Thursday 2026-11-26, midnight in China

  it('is one of days in China', () => {
    expect([dayOf(at - 1), dayOf(at)]).toEqual(['2026-11-25', '2026-11-26']);
    expect(daysOf('day', at)).toEqual({ from: '2026-11-26', to: '2026-11-26' });
  });

  it('begins on Monday or on the first', () => {
    expect(daysOf('week', at)).toEqual({ from: '2026-11-23', to: '2026-11-26' });
    expect(daysOf('week', Date.UTC(2026, 10, 22, 16))).toEqual({ from: '2026-11-23', to: '2026-11-23' });
    expect(daysOf('month', at)).toEqual({ from: '2026-11-01', to: '2026-11-26' });
  });

  it('says nothing of nothing', () => {
    expect([percent(1, 3), percent(0, 0)]).toEqual(['33.3%', '—']);
  });
});
