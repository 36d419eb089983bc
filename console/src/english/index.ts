// English of what the pages say: one file for each page, by the Chinese text.

import { ADMIN } from './admin';
import { AUDIT } from './audit';
import { CALLBACKS } from './callbacks';
import { CITY } from './city';
import { COMMON } from './common';
import { INSIGHT } from './insight';
import { INSTALLATION } from './installation';
import { QUALITY } from './quality';
import { REFUSALS } from './refusals';
import { SEAT } from './seat';
import { SUPERVISOR } from './supervisor';
import { TICKETS } from './tickets';
import { WORDS } from './words';

export const ENGLISH: Record<string, string> = {
  ...ADMIN, ...AUDIT, ...CALLBACKS, ...CITY, ...COMMON, ...INSIGHT, ...INSTALLATION, ...QUALITY, ...REFUSALS, ...SEAT, ...SUPERVISOR, ...TICKETS, ...WORDS,
};
