// English of what the pages say: one file for each page, by the Chinese text.

import { COMMON } from './common';
import { INSIGHT } from './insight';

export const ENGLISH: Record<string, string> = { ...COMMON, ...INSIGHT };
