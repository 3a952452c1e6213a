// How fast the parts of an answer come, and how long they may take.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { counter, numbers, pair, read, until } from './helpers/stream.ts'

test('a generator makes no more than its reader takes', async () => {
  const { seen, handler } = counter()
  const { reader } = pair(handler)
  const stream = reader.stream('writer', 1e9)
  await until(() => seen.made >= 32)
  await sleep(20)
  expect(seen.made).toBeLessThanOrEqual(33)
  for (let n = 0; n < 100; n++) await stream.next()
  await sleep(20)
  expect(seen.made).toBeLessThanOrEqual(100 + 33)
  await stream.return?.()
  await until(() => seen.ended === 1)
})

test('a hundred thousand parts to a slow reader take no more memory than a few', async () => {
  const { reader } = pair(async function* () {
    for (let n = 0; n < 100_000; n++) yield 'x'.repeat(100)
  })
  let count = 0
  let most = 0
  const before = process.memoryUsage().rss
  for await (const part of reader.stream('writer', null)) {
    expect(part).toBeTypeOf('string')
    if (++count % 1000 === 0) {
      await sleep(1)
      most = Math.max(most, process.memoryUsage().rss - before)
    }
  }
  expect(count).toBe(100_000)
  expect(most).toBeLessThan(200 * 2 ** 20)
})

test('a slow reader gives the generator its time again', async () => {
  const { reader } = pair(counter().handler)
  const got: unknown[] = []
  for await (const part of reader.stream('writer', 40, { timeoutMs: 1000 })) {
    got.push(part)
    if (got.length <= 6) await sleep(250)
  }
  expect(got).toEqual(numbers(40))
})

test.each([0, 1, 5, 16, 33])('silence after %i parts is TIMEOUT, and stops the generator', async (count) => {
  let stopped = 0
  const { reader } = pair(async function* ({ signal }) {
    try {
      yield* numbers(count)
      await sleep(60_000, undefined, { signal })
    } finally {
      stopped += 1
    }
  })
  const got = await read(reader.stream('writer', null, { timeoutMs: 60 }))
  expect([got.parts.length, got.code]).toEqual([count, 'TIMEOUT'])
  await until(() => stopped === 1)
})

test('each part gives the other side its time again, within the time for all', async () => {
  const { reader } = pair(async function* () {
    for (let n = 0; n < 8; n++) {
      await sleep(200)
      yield n
    }
  })
  expect(await read(reader.stream('writer', null, { timeoutMs: 1000 }))).toEqual({ parts: numbers(8) })
  const cut = await read(reader.stream('writer', null, { timeoutMs: 1000, maxTotalTimeoutMs: 1010 }))
  expect(cut.code).toBe('TIMEOUT')
  expect(cut.parts.length).toBeLessThan(8)
})
