import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // The specs test what ships, not the sources.
  resolve: { alias: { '@private.me/autogen': fileURLToPath(new URL('dist/index.mjs', import.meta.url)) } },
  test: {
    include: ['__test__/**/*.spec.ts'],
    exclude: ['__test__/packaging/**'],
    pool: 'forks',
    server: { deps: { external: [/\/dist\//] } },
    typecheck: { enabled: true, include: ['__test__/types/**/*.test-d.ts'], tsconfig: '__test__/tsconfig.json' },
  },
})
