// Requests to the server, typed by its own description (schema.d.ts), and errors as people read them.

import createClient from 'openapi-fetch';
import { spoken, t } from '../language';
import type { components, paths } from '../../../clients/typescript/schema';
import { ended, header } from './session';

/** Shapes of the API. */
export type Schemas = components['schemas'];

const REFUSED: Record<number, string> = spoken({
  401: '登录已失效，请重新签入',
  403: '没有权限',
  404: '没有找到',
  409: '内容刚被改动，请看一眼再试',
  410: '录音已删除',
  412: '内容刚被改动，请看一眼再试',
  422: '填写的内容不被接受',
  429: '尝试太多，请稍后再试',
  503: '服务器暂时不可用',
});

/** What is said where no answer came. */
export const away = (): string => t('服务器没有回应，请检查网络');

/** Why a request failed: `message` is for people, `status` 0 where no answer came. */
export class Refusal extends Error {
  constructor(readonly status: number, message: string, readonly problem: Schemas['Problem'] | null = null) {
    super(message);
  }
}

/** What exists already, where the server names the field (409). */
const TAKEN: Record<string, string> = spoken({
  extension: '已有座席使用这个分机号', login: '登录名已被占用', name: '名称已被占用（停用的也算）', subject: '统一身份标识已属于他人',
});

/** Fields that people fill, where the server names one that is not accepted. */
const FIELDS: Record<string, string> = spoken({
  extension: '分机号应为 2 至 8 位数字', password: '密码应为 8 至 128 个字符', name: '名称为空、太长或已有', skills: '技能级别应为 1 至 9',
  login: '登录名应为 2 至 32 个小写字母、数字或 . _ -，字母开头，且未被占用', unit: '请填写承办单位（不超过 100 字）', subject: '统一身份标识不对，或已属于他人',
  current: '当前密码不对', new: '新密码应与当前密码不同',
  occurred_at: '发生时间应为日期或时刻，如 2026-05-01 19:30，也可写文字，如“昨天傍晚”', phone: '联系电话应为 3 至 20 位数字', to: '号码应为数字', amount: '金额应为数字，如 3000 或 12.5',
});

const client = createClient<paths>({ baseUrl: '' });
client.use({
  onRequest({ request }) {
    const proof = header();
    if (proof) request.headers.set('Authorization', proof);
    return request;
  },
});

/** The operations of the API. */
export const { GET, POST, PUT, PATCH, DELETE } = client;

/** The answer's body, or a `Refusal`. */
export async function ok<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const answer = await asked.catch(() => {
    throw new Refusal(0, away());
  });
  if (!answer.response.ok) throw refusal(answer.response.status, answer.error);
  return answer.data as T;
}

/** Bytes of a recording, which need the credential, from `first` to `last`. */
export async function recordingBytes(call: string, first: number, last: number): Promise<ArrayBuffer> {
  const headers = { Authorization: header() ?? '', Range: `bytes=${first}-${last}` };
  const answer = await fetch(`/api/v1/calls/${encodeURIComponent(call)}/recording`, { headers }).catch(() => {
    throw new Refusal(0, away());
  });
  if (answer.status === 416) throw new Refusal(416, t('这一段还没有录下来'));
  if (!answer.ok) throw refusal(answer.status, await answer.json().catch(() => null));
  return answer.arrayBuffer();
}

/** A copy of all that is known of a citizen, as a ZIP file. */
export async function citizenCopy(phone: string): Promise<Blob> {
  const headers = { Authorization: header() ?? '', 'Content-Type': 'application/json' };
  const asked = fetch('/api/v1/citizens/export', { method: 'POST', headers, body: JSON.stringify({ phone }) });
  const answer = await asked.catch(() => {
    throw new Refusal(0, away());
  });
  if (!answer.ok) throw refusal(answer.status, await answer.json().catch(() => null));
  return answer.blob();
}

/** A prompt's sound. */
export async function promptSound(id: string): Promise<Blob> {
  const asked = fetch(`/api/v1/prompts/${encodeURIComponent(id)}/audio`, { headers: { Authorization: header() ?? '' } });
  const answer = await asked.catch(() => {
    throw new Refusal(0, away());
  });
  if (!answer.ok) throw refusal(answer.status, await answer.json().catch(() => null));
  return answer.blob();
}

/** Sends a file's bytes as they are; the answer as JSON. */
export async function sendFile<T>(method: 'POST' | 'PUT', path: string, bytes: Blob | string, more: Record<string, string> = {}): Promise<T> {
  const headers = { Authorization: header() ?? '', 'Content-Type': 'text/csv', ...more };
  const answer = await fetch(path, { method, headers, body: bytes }).catch(() => {
    throw new Refusal(0, away());
  });
  if (!answer.ok) throw refusal(answer.status, await answer.json().catch(() => null));
  return await answer.json() as T;
}

// What the server says in Chinese is for people; other details are for programs.
function refusal(status: number, error: unknown): Refusal {
  const problem = (typeof error === 'object' ? error : null) as Schemas['Problem'] | null;
  const detail = problem?.detail ?? '';
  const field = FIELDS[problem?.field ?? ''];
  const taken = TAKEN[problem?.field ?? ''];
  // The session is over, not a password that was typed.
  if (status === 401) ended();
  if (status === 409 && taken) return new Refusal(status, taken, problem);
  if (status === 422 && field) return new Refusal(status, field, problem);
  const message = /[\u4e00-\u9fff]/.test(detail) ? detail : REFUSED[status] ?? t('操作没有成功（{status}）', { status });
  return new Refusal(status, message, problem);
}
