// Quality checks in words, and the waveform as paths: pure.

import { spoken, t } from '../language';
import { clock } from './words';

/** What a check may find. */
export const KINDS: Record<string, string> = spoken({
  greeting: '缺开头语', closing: '缺结束语', silence: '静默', talk_over: '抢话', forbidden: '服务禁语', pace: '语速过快', hold: '等待过久',
});

/** Where a finding is. */
export const VERDICTS: Record<string, string> = spoken({ proposed: '待复核', confirmed: '已确认', rejected: '已驳回' });

/** How much: seconds, or characters a minute. */
export function amount(finding: { kind: string; measured: number; phrase: string }): string {
  if (finding.kind === 'forbidden') return finding.phrase;
  if (finding.kind === 'pace') return t('{count} 字/分', { count: finding.measured });
  return t('{seconds} 秒', { seconds: (finding.measured / 1_000).toFixed(finding.measured < 10_000 ? 1 : 0) });
}

/** Half the height of a side of the waveform, and where the middle of each lies; the whole is 100 high. */
const REACH = 24;
export const MIDDLES = [25, 75] as const;
/** What is quieter than this of the loudest sample of a file is drawn as it is: noise shall not look like speech. */
const LOUD_MIN = 60;

/** The outline of a side around its middle: `loudest` is what reaches its edge. */
export function outline(peaks: readonly number[], middle: number, loudest: number): string {
  if (!peaks.length) return '';
  const reach = (peak: number) => (Math.min(1, peak / Math.max(loudest, LOUD_MIN)) * REACH).toFixed(1);
  const upper = peaks.map((peak, at) => `${at} ${(middle - Number(reach(peak))).toFixed(1)}`);
  const lower = peaks.map((peak, at) => `${at} ${(middle + Number(reach(peak))).toFixed(1)}`).reverse();
  return `M${upper.join('L')}L${lower.join('L')}Z`;
}

/** The loudest of both sides, without the few that are a click. */
export function loudestOf(...sides: readonly (readonly number[])[]): number {
  const all = sides.flat().sort((a, b) => a - b);
  return all[Math.floor(all.length * 0.995)] ?? 0;
}

const STEP_MS = 5_000;
const LEAP_MS = 30_000;

/** Where a key of a slider leads, or null where it leads nowhere (WAI-ARIA, slider). */
export function seekBy(key: string, atMs: number, durationMs: number): number | null {
  const places: Record<string, number> = {
    ArrowRight: atMs + STEP_MS, ArrowUp: atMs + STEP_MS, ArrowLeft: atMs - STEP_MS, ArrowDown: atMs - STEP_MS,
    PageUp: atMs + LEAP_MS, PageDown: atMs - LEAP_MS, Home: 0, End: durationMs,
  };
  const to = places[key];
  return to === undefined ? null : Math.min(durationMs, Math.max(0, to));
}

/** Where and how much, for who hears the page. */
export const spokenPlace = (atMs: number, durationMs: number) => t('{at}，共 {whole}', { at: clock(atMs / 1_000), whole: clock(durationMs / 1_000) });

/** The next finding that nobody reviewed, behind this one or from the beginning; null where there is none. */
export function nextOpen<Finding extends { id: string; state: string }>(findings: readonly Finding[], id: string): Finding | null {
  const at = findings.findIndex((finding) => finding.id === id);
  const order = [...findings.slice(at + 1), ...findings.slice(0, Math.max(0, at))];
  return order.find(({ state }) => state === 'proposed') ?? null;
}

/** In the order of drawing: what is reviewed lies over the others. */
export const topmost = <Finding extends { id: string }>(findings: readonly Finding[], chosen?: string): Finding[] =>
  [...findings.filter(({ id }) => id !== chosen), ...findings.filter(({ id }) => id === chosen)];
