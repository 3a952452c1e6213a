import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { isReceipt } from '@private.me/autogen'
import { counter, numbers, pair, read } from './helpers/stream.ts'

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
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  const { reader } = pair(async function* () {
    yield 'first'
    await gate
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
