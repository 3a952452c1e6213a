// Answers in parts that fail, or are too much.
import { expect, test } from 'vitest'
import { HandlerError } from '@private.me/autogen'
import { counter, pair, read, until } from './helpers/stream.ts'

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
