import { describe, expect, it } from 'vitest';
import { KINDS, amount, loudestOf, nextOpen, outline, seekBy, topmost } from './quality';
import { byteRange, stretch } from './clip';

describe('quality', () => {
  it('says how much in the measure of its kind', () => {
    const said = (kind: string, measured: number, phrase = '') => amount({ kind, measured, phrase });
    expect(said('silence', 24_300)).toBe('24 秒');
    expect(said('talk_over', 1_250)).toBe('1.3 秒');
    expect(said('pace', 402)).toBe('402 字/分');
    expect(said('forbidden', 0, '不归我们管')).toBe('不归我们管');
    expect(Object.keys(KINDS).length).toBe(7);
  });

  it('draws what is reviewed over the others', () => {
    const list = [{ id: 'a' }, { id: 'b' }, { id: 'c' }];
    expect(topmost(list, 'a').map(({ id }) => id)).toEqual(['b', 'c', 'a']);
    expect(topmost(list)).toEqual(list);
  });

  it('goes on with what nobody reviewed', () => {
    const of = (id: string, state: string) => ({ id, state });
    const list = [of('a', 'proposed'), of('b', 'confirmed'), of('c', 'proposed')];
    expect(nextOpen(list, 'a')?.id).toBe('c');
    expect(nextOpen(list, 'c')?.id).toBe('a');
    expect(nextOpen([of('a', 'rejected'), of('b', 'confirmed')], 'a')).toBeNull();
    expect(nextOpen([of('a', 'proposed')], 'a')).toBeNull();
  });
});

describe('a waveform', () => {
  it('reaches as far as it is loud, around the middle of its side', () => {
    expect(outline([0, 500, 1_000], 25, 1_000)).toBe('M0 25.0L1 13.0L2 1.0L2 49.0L1 37.0L0 25.0Z');
    expect(outline([2_000], 25, 1_000)).toBe('M0 1.0L0 49.0Z');
    expect(outline([6], 25, 6)).toBe('M0 22.6L0 27.4Z');
    expect(outline([], 25, 0)).toBe('');
  });

  it('is not flattened by one click', () => {
    expect(loudestOf(Array.from({ length: 400 }, () => 300), [...Array.from({ length: 399 }, () => 100), 1_000])).toBe(300);
    expect(loudestOf([], [])).toBe(0);
  });

  it('is gone through by the keys of a slider, within the call', () => {
    expect(seekBy('ArrowRight', 10_000, 60_000)).toBe(15_000);
    expect(seekBy('ArrowLeft', 2_000, 60_000)).toBe(0);
    expect(seekBy('PageUp', 50_000, 60_000)).toBe(60_000);
    expect(seekBy('Home', 50_000, 60_000)).toBe(0);
    expect(seekBy('End', 0, 60_000)).toBe(60_000);
    expect(seekBy('a', 0, 60_000)).toBeNull();
  });

  it('is heard from exactly there, a sentence with a little around it', () => {
    expect(stretch(1_000, 2_000)).toEqual([44 + 32_000, 44 + 64_000 - 1]);
    expect(byteRange(1_000, 2_000)).toEqual([44 + 22_400, 44 + 73_600 - 1]);
  });
});
