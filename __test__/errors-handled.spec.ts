// `handled: 'no'` is only said where no handler has begun.
import { expect } from 'vitest'
import { test } from './helpers/bus.ts'

test('a call that is given up while its answer is being told may have run', async ({ agent }) => {
  const caller = agent()
  const signals = Array.from({ length: 300 }, () => new AbortController())
  const ran = new Set<number>()
  const server = agent({
    agentOptions: { concurrency: 7 },
    handler: async ({ payload, progress }) => {
      const n = payload as number
      ran.add(n)
      progress({ progress: 1 })
      signals[n - 10]?.abort() // its answer has been signed, and waits to be told
      if (n % 3 === 0) await Promise.resolve()
      return n
    },
  })
  const answers = await Promise.all(
    signals.map(({ signal }, n) => {
      const onProgress = (): void => signals[n + 1]?.abort()
      return caller.call(server.getDID(), n, { signal, onProgress })
    }),
  )
  const failed = answers.flatMap((answer, n) => (answer.ok ? [] : [{ n, error: answer.error }]))
  expect(failed.length).toBeGreaterThan(0)
  expect(failed.filter(({ n, error }) => error.handled === 'no' && ran.has(n))).toEqual([])
})
