// Streams that end before their last part, on either side.
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { counter, first, pair, read, until, type Seen } from './helpers/stream.ts'

type Leave = (reader: AutoGenxBindAgent, abort: AbortController, seen: Seen) => Promise<unknown>
const leaving: [string, Leave][] = [
  [
    'break',
    async (reader) => {
      for await (const part of reader.stream('writer', 1e9)) if (part === 0) break
    },
  ],
  [
    'a throw in the loop',
    async (reader) => {
      for await (const part of reader.stream('writer', 1e9)) if (part === 0) throw new Error('mine')
    },
  ],
  [
    'return()',
    async (reader) => {
      const stream = reader.stream('writer', 1e9)
      await stream.next()
      await stream.return?.()
    },
  ],
  [
    'return() before the first part',
    async (reader, _, seen) => {
      const stream = reader.stream('writer', 1e9)
      await until(() => seen.made > 0)
      await stream.return?.()
    },
  ],
  [
    'throw()',
    async (reader) => {
      const stream = reader.stream('writer', 1e9)
      await stream.next()
      await stream.throw?.(new Error('mine'))
    },
  ],
  [
    'abort',
    async (reader, abort) => {
      for await (const part of reader.stream('writer', 1e9, { signal: abort.signal })) if (part === 3) abort.abort()
    },
  ],
  [
    'timeout',
    async (reader) => {
      const stream = reader.stream('writer', 1e9, { maxTotalTimeoutMs: 300 }) // which nobody reads
      await stream.result
    },
  ],
  [
    'the end of all time',
    async (reader) => {
      await read(reader.stream('writer', 1e9, { timeoutMs: 300, maxTotalTimeoutMs: 310 }))
    },
  ],
  [
    'close of the reader',
    async (reader) => {
      for await (const part of reader.stream('writer', 1e9)) if (part === 3) reader.close()
    },
  ],
]
test.each(leaving)('%s stops the generator', async (_, leave) => {
  const { seen, handler } = counter()
  const { reader, told } = pair(handler)
  await leave(reader, new AbortController(), seen).catch(() => {})
  await until(() => seen.ended === 1)
  expect(seen.aborted).toBe(1)
  const { made } = seen
  await sleep(20)
  expect(seen.made).toBe(made)
  expect(told).toEqual([])
})

test('who gives up hears no more parts, and ABORTED where that was not his own doing', async () => {
  const { reader } = pair(counter().handler)
  const abort = new AbortController()
  const stream = reader.stream('writer', 1e9, { signal: abort.signal })
  await stream.next()
  await sleep(5)
  abort.abort()
  expect(await read(stream)).toMatchObject({ parts: [], code: 'ABORTED' })
  expect(await stream.result).toMatchObject({ error: { code: 'ABORTED' } })
  const other = reader.stream('writer', 1e9)
  const waiting = Promise.all(Array.from({ length: 3 }, () => other.next()))
  await other.return?.()
  for (const step of await waiting) expect(step).toEqual({ done: true, value: undefined })
  expect(await other.return?.(Promise.resolve(7))).toEqual({ done: true, value: 7 })
  await expect(other.throw?.(new Error('mine'))).rejects.toThrow('mine')
  expect(await other.next()).toEqual({ done: true, value: undefined })
})

test('a signal that has aborted begins nothing', async () => {
  const { seen, handler } = counter()
  const { reader } = pair(handler)
  expect(await read(reader.stream('writer', 1, { signal: AbortSignal.abort() }))).toMatchObject({ code: 'ABORTED' })
  expect(seen.made).toBe(0)
})

test('`next` that never resolves ends when the reader leaves, as far as its reader and close are concerned', async () => {
  let returned = 0
  const { reader, writer, told } = pair(() => ({
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => {}),
      return: () => {
        returned += 1
        return new Promise(() => {})
      },
    }),
  }))
  expect(await read(reader.stream('writer', null, { timeoutMs: 30 }))).toMatchObject({ code: 'TIMEOUT' })
  await until(() => returned === 1)
  await writer.close({ drainMs: 20 })
  expect(told).toEqual([])
})

test('a ReadableStream is cancelled, also while it waits', async () => {
  const reasons: unknown[] = []
  const { reader, told } = pair(
    () => new ReadableStream({ start: (to) => to.enqueue('a'), cancel: (why) => void reasons.push(why) }),
  )
  await first(reader.stream('writer', null))
  await until(() => reasons.length === 1)
  expect(reasons).toMatchObject([{ code: 'ABORTED' }])
  expect(told).toEqual([])
})

test('what fails while it is stopped is told to its owner; a generator that says that it was aborted has not failed', async () => {
  const { reader, writer, told } = pair(async function* () {
    try {
      for (;;) yield 1
    } finally {
      // oxlint-disable-next-line no-unsafe-finally -- that is what is tried
      throw new Error('on the way out')
    }
  })
  await first(reader.stream('writer', null))
  await until(() => told.length === 1)
  expect(told).toMatchObject([{ message: 'on the way out' }])
  writer.handle(async function* ({ signal }) {
    yield 1
    await sleep(60_000, undefined, { signal })
  })
  await first(reader.stream('writer', null))
  await sleep(20)
  expect(told).toHaveLength(1)
  writer.handle(() => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ value: 1 }),
      return() {
        throw new Error('return')
      },
    }),
  }))
  await first(reader.stream('writer', null))
  await until(() => told.length === 2)
})

test('an agent that closes ends its streams, and those that it reads', async () => {
  const { seen, handler } = counter()
  const { reader, writer } = pair(handler)
  const stream = reader.stream('writer', 1e9)
  await stream.next()
  writer.close()
  expect(await read(stream)).toMatchObject({ code: 'AGENT_CLOSED' })
  await until(() => seen.ended === 1)
  expect(await read(reader.stream('writer', 1))).toMatchObject({ code: 'AGENT_NOT_FOUND' })
  reader.close()
  expect(await read(reader.stream('writer', 1))).toMatchObject({ code: 'AGENT_CLOSED' })
})

test('a bus that closes, and an identity that is stopped, end streams', async () => {
  const { seen, handler } = counter()
  for (const end of [
    ({ bus }: ReturnType<typeof pair>) => bus.close(),
    ({ bus, writer }: ReturnType<typeof pair>) => bus.stop(writer.getDID()),
    ({ bus, reader }: ReturnType<typeof pair>) => bus.stop(reader.getDID()),
  ]) {
    seen.ended = 0
    const both = pair(handler)
    const stream = both.reader.stream('writer', 1e9)
    await stream.next()
    end(both)
    expect((await read(stream)).code).toMatch(/AGENT_CLOSED|REVOKED/)
    await until(() => seen.ended === 1)
  }
})

test('close({ drainMs }) lets a stream end', async () => {
  const { reader, writer } = pair(counter().handler)
  const stream = reader.stream('writer', 200)
  await stream.next()
  const closed = writer.close({ drainMs: 30_000 })
  expect((await read(stream)).parts).toHaveLength(199)
  await closed
})

test('a place for handlers is free again when a stream was left', async () => {
  const bus = new MessageBus()
  const { seen, handler } = counter()
  const writer = new AutoGenxBindAgent({ name: 'writer', handler, agentOptions: { bus, concurrency: 1 } })
  const reader = new AutoGenxBindAgent({ agentOptions: { bus } })
  for (let n = 1; n <= 10; n++) {
    await first(reader.stream('writer', 1e9))
    await until(() => seen.ended === n)
  }
  expect(await reader.call(writer.getDID(), 1)).toEqual({ ok: true, value: [0] })
})

test('a stream of Node.js is an answer in parts, and is destroyed, also while it waits', async () => {
  const stream = new Readable({ read() {} })
  stream.push('a part')
  const { reader, told } = pair(() => stream)
  expect(await first(reader.stream('writer', null))).toEqual(new Uint8Array(Buffer.from('a part')))
  await until(() => stream.destroyed)
  await sleep(5)
  expect(told).toEqual([])
})

test('a call that was given up before its handler gave a generator begins none', async () => {
  let begun = 0
  let give!: () => void
  const given = new Promise<void>((resolve) => (give = resolve))
  let stopped = 0
  const { reader, writer } = pair(async () => {
    await given
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => (begun += 1),
        return: () => (stopped += 1),
      }),
    }
  })
  await reader.stream('writer', null, { timeoutMs: 10 }).result
  give()
  await until(() => stopped === 1)
  expect(begun).toBe(0)
  await writer.close({ drainMs: 60_000 }) // nothing of it is left
})
