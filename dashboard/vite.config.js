import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The built page lies in the package, beside the daemon that serves it. `python -m tools.page --check` builds it again
// elsewhere and compares byte for byte, so nothing here may depend on the time, the machine or the folder.
export default defineConfig({
  base: '/',
  plugins: [svelte()],
  build: {
    outDir: process.env.HOLDFAST_PAGE_OUT ?? '../src/holdfast/daemon/page',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { output: { assetFileNames: 'assets/[name]-[hash][extname]' } },
  },
});
