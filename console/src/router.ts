import { createRouter, createWebHashHistory } from 'vue-router';
import { type Role, session } from './api/session';
import { say } from './language';

/** A page and who may open it. */
interface PageWords {
  path: string;
  label: string;
  roles: readonly Role[];
}

/** In the order of the navigation. */
export const PAGES: readonly PageWords[] = [
  { path: '/seat', label: say('座席'), roles: ['seat', 'supervisor'] },
  { path: '/supervisor', label: say('班长'), roles: ['supervisor', 'admin'] },
  { path: '/tickets', label: say('工单'), roles: ['supervisor', 'admin', 'expert'] },
  { path: '/quality', label: say('质检'), roles: ['supervisor', 'admin'] },
  { path: '/callbacks', label: say('回访'), roles: ['operator', 'supervisor', 'admin'] },
  { path: '/insight', label: say('分析'), roles: ['supervisor', 'admin'] },
  { path: '/admin', label: say('管理'), roles: ['admin', 'auditor'] },
];

/** Pages of whoever is signed in. */
export const pagesOf = (role: Role | null) => PAGES.filter(({ roles }) => role && roles.includes(role));

export const router = createRouter({
  history: createWebHashHistory('/console/'),
  routes: [
    { path: '/seat', component: () => import('./pages/seat/SeatPage.vue') },
    { path: '/supervisor', component: () => import('./pages/supervisor/SupervisorPage.vue') },
    { path: '/tickets', component: () => import('./pages/tickets/TicketsPage.vue') },
    { path: '/quality', component: () => import('./pages/quality/QualityPage.vue') },
    { path: '/callbacks', component: () => import('./pages/callbacks/CallbacksPage.vue') },
    { path: '/insight', component: () => import('./pages/insight/InsightPage.vue') },
    { path: '/admin', component: () => import('./pages/admin/AdminPage.vue') },
    { path: '/:rest(.*)*', redirect: () => pagesOf(session.role)[0]?.path ?? '/seat' },
  ],
});

router.beforeEach(({ path }) => {
  const own = pagesOf(session.role);
  if (!own.length || own.some((page) => page.path === path)) return true;
  return own[0]?.path ?? false;
});
