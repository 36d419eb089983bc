import { expect, it } from 'vitest';
import { level } from './level';

const call = (queue: string | null, waited: number | null, seat: string | null, state = 'ended', direction = 'inbound') =>
  ({ direction, queue, queue_wait_ms: waited, seat, state });

it('counts who reached a seat in time, and whoever gave up against it', () => {
  const calls = [
    call('综合', 3_000, '801'), call('综合', 15_000, '802'), call('综合', 15_001, '801'), call('综合', 4_000, null),
    call('企业', 1_000, '803', 'active'), call('企业', null, null, 'active'), call(null, null, null),
    call('综合', 30_000, null, 'ended', 'outbound'), call('综合', 30_000, null, 'ended', 'callback'),
  ];
  expect(level(calls, '综合')).toBe(0.5);
  expect(level(calls, '企业')).toBe(1);
  expect(level(calls)).toBe(0.6);
  expect(level(calls, '税务')).toBeNull();
});
