import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const dist = fileURLToPath(new URL('dist', import.meta.url))

export default defineConfig({
  // The specs test what ships, not the sources.
  resolve: {
    alias: [
      { find: /^@private\.me\/autogen$/, replacement: `${dist}/index.mjs` },
      { find: /^@private\.me\/autogen\/(\w+)$/, replacement: `${dist}/$1.mjs` },
    ],
  },
  test: {
    include: ['__test__/**/*.spec.ts'],
    exclude: ['__test__/packaging/**', ...left()],
    pool: 'forks',
    maxWorkers: Math.max(2, availableParallelism() - 1), // much of it is waiting
    testTimeout: 60_000, // only what hangs reaches it, also on a slow machine
    hookTimeout: 900_000,
    server: { deps: { external: [/\/dist\//] } },
    typecheck: { enabled: true, include: ['__test__/types/**/*.test-d.ts'], tsconfig: '__test__/tsconfig.json' },
  },
})

/** Whoever asks for chaos says how much (npm run test:chaos), and what brokers and authorities bear is the same under every Node.js. */
function left() {
  const chaos = process.env.XBIND_CHAOS ? [] : ['__test__/nats-{chaos*,partitions}.spec.ts']
  return process.env.XBIND_OTHER_NODE
    ? [...chaos, '__test__/{nats,nats-faults,nats-mail,nats-wire,registry}.spec.ts']
    : chaos
}
