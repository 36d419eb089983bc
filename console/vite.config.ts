import vue from '@vitejs/plugin-vue';
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers';
import components from 'unplugin-vue-components/vite';
import { defineConfig } from 'vite';
import { licences } from './licences';

const SERVER = process.env.QINGTING_URL ?? 'http://127.0.0.1:12345';

// The server's policy allows no inline script or style and nothing of other hosts, so nothing is inlined.
export default defineConfig({
  base: '/console/',
  plugins: [
    vue(),
    licences(),
    components({ dts: false, dirs: [], resolvers: [ElementPlusResolver({ importStyle: 'css' })] }),
  ],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One style sheet for each page would make the first one wait for two.
    cssCodeSplit: true,
  },
  // `npm run dev` shows the pages with a running server.
  server: { proxy: { '/api': { target: SERVER, ws: true }, '/softphone': SERVER } },
});
