import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { AutoGenxBindAgent, HandlerError, isReceipt, MessageBus, XBindError, type Handler } from '@private.me/autogen'

/** A caller, and an agent called `writer` with that handler; what its owner is told goes into `told`. */
function pair(handler: Handler): {
  reader: AutoGenxBindAgent
  writer: AutoGenxBindAgent
  told: unknown[]
  bus: MessageBus
} {
  const bus = new MessageBus()
  const told: unknown[] = []
  const writer = new AutoGenxBindAgent({
    name: 'writer',
    handler,
    agentOptions: { bus },
    onHandlerError: (error) => told.push(error),
  })
  return { reader: new AutoGenxBindAgent({ agentOptions: { bus } }), writer, told, bus }
}

/** All parts, and the code of the error that they end with. */
async function read(parts: AsyncIterable<unknown>): Promise<{ parts: unknown[]; code?: string; error?: XBindError }> {
  const got: unknown[] = []
  try {
    for await (const part of parts) got.push(part)
    return { parts: got }
  } catch (error) {
    expect(error).toBeInstanceOf(XBindError)
    return { parts: got, code: (error as XBindError).code, error: error as XBindError }
  }
}

/** The first part, and then the reader leaves. */
async function first(parts: AsyncIterable<unknown>): Promise<unknown> {
  for await (const part of parts) return part
  return undefined
}

/** Until it holds; what never does ends with the time of the test. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(1)
}

/** Counts up, and says where it is and whether it has ended. */
function counter(): { seen: { made: number; ended: number; aborted: number }; handler: Handler } {
  const seen = { made: 0, ended: 0, aborted: 0 }
  return {
    seen,
    async *handler({ payload, signal }) {
      signal.addEventListener('abort', () => (seen.aborted += 1))
      try {
        for (let n = 0; n < (payload as number); n++) {
          seen.made += 1
          yield n
        }
        return 'end'
      } finally {
        seen.ended += 1
      }
    },
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

test('the parts come in order, and then what the generator returned', async () => {
  const { reader } = pair(counter().handler)
  for (const count of [0, 1, 31, 32, 33, 64, 1000]) {
    const stream = reader.stream<number>('writer', count)
    expect(await read(stream)).toEqual({ parts: numbers(count) })
    expect(await stream.result).toEqual({ ok: true, value: 'end' })
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  }
})

test('parts come while the others are made', async () => {
  let goOn!: () => void
  const { reader } = pair(async function* () {
    yield 'first'
    await new Promise<void>((resolve) => (goOn = resolve))
    yield 'second'
  })
  const stream = reader.stream('writer', null)
  expect(await stream.next()).toEqual({ done: false, value: 'first' })
  goOn()
  expect(await stream.next()).toEqual({ done: false, value: 'second' })
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})

test('`next` that is asked many times at once gives each its part', async () => {
  const { reader } = pair(counter().handler)
  const stream = reader.stream('writer', 40)
  const steps = await Promise.all(Array.from({ length: 42 }, () => stream.next()))
  expect(steps.map(({ value }) => value as unknown)).toEqual([...numbers(40), undefined, undefined])
})

const sources: [string, () => unknown][] = [
  [
    'an async generator',
    async function* () {
      yield* [1, 2, 3]
    },
  ],
  [
    'a promise of one',
    async () =>
      (async function* () {
        yield* [1, 2, 3]
      })(),
  ],
  [
    'an AsyncIterable',
    () => {
      let n = 0
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => (n === 3 ? { done: true, value: undefined } : { done: false, value: ++n }),
        }),
      }
    },
  ],
  [
    'an AsyncIterable that is not asynchronous',
    () => {
      let n = 0
      return { [Symbol.asyncIterator]: () => ({ next: () => (n === 3 ? { done: true } : { value: ++n }) }) }
    },
  ],
  ['a ReadableStream', () => ReadableStream.from([1, 2, 3])],
]
test.each(sources)('%s is an answer in parts, and is gathered for a call', async (_, make) => {
  const { reader, told } = pair(make)
  expect(await read(reader.stream('writer', null))).toEqual({ parts: [1, 2, 3] })
  expect(await reader.call('writer', null)).toEqual({ ok: true, value: [1, 2, 3] })
  expect(told).toEqual([])
})

test('bytes are parts, and are gathered as bytes', async () => {
  const { reader } = pair(async function* () {
    yield new Uint8Array([1, 2])
    yield new Uint8Array()
    yield Buffer.from([3])
  })
  expect(await read(reader.stream('writer', null))).toEqual({
    parts: [new Uint8Array([1, 2]), new Uint8Array(), new Uint8Array([3])],
  })
  expect(await reader.call('writer', null)).toEqual({ ok: true, value: new Uint8Array([1, 2, 3]) })
})

test('an answer in one has no parts, and is the result', async () => {
  const { reader, writer } = pair(() => ({ all: true }))
  for (const value of [{ all: true }, [1], null, 'text']) {
    writer.handle(() => value)
    const stream = reader.stream('writer', null)
    expect(await read(stream)).toEqual({ parts: [] })
    expect(await stream.result).toEqual({ ok: true, value })
  }
  writer.handle(null)
  const stream = reader.stream('writer', null)
  expect(await read(stream)).toEqual({ parts: [] })
  const result = await stream.result
  expect(result.ok && isReceipt(result.value)).toBe(true)
})

test('no parts at all: an empty list for a call', async () => {
  const { reader } = pair(counter().handler)
  expect(await reader.call('writer', 0)).toEqual({ ok: true, value: [] })
})

test('what the generator throws comes after the parts that came', async () => {
  const { reader, writer, told } = pair(async function* () {
    yield 1
    throw new Error('secret')
  })
  const stream = reader.stream('writer', null)
  const got = await read(stream)
  expect(got).toMatchObject({ parts: [1], code: 'HANDLER_FAILED' })
  expect(got.error?.message).not.toContain('secret')
  expect(await stream.result).toMatchObject({ ok: false, error: { code: 'HANDLER_FAILED' } })
  expect(await stream.next()).toEqual({ done: true, value: undefined })
  expect(told).toMatchObject([{ message: 'secret' }])
  writer.handle(async function* () {
    yield 1
    throw new HandlerError('FULL', 'no more', { data: { at: 1 } })
  })
  const other = await read(reader.stream('writer', null))
  expect(other).toMatchObject({ parts: [1], code: 'HANDLER_FAILED' })
  expect(other.error?.remote).toEqual({ code: 'FULL', message: 'no more', data: { at: 1 } })
  expect(told).toHaveLength(1)
})

const broken: [string, () => unknown][] = [
  [
    'is no JSON',
    async function* () {
      yield 1
      yield () => 1
    },
  ],
  ['is a promise', () => ({ [Symbol.asyncIterator]: once({ value: Promise.resolve(1) }) })],
  ['is a thenable', () => ({ [Symbol.asyncIterator]: once({ value: { then: () => 1 } }) })],
  [
    'is too large',
    async function* () {
      yield 'x'.repeat(2 ** 20)
    },
  ],
  [
    'is too many bytes',
    async function* () {
      yield new Uint8Array(2 ** 20 + 1)
    },
  ],
  [
    'throws when it is read',
    async function* () {
      yield {
        get secret() {
          throw new Error('mine')
        },
      }
    },
  ],
  ['has a step that is none', () => ({ [Symbol.asyncIterator]: once(1) })],
  [
    'has a step that throws',
    () => ({
      [Symbol.asyncIterator]: once({
        get done() {
          throw new Error('mine')
        },
      }),
    }),
  ],
  ['has an iterator that is none', () => ({ [Symbol.asyncIterator]: () => null })],
  ['has an iterator without next', () => ({ [Symbol.asyncIterator]: () => ({}) })],
  [
    'has an iterator that throws',
    () => ({
      [Symbol.asyncIterator]() {
        throw new Error('mine')
      },
    }),
  ],
  [
    'has a next that throws',
    () => ({
      [Symbol.asyncIterator]: () => ({
        next() {
          throw new Error('mine')
        },
      }),
    }),
  ],
  [
    'has a getter that throws',
    () => ({
      get [Symbol.asyncIterator]() {
        throw new Error('mine')
      },
    }),
  ],
  [
    'comes from a locked stream',
    () => {
      const stream = ReadableStream.from([1])
      stream.getReader()
      return stream
    },
  ],
  [
    'ends with what is no JSON',
    async function* () {
      yield 1
      return () => 1
    },
  ],
]
function once(step: unknown): () => AsyncIterator<unknown> {
  return () => ({ next: async () => step as IteratorResult<unknown> })
}
test.each(broken)('a part that %s fails the call, and its owner is told once', async (_, make) => {
  const { reader, told } = pair(make)
  expect(await read(reader.stream('writer', null))).toMatchObject({ code: 'HANDLER_FAILED' })
  expect(told).toHaveLength(1)
  if (!_.startsWith('ends'))
    expect(await reader.call('writer', null)).toMatchObject({ error: { code: 'HANDLER_FAILED' } })
})

test('a part that cannot be sent stops the generator', async () => {
  let ended = 0
  const { reader, told } = pair(async function* () {
    try {
      for (;;) yield 1n
    } finally {
      ended += 1
    }
  })
  expect(await read(reader.stream('writer', null))).toMatchObject({ parts: [], code: 'HANDLER_FAILED' })
  expect([ended, told.length]).toEqual([1, 1])
})

test('what is gathered for a call has a bound, and bytes and JSON do not mix', async () => {
  const { seen, handler } = counter()
  const { reader, writer, told } = pair(handler)
  expect(await reader.call('writer', Infinity, { timeoutMs: 2 ** 31 - 1 })).toMatchObject({
    error: { code: 'INVALID_PAYLOAD' },
  })
  expect(await reader.call('writer', 1e9)).toMatchObject({ error: { code: 'HANDLER_FAILED' } })
  await until(() => seen.ended === 1)
  expect(told).toMatchObject([{ code: 'PAYLOAD_TOO_LARGE' }])
  writer.handle(async function* () {
    yield 1
    yield new Uint8Array(1)
  })
  expect(await reader.call('writer', null)).toMatchObject({ error: { code: 'HANDLER_FAILED' } })
  expect(await read(reader.stream('writer', null))).toEqual({ parts: [1, new Uint8Array(1)] })
})

test('parts that weigh nothing are gathered without holding up the rest', async () => {
  const { reader } = pair(async function* () {
    for (;;) yield new Uint8Array()
  })
  expect(await reader.call('writer', null, { timeoutMs: 50, maxTotalTimeoutMs: 50 })).toMatchObject({
    error: { code: 'TIMEOUT' },
  })
})

const leaving: [string, (reader: AutoGenxBindAgent, abort: AbortController) => Promise<unknown>][] = [
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
    async (reader) => {
      const stream = reader.stream('writer', 1e9)
      await sleep(5)
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
      const stream = reader.stream('writer', 1e9, { maxTotalTimeoutMs: 50 }) // which nobody reads
      await stream.result
    },
  ],
  [
    'the end of all time',
    async (reader) => {
      await read(reader.stream('writer', 1e9, { timeoutMs: 50, maxTotalTimeoutMs: 60 }))
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
  await leave(reader, new AbortController()).catch(() => {})
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

test('methods stream, and their output is checked part by part', async () => {
  const { reader, writer, told } = pair(() => 'no method')
  const output = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof value === 'number' ? { value: value * 2 } : { issues: [{ message: 'no number' }] },
    },
  }
  writer.handle(
    'count',
    async function* ({ payload }) {
      yield 1
      yield payload
      return 'unchecked'
    },
    { output } as never,
  )
  const stream = reader.stream('writer', 2, { method: 'count' })
  expect(await read(stream)).toEqual({ parts: [2, 4] })
  expect(await stream.result).toEqual({ ok: true, value: 'unchecked' })
  expect(await read(reader.stream('writer', 'x', { method: 'count' }))).toMatchObject({
    parts: [2],
    code: 'HANDLER_FAILED',
  })
  expect(told).toHaveLength(1)
  expect(await reader.call('writer', 3, { method: 'count' })).toEqual({ ok: true, value: [2, 6] })
  expect(await read(reader.stream('writer', 3, { method: 'unknown' }))).toEqual({ parts: [] })
})

test.each<[string, () => AsyncIterable<unknown>]>([
  [
    'never ends',
    async function* () {
      try {
        yield 'wrong'
      } finally {
        await new Promise(() => {})
      }
    },
  ],
  [
    'throws',
    async function* () {
      try {
        yield 'wrong'
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- what a part's author may do
        throw new Error('finally')
      }
    },
  ],
  [
    'never cancels',
    () => new ReadableStream({ pull: (to) => to.enqueue('wrong'), cancel: () => new Promise<void>(() => {}) }),
  ],
])('a part that does not fit its schema is told at once, also where its source %s', async (_, handler) => {
  const { reader, writer, told } = pair(() => 'no method')
  const validate = (): unknown => ({ issues: [{ message: 'wrong', path: ['here'] }] })
  writer.handle('wrong', handler, { output: { '~standard': { version: 1, vendor: 'test', validate } } } as never)
  const answer = await read(reader.stream('writer', null, { method: 'wrong' }))
  expect(answer).toMatchObject({ parts: [], code: 'HANDLER_FAILED' })
  expect(told).toEqual([new Error('the answer does not fit its schema at /here')])
})

test('options of stream() are those of call(); what is none is refused', async () => {
  const { reader } = pair(counter().handler)
  for (const wrong of [
    null,
    'x',
    7,
    [],
    { timeout: 1 },
    { window: 3 },
    { signal: {} },
    { timeoutMs: '1' },
    { method: 7 },
  ]) {
    expect(() => reader.stream('writer', 1, wrong as never), JSON.stringify(wrong)).toThrow(TypeError)
  }
  for (const to of [null, undefined, 7, {}]) expect(() => reader.stream(to as never, 1)).toThrow(TypeError)
  for (const [options, code] of [
    [{ timeoutMs: 0 }, 'INVALID_CONFIG'],
    [{ timeoutMs: NaN }, 'INVALID_CONFIG'],
    [{ maxTotalTimeoutMs: -1 }, 'INVALID_CONFIG'],
    [{ method: 'no method' }, 'INVALID_CONFIG'],
  ] as const) {
    expect(await read(reader.stream('writer', 1, options))).toMatchObject({ parts: [], code })
  }
  expect(await read(reader.stream('nobody', 1))).toMatchObject({ code: 'AGENT_NOT_FOUND' })
  expect(await read(reader.stream('writer', 1n))).toMatchObject({ code: 'INVALID_PAYLOAD' })
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

test('a thenable that settles twice with generators is answered by the first', async () => {
  const { reader } = pair(() => ({
    // oxlint-disable-next-line unicorn/no-thenable -- as query builders are
    then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
      resolve(Readable.from([1, 2]))
      resolve(Readable.from([3]))
      resolve('whole')
      reject(new Error('mine'))
    },
  }))
  const stream = reader.stream('writer', null)
  expect(await read(stream)).toEqual({ parts: [1, 2] })
  expect(await stream.result).toEqual({ ok: true, value: null })
})

test('who watches sees a stream from its beginning to its end, and generators run in the context that is set for them', async () => {
  const [calls, handles] = ['call', 'handle'].map((name) =>
    tracingChannel<unknown, { kind?: string; error?: unknown }>(`@private.me/autogen:${name}`),
  )
  const events: string[] = []
  const context = new AsyncLocalStorage<string>()
  const on = {
    start() {},
    end() {},
    asyncStart() {},
    asyncEnd: ({ kind = 'handle', error }: { kind?: string; error?: unknown }) =>
      void events.push(error ? `${kind} failed` : kind),
    error() {},
  }
  calls!.subscribe(on)
  handles!.subscribe(on)
  handles!.start.bindStore(context, () => 'handling')
  try {
    const { reader, writer } = pair(async function* () {
      for (let n = 0; n < 70; n++) {
        if (n === 0 || n === 69) events.push(`${n} ${context.getStore()}`)
        yield n
      }
    })
    expect((await read(reader.stream('writer', null))).parts).toHaveLength(70)
    await sleep(5)
    expect(events.toSorted()).toEqual(['0 handling', '69 handling', 'handle', 'stream'])
    events.length = 0
    writer.handle(async function* () {
      yield 1n
    })
    await read(reader.stream('writer', null))
    await sleep(5)
    expect(events.toSorted()).toEqual(['handle failed', 'stream failed'])
  } finally {
    handles!.start.unbindStore(context)
    handles!.unsubscribe(on)
    calls!.unsubscribe(on)
  }
})
