// What JSON cannot hold, or would lose without a word.
import { runInNewContext } from 'node:vm'
import { describe, expect } from 'vitest'
import { test, type Make } from './helpers/bus.ts'
import { echo } from './helpers/echo.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

/** What is told to whoever calls with that payload, or sends it: nothing of it arrives, and nothing is told of what it threw. */
async function refused(agent: Make, payload: unknown): Promise<string[]> {
  const [caller, callee] = [agent(), agent()]
  callee.handle(() => expect.unreachable())
  const results = [await caller.call(callee.getDID(), payload), await caller.send(callee.getDID(), payload)]
  expect(valueOf(await callee.receive())).toEqual([])
  return results.map((result) => {
    const { code, retryable, message } = errorOf(result)
    expect([code, retryable]).toEqual(['INVALID_PAYLOAD', false])
    expect(message).not.toContain('unreachable')
    return message
  })
}

describe('INVALID_PAYLOAD', () => {
  const cycle: Record<string, unknown> = {}
  cycle.self = { deeper: [cycle] }
  const nested = (depth: number, open: string, close: string): unknown =>
    JSON.parse(open.repeat(depth) + close.repeat(depth))
  const endless = { toJSON: (): unknown => [endless] }

  test.for<[string, unknown]>([
    ['a BigInt', 5n],
    ['a BigInt inside', { a: [1n] }],
    ['a function', () => 1],
    ['a class', Date],
    ['a symbol', Symbol('s')],
    ['a cycle', cycle],
    ['a toJSON that throws', { toJSON: () => expect.unreachable() }],
    [
      'a getter that throws',
      {
        get a() {
          return expect.unreachable()
        },
      },
    ],
    ['a toJSON without end', endless],
    ['a toJSON that gives nothing', { toJSON: () => undefined }],
    ['a Proxy that throws', new Proxy({}, { ownKeys: () => expect.unreachable() })],
    [
      'a revoked Proxy',
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        return proxy
      })(),
    ],
    ['a lone high surrogate', 'a\ud800b'],
    ['a lone low surrogate', ['\udc00']],
    ['swapped surrogates', '\udc00\ud800'],
    ['a lone surrogate in a key', { '\ud83d': 1 }],
    ['129 lists', nested(129, '[', ']')],
    ['129 objects', JSON.parse(`${'{"a":'.repeat(129)}1${'}'.repeat(129)}`)],
    ['100,000 lists', nested(5000, '[', ']')],
  ])('%s', async ([, payload], { agent }) => {
    await refused(agent, payload)
  })

  class Point {
    x = 1
    #y = 2
    get y() {
      return this.#y
    }
  }
  const lying = (first: unknown, then: unknown): object => {
    let asked = 0
    return {
      get a() {
        return asked++ === 0 ? first : then
      },
    }
  }

  test.for<[string, unknown, string]>([
    ['NaN', { n: Number.NaN }, 'payload.n is NaN'],
    ['NaN itself', Number.NaN, 'payload is NaN'],
    ['Infinity', [[1], [0, Infinity]], 'payload[1][1] is Infinity'],
    ['minus Infinity', { 'a b': -Infinity }, 'payload["a b"] is -Infinity'],
    ['undefined in a list', [1, undefined], 'payload[1] is undefined'],
    ['a hole in a list', { list: Object.assign([], { 2: 1 }) }, 'payload.list[0] is undefined'],
    ['a list of nothing', { list: Object.assign([], { length: 1e6 }) }, 'payload.list[0] is undefined'],
    ['a function', { items: [{}, {}, {}, { when: () => 1 }] }, 'payload.items[3].when is a function'],
    ['a class', [Point], 'payload[0] is a function'],
    ['a symbol', { a: Symbol('s') }, 'payload.a is a symbol'],
    ['a BigInt', { a: [1n] }, 'payload.a[0] is a BigInt'],
    ['a Map', { a: new Map([[1, 2]]) }, 'payload.a is a Map'],
    ['a Set', new Set([1]), 'payload is a Set'],
    ['a WeakMap', [new WeakMap()], 'payload[0] is a WeakMap'],
    ['an Error', { cause: new Error('m') }, 'payload.cause is an Error'],
    ['a Promise', { later: Promise.resolve(1) }, 'payload.later is a Promise'],
    ['a RegExp', { a: /x/ }, 'payload.a is a RegExp'],
    ['a Date of no time', { at: new Date(Number.NaN) }, 'payload.at is a Date of no time'],
    ['bytes', { a: new Uint8Array([1, 2]) }, 'payload.a is bytes'],
    ['a Buffer, though it has toJSON', [Buffer.from('x')], 'payload[0] is bytes'],
    ['floats', new Float32Array([1]), 'payload is bytes'],
    ['a DataView', { a: new DataView(new ArrayBuffer(1)) }, 'payload.a is bytes'],
    ['an ArrayBuffer', new ArrayBuffer(2), 'payload is bytes'],
    ['a SharedArrayBuffer', [new SharedArrayBuffer(2)], 'payload[0] is bytes'],
    ['an instance of a class', { at: new Point() }, 'payload.at is an instance of a class without toJSON()'],
    ['a list of a class', [new (class Many extends Array {})()], 'payload[0] is an Array'],
    ['inherited members', Object.create({ a: 1 }), 'payload is an instance of a class without toJSON()'],
    ['a Map from another realm', [runInNewContext('new Map()')], 'payload[0] is a Map'],
    ['an instance from another realm', runInNewContext('new (class A {})()'), 'payload is an instance of a class'],
    ['a number in a box', [Object(1)], 'payload[0] is a Number'],
    ['a string in a box', { s: Object('s') }, 'payload.s is a String'],
    ['a boolean in a box', [Object(true)], 'payload[0] is a Boolean'],
    [
      'arguments',
      (function () {
        return arguments
      })(),
      'payload is an Arguments',
    ], // oxlint-disable-line prefer-rest-params
    ['a namespace', { Math }, 'payload.Math is a Math'],
    ['a generator', [(function* () {})()], 'payload[0] is'], // oxlint-disable-line require-yield
    ['a Proxy of a Map', { a: new Proxy(new Map(), {}) }, 'payload.a is'],
    ['toJSON that gives a Map', { a: { toJSON: () => new Map() } }, 'payload.a is a Map'],
    ['toJSON that gives NaN', [{ toJSON: () => Number.NaN }], 'payload[0] is NaN'],
    ['toJSON that gives what has one', { a: { toJSON: () => new Date(0) } }, 'payload.a is a Date'],
    ['toJSON that gives nothing, in a list', [{ toJSON: () => undefined }], 'payload[0] is undefined'],
    ['toJSON that gives a function', { a: { toJSON: () => () => 1 } }, 'payload.a is a function'],
    [
      'toJSON inside what toJSON gives',
      { a: { toJSON: () => ({ toJSON: () => 1 }) } },
      'payload.a.toJSON is a function',
    ],
    [
      'a getter that throws',
      {
        list: [
          {
            get a() {
              return expect.unreachable()
            },
          },
        ],
      },
      'payload.list[0].a cannot be read',
    ],
    [
      'a getter that throws undefined',
      [
        {
          get a() {
            throw undefined
          },
        },
      ],
      'payload[0].a cannot be read',
    ], // oxlint-disable-line no-throw-literal
    ['a toJSON that throws', { a: { toJSON: () => expect.unreachable() } }, 'payload.a cannot be read'],
    ['a cycle', { a: cycle }, 'payload.a.self'],
    ['a long path', { ['x'.repeat(1000)]: Number.NaN }, 'xxx… is NaN'],
    ['control characters in a path', { 'a\nb': Number.NaN }, 'payload["a\\nb"] is NaN'],
  ])('what JSON would lose, and where: %s', async ([, payload, message], { agent }) => {
    for (const told of await refused(agent, payload)) {
      expect(told).toContain(message)
      expect(told.length).toBeLessThan(300)
    }
  })

  test('each member is read once, and what was looked at is what is sent', async ({ agent }) => {
    expect((await echo(agent, lying(1, new Map()))).arrived).toEqual({ a: 1 })
    expect((await echo(agent, lying({ b: [1] }, Number.NaN))).arrived).toEqual({ a: { b: [1] } })
    let reads = 0
    const counting = new Proxy(
      { a: 1, b: 2 },
      {
        get: (target, name) =>
          name === 'toJSON' || typeof name === 'symbol' ? undefined : [Reflect.get(target, name), ++reads],
      },
    )
    expect((await echo(agent, [counting])).arrived).toEqual([{ a: [1, 1], b: [2, 2] }])
    const first: unknown[] = [1, 2]
    const meddling = { toJSON: () => (first.splice(0, 2, new Map(), new Map()), 'changed') }
    expect((await echo(agent, [first, meddling])).arrived).toEqual([[1, 2], 'changed'])
    const shrinking = [{ toJSON: () => (shrinking.pop(), 1) }, 2]
    expect(codeOf((await echo(agent, shrinking)).result)).toBe('INVALID_PAYLOAD')
  })

  test('a toJSON that all objects were given is asked once', async ({ agent }) => {
    let asked = 0
    const toJSON = (): unknown => (asked++ === 0 ? { fine: true } : new Map())
    // oxlint-disable-next-line no-extend-native -- as some old libraries do
    Object.defineProperty(Object.prototype, 'toJSON', {
      value: toJSON,
      configurable: true,
      enumerable: true,
      writable: true,
    }) // oxlint-disable-line no-extend-native
    try {
      const caller = agent()
      const sent = caller.send(caller.getDID(), {})
      expect(asked).toBe(1)
      expect(codeOf(await sent)).toBe('WRONG_AUDIENCE')
    } finally {
      delete (Object.prototype as { toJSON?: unknown }).toJSON
    }
  })

  test('members that all objects were given are no data', async ({ agent }) => {
    // oxlint-disable-next-line no-extend-native -- the same
    Object.defineProperty(Object.prototype, 'inherited', {
      value: () => 1,
      configurable: true,
      enumerable: true,
      writable: true,
    }) // oxlint-disable-line no-extend-native
    try {
      expect(valueOf((await echo(agent, { a: { b: 1 } })).result)).toEqual({ a: { b: 1 } })
    } finally {
      delete (Object.prototype as { inherited?: unknown }).inherited
    }
  })

  test('calls made while another payload is read stand for themselves', async ({ agent }) => {
    const callee = agent('callee').handle(({ payload }) => payload)
    const caller = agent()
    const inner: Promise<unknown>[] = []
    const nosy = {
      toJSON: () => {
        inner.push(caller.call('callee', 'inner').then(valueOf))
        return 'outer'
      },
    }
    expect(valueOf(await caller.call(callee.getDID(), [nosy, nosy]))).toEqual(['outer', 'outer'])
    expect(await Promise.all(inner)).toEqual(['inner', 'inner'])
  })

  test('a signal that aborts, and an agent that closes, while the payload is read', async ({ agent }) => {
    agent('callee').handle(() => expect.unreachable())
    const [aborting, closing] = [agent(), agent()]
    const controller = new AbortController()
    const abort = { toJSON: () => controller.abort() ?? 1 }
    expect(codeOf(await aborting.call('callee', abort, { signal: controller.signal }))).toBe('ABORTED')
    expect(codeOf(await closing.call('callee', { toJSON: () => closing.close() ?? 1 }))).toBe('AGENT_CLOSED')
  })

  test('a few objects that stand for billions end in an error, not in the memory', async ({ agent }) => {
    let many: unknown = ['x'.repeat(100)]
    for (let n = 0; n < 40; n++) many = [many, many]
    const caller = agent()
    expect(codeOf(await caller.call(caller.getDID(), many))).toBe('INVALID_PAYLOAD')
  })

  test('128 levels are fine, and brackets in a text are none', async ({ agent }) => {
    for (const payload of [
      nested(128, '[', ']'),
      '['.repeat(1000),
      ['\\"['.repeat(500)],
      { ['{{[['.repeat(99)]: ']' },
    ]) {
      expect(valueOf((await echo(agent, payload)).result)).toEqual(payload)
    }
    expect(valueOf((await echo(agent, '🔑\\ud800 \ud83d\udd11')).result)).toBe('🔑\\ud800 \ud83d\udd11')
  })
})
