// English of what the pages say: one file for each page, by the Chinese text.

import { COMMON } from './common';

export const ENGLISH: Record<string, string> = { ...COMMON };
