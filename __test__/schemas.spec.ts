// Schemas of methods: what libraries say, and what they must not be able to do.
import type { AutoGenxBindAgent, StandardSchema } from '@private.me/autogen'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, vi } from 'vitest'
import { z } from 'zod'
import { gate, test, turn, type Make } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const input = {
  zod: z.object({ topic: z.string().min(3), list: z.array(z.object({ n: z.number() })).default([]) }),
  valibot: v.object({
    topic: v.pipe(v.string(), v.minLength(3)),
    list: v.optional(v.array(v.object({ n: v.number() })), []),
  }),
  arktype: type({
    topic: 'string >= 3',
    list: type({ n: 'number' })
      .array()
      .default(() => []),
  }),
}

/** A schema that says what `validate` says. */
function saying(validate: (value: unknown) => unknown): StandardSchema {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}

interface Pair {
  caller: AutoGenxBindAgent
  callee: AutoGenxBindAgent
  lines: string[]
}

function pair(agent: Make): Pair {
  const lines: string[] = []
  const log = (line: string): void => void lines.push(line)
  const logger = { debug: log, info: log, warn: log, error: log }
  return { caller: agent(), callee: agent({ name: 'callee', verbose: true, logger }), lines }
}

describe.each(Object.entries(input))('%s', (_, schema) => {
  test('lets in what fits, as it comes out of the schema', async ({ agent }) => {
    const { caller, callee } = pair(agent)
    callee.handle('a', ({ payload }) => payload, { input: schema })
    const call = (payload: unknown) => caller.call('callee', payload, { method: 'a' })
    expect(valueOf(await call({ topic: 'identity' }))).toEqual({ topic: 'identity', list: [] })
    expect(valueOf(await call({ topic: 'identity', list: [{ n: 1 }] }))).toMatchObject({ list: [{ n: 1 }] })
  })

  test('refuses what does not, with the path and nothing else', async ({ agent }) => {
    const { caller, callee, lines } = pair(agent)
    const handler = vi.fn<() => void>()
    callee.handle('a', handler, { input: schema })
    const secret = 'swordfish'
    for (const [payload, path] of [
      [{ topic: 'identity', list: [{ n: 1 }, { n: secret }] }, ' at /list/1/n'],
      [{ topic: 7 }, ' at /topic'],
      [{ topic: 'sw' }, ' at /topic'],
      [secret, ''],
      [null, ''],
    ] as const) {
      const error = errorOf(await caller.call('callee', payload, { method: 'a' }))
      expect([error.code, error.retryable]).toEqual(['INVALID_INPUT', false])
      expect(error.message.endsWith(`does not take this payload${path}`)).toBe(true)
      expect(`${error.message} ${error.hint} ${JSON.stringify(error.remote)}`).not.toContain(secret)
    }
    expect(handler).not.toHaveBeenCalled()
    expect(lines.join('\n')).not.toContain(secret)
  })

  test('checks answers too: one that does not fit is the handler’s fault, and says so there', async ({ agent }) => {
    const { caller, callee } = pair(agent)
    callee.handle('a', ({ payload }) => payload as never, { output: schema })
    callee.handle('later', async ({ payload }) => payload as never, { output: schema })
    for (const method of ['a', 'later']) {
      expect(valueOf(await caller.call('callee', { topic: 'identity' }, { method }))).toEqual({
        topic: 'identity',
        list: [],
      })
      const error = errorOf(await caller.call('callee', { topic: 'sw' }, { method }))
      expect([error.code, error.remote]).toEqual(['HANDLER_FAILED', undefined])
      expect(error.message).not.toContain('topic')
    }
  })
})

describe('cards', () => {
  test('hold the JSON Schema where the library tells it', async ({ agent }) => {
    const { callee } = pair(agent)
    for (const [name, schema] of Object.entries(input))
      callee.handle(name, () => ({}) as never, { input: schema, output: schema })
    const methods = new Map(valueOf(await callee.describe()).methods.map((method) => [method.name, method]))
    for (const name of ['zod', 'arktype']) {
      const { input: taken, output: given } = methods.get(name)!
      expect(taken).toMatchObject({ type: 'object', properties: { topic: { type: 'string', minLength: 3 } } })
      expect((taken as { required: string[] }).required).toEqual(['topic'])
      expect(given).toMatchObject({ type: 'object' })
    }
    // valibot tells it with @valibot/to-json-schema; without, the card is silent.
    expect(methods.get('valibot')).toEqual({ name: 'valibot', scopes: [] })
  })

  test('are silent about what no JSON Schema describes', async ({ agent }) => {
    const { callee } = pair(agent)
    callee.handle('date', () => 1, { input: z.date() }).handle('map', () => 1, { input: z.map(z.string(), z.string()) })
    const broken = {
      ...saying((value) => ({ value }))['~standard'],
      jsonSchema: { input: () => 'no object', output: 7 },
    }
    callee.handle('broken', () => 1, { input: { '~standard': broken }, output: { '~standard': broken } })
    const closed = {
      ...saying((value) => ({ value }))['~standard'],
      get jsonSchema(): never {
        throw new Error('not here')
      },
    }
    callee.handle('closed', () => 1, { input: { '~standard': closed } })
    const methods = valueOf(await callee.describe()).methods
    expect(methods.map(({ name, input: taken }) => [name, taken])).toEqual(
      ['date', 'map', 'broken', 'closed'].map((name) => [name, undefined]),
    )
  })

  test('that would be too long are told to whoever offers so much', ({ agent }) => {
    const { callee } = pair(agent)
    const long = z.object({ a: z.string().describe('x'.repeat(60_000)) })
    expect(() => callee.handle('long', () => 1, { input: long })).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG' }),
    )
    callee.handle('short', () => 1)
  })
})

describe('a schema that', () => {
  const boom = (): never => {
    throw new Error('swordfish')
  }
  const cases: [string, (value: unknown) => unknown][] = [
    ['throws', boom],
    [
      'throws nothing that can be looked at',
      () => {
        throw new Proxy({}, { get: boom, getPrototypeOf: boom })
      },
    ],
    ['rejects', () => Promise.reject(new Error('swordfish'))],
    ['answers with nothing', () => undefined],
    ['answers with text', () => 'fine'],
    ['answers with true', () => true],
    ['answers with a function', () => boom],
    ['answers with neither value nor issues', () => ({})],
    ['answers with issues that are no list', () => ({ issues: 'none', value: 1 })],
    ['answers with issues null', () => ({ issues: null, value: 1 })],
    [
      'has a getter that throws',
      () => ({
        get issues() {
          return boom()
        },
      }),
    ],
    [
      'has a value that throws',
      () => ({
        get value() {
          return boom()
        },
      }),
    ],
    [
      'has a then that throws',
      () => ({
        get then() {
          return boom()
        },
      }),
    ],
    [
      'is thenable, and rejects',
      () => ({ then: (_: unknown, reject: (error: unknown) => void) => reject(new Error('swordfish')) }),
    ],
    ['answers with a promise of nonsense', () => Promise.resolve(7)],
  ]

  test.for(cases)('%s: HANDLER_FAILED, and its owner is told', async ([, validate], { agent }) => {
    const { caller, callee, lines } = pair(agent)
    const handler = vi.fn<() => number>(() => 1)
    callee.handle('in', handler, { input: saying(validate) }).handle('out', () => 1, { output: saying(validate) })
    for (const method of ['in', 'out']) {
      const error = errorOf(await caller.call('callee', { a: 1 }, { method }))
      expect([error.code, error.remote]).toEqual(['HANDLER_FAILED', undefined])
      expect(`${error.message} ${error.hint}`).not.toContain('swordfish')
    }
    expect(handler).not.toHaveBeenCalled()
    expect(lines.filter((line) => line.includes('the handler failed'))).toHaveLength(2)
    callee.handle('in', handler)
    expect(codeOf(await caller.call('callee', 1, { method: 'in' }))).toBe('ok')
  })

  test('issues of any shape are a refusal', async ({ agent }) => {
    const { caller, callee } = pair(agent)
    const paths: [unknown, string][] = [
      [undefined, ''],
      [[], ''],
      [['a'], ' at /a'],
      [[{ key: 'a' }, 0, { key: 1 }], ' at /a/0/1'],
      [['a/b', '~'], ' at /a~1b/~0'],
      [['a\n\u{1b}[2J\u{202e}b'], ' at /a??[2J?b'],
      [['ä', 'é'.repeat(100), 'z'.repeat(100)], ` at /ä/${'é'.repeat(100)}`],
      [['x'.repeat(300)], ''],
      [[Symbol('a')], ''],
      [['a', { toString: boom }], ' at /a'],
      ['a', ''],
    ]
    let path: unknown
    callee.handle('a', () => expect.unreachable(), {
      input: saying(() => ({ issues: [{ message: 'swordfish', path }], value: 1 })),
    })
    for (const [given, shown] of paths) {
      path = given
      const error = errorOf(await caller.call('callee', 1, { method: 'a' }))
      expect(error.code).toBe('INVALID_INPUT')
      expect(error.message.endsWith(`does not take this payload${shown}`), error.message).toBe(true)
    }
    callee.handle('none', () => expect.unreachable(), { input: saying(() => ({ issues: [] })) })
    expect(codeOf(await caller.call('callee', 1, { method: 'none' }))).toBe('INVALID_INPUT')
    callee.handle('odd', () => expect.unreachable(), { input: saying(() => ({ issues: [null] })) })
    expect(codeOf(await caller.call('callee', 1, { method: 'odd' }))).toBe('INVALID_INPUT')
  })

  test('takes its time is waited for, unless nobody waits for the call', async ({ agent }) => {
    const { caller, callee } = pair(agent)
    const { promise, open } = gate()
    const handler = vi.fn<() => number>(() => 1)
    callee.handle('a', handler, { input: saying((value) => promise.then(() => ({ value }))) })
    const abort = new AbortController()
    const given = caller.call('callee', 1, { method: 'a', signal: abort.signal })
    await turn()
    abort.abort()
    expect(codeOf(await given)).toBe('ABORTED')
    const waited = caller.call('callee', 1, { method: 'a' })
    await turn()
    open()
    expect(valueOf(await waited)).toBe(1)
    expect(handler).toHaveBeenCalledTimes(1)
  })

  test('is asked once, with the payload, and read once', async ({ agent }) => {
    const { caller, callee } = pair(agent)
    const read: string[] = []
    const validate = vi.fn<(value: unknown) => unknown>(function (this: unknown, value) {
      expect(this).toBe(standard)
      return new Proxy(
        { value: { from: value } },
        { get: (target, name) => (read.push(String(name)), Reflect.get(target, name)) },
      )
    })
    const standard = { version: 1 as const, vendor: 'test', validate }
    const schema = { '~standard': standard }
    callee.handle('a', ({ payload }) => payload, { input: schema })
    Object.assign(standard, { validate: boom }) // what was given is what counts
    expect(valueOf(await caller.call('callee', 7, { method: 'a' }))).toEqual({ from: 7 })
    expect(validate).toHaveBeenCalledTimes(1)
    expect(read.filter((name) => name === 'value')).toHaveLength(1)
    expect(read.filter((name) => name === 'issues')).toHaveLength(1)
  })

  test('changes the payload in place does so for this handler alone', async ({ agent }) => {
    const { caller, callee } = pair(agent)
    const payload = { list: [1] }
    const validate = (value: unknown): unknown => {
      ;(value as typeof payload).list.push(2)
      return { value }
    }
    callee.handle('a', ({ payload }) => payload, { input: saying(validate) })
    expect(valueOf(await caller.call('callee', payload, { method: 'a' }))).toEqual({ list: [1, 2] })
    expect(payload).toEqual({ list: [1] })
  })

  test('knows members called __proto__ changes no prototype', async ({ agent }) => {
    const { caller, callee } = pair(agent)
    callee.handle('a', ({ payload }) => Object.keys(payload as object), { input: z.record(z.string(), z.unknown()) })
    const payload = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as unknown
    await caller.call('callee', payload, { method: 'a' })
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})
