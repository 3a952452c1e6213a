// Payloads that are odd, hostile or too large: there, and back.
import { runInNewContext } from 'node:vm'
import { describe, expect } from 'vitest'
import { test, type Make } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

/** Sends a payload there and back; what arrives there, and what comes back. */
async function echo(agent: Make, payload: unknown, agentOptions = {}) {
  const callee = agent({ agentOptions })
  const caller = agent({ agentOptions })
  let arrived: unknown
  callee.handle(({ payload: there }) => {
    arrived = there
    return there
  })
  const result = await caller.call(callee.getDID(), payload)
  return { arrived, result }
}

const shared = { a: [1] }

describe('what JSON holds goes there and back', () => {
  test.for<[string, unknown]>([
    ['null', null],
    ['true', true],
    ['a string', 'Grüße 密码 🔑 \u2028 \0 "\\'],
    ['an empty string', ''],
    ['numbers', [0, 1.5, -1e300, 5e-324, 2 ** 53, -(2 ** 53), 123456789012345680000]],
    ['an empty object', {}],
    ['an empty list', []],
    ['nested', { a: [{ b: { c: [null, [], {}] } }] }],
    ['odd keys', { '': 1, ' ': 2, '"': 3, 'a.b': 4, '\0': 5, length: 6 }],
    // oxlint-disable-next-line no-thenable -- a name like any other
    ['names of methods', { constructor: 'c', toString: 's', hasOwnProperty: 1, valueOf: 2, then: 'not a promise' }],
    ['an error of ours, in looks', { code: 'NOT_ALLOWED', message: 'm', retryable: true }],
    ['a result, in looks', { ok: false, error: { code: 'INTERNAL' } }],
    ['long', 'x'.repeat(100_000)],
    ['wide', Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`key-${n}`, n]))],
  ])('%s', async ([, payload], { agent }) => {
    const { arrived, result } = await echo(agent, payload)
    expect(arrived).toEqual(payload)
    expect(valueOf(result)).toEqual(payload)
  })

  test.for<[string, unknown, unknown]>([
    ['undefined', undefined, null],
    ['undefined members', { a: undefined, b: { c: undefined, d: 1 } }, { b: { d: 1 } }],
    ['symbols as names', { a: 1, [Symbol('k')]: 2 }, { a: 1 }],
    ['names that are not enumerable', Object.defineProperty({ a: 1 }, 'b', { value: 2 }), { a: 1 }],
    ['members of a list beside its elements', Object.assign([1], { more: 2 }), [1]],
    ['minus zero', [-0], [0]],
    ['a Date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['toJSON', { toJSON: () => ({ chosen: true }) }, { chosen: true }],
    ['toJSON that gives nothing, in an object', { a: { toJSON: () => undefined }, b: 1 }, { b: 1 }],
    ['toJSON of a class', [new URL('https://example.com/a')], ['https://example.com/a']],
    ['toJSON of a list', { a: Object.assign([1], { toJSON: () => 'chosen' }) }, { a: 'chosen' }],
    ['toJSON, and the name that it is told', { a: { toJSON: (name: string) => name } }, { a: 'a' }],
    [
      'toJSON, and the place that it is told',
      [0, { toJSON: (name: unknown) => [typeof name, name] }],
      [0, ['string', '1']],
    ],
    ['a getter', Object.defineProperty({}, 'a', { get: () => 1, enumerable: true }), { a: 1 }],
    ['a Proxy', new Proxy({ a: [1] }, {}), { a: [1] }],
    ['a Proxy of a list', new Proxy([1, 2], {}), [1, 2]],
    ['no prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
    ['a list without a prototype', Object.setPrototypeOf([1], null), [1]],
    ['the same object twice', [shared, { shared }], [{ a: [1] }, { shared: { a: [1] } }]],
  ])('or becomes what JSON makes of it: %s', async ([, payload, becomes], { agent }) => {
    const { arrived, result } = await echo(agent, payload)
    expect(arrived).toStrictEqual(becomes)
    expect(valueOf(result)).toStrictEqual(becomes)
  })

  test('integers beyond 2^53 that travel as text stay what they are', async ({ agent }) => {
    const { arrived } = await echo(agent, { id: '9007199254740993' })
    expect(arrived).toEqual({ id: '9007199254740993' })
  })

  test('from another realm', async ({ agent }) => {
    const foreign: unknown = runInNewContext('({ list: [1, { a: new Date(0) }] })')
    expect(valueOf((await echo(agent, foreign)).result)).toEqual({ list: [1, { a: '1970-01-01T00:00:00.000Z' }] })
    const foreignBytes: unknown = runInNewContext('new Uint8Array([1, 2])')
    const bytes = valueOf((await echo(agent, foreignBytes)).result) as Iterable<number>
    expect([bytes instanceof Uint8Array, [...bytes]]).toEqual([true, [1, 2]])
  })

  test('what arrives belongs to the one who gets it', async ({ agent }) => {
    const payload = { list: [1] }
    const { arrived, result } = await echo(agent, payload)
    payload.list.push(2)
    ;(arrived as typeof payload).list.push(3)
    expect(valueOf(result)).toEqual({ list: [1] })
  })
})

describe('a prototype cannot be replaced or polluted', () => {
  test.for([
    '{"__proto__":{"isAdmin":true}}',
    '{"constructor":{"prototype":{"isAdmin":true}}}',
    '{"a":{"__proto__":{"isAdmin":true}}}',
    '[{"__proto__":{"isAdmin":true}}]',
    '{"__proto__":null,"toString":1}',
  ])('%s', async (text, { agent }) => {
    const { arrived, result } = await echo(agent, JSON.parse(text))
    for (const received of [arrived, valueOf(result)] as Record<string, unknown>[]) {
      const prototype: unknown = Object.getPrototypeOf(received)
      expect([Object.prototype, Array.prototype]).toContain(prototype)
      expect([received.isAdmin, (received.a as typeof received | undefined)?.isAdmin]).toEqual([undefined, undefined])
      expect(JSON.stringify(received)).toBe(text)
    }
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined()
  })
})

describe('bytes travel as bytes', () => {
  test.for<[string, Uint8Array]>([
    ['a Uint8Array', new Uint8Array([0, 1, 254, 255])],
    ['a Buffer', Buffer.from([0, 1, 254, 255])],
    ['nothing', new Uint8Array()],
    ['an empty Buffer', Buffer.alloc(0)],
    ['a view', new Uint8Array([9, 9, 1, 2, 9]).subarray(2, 4)],
    ['what looks like JSON', Buffer.from('{"a":1}')],
    ['what is no UTF-8', new Uint8Array([0xff, 0xfe, 0x80])],
    ['a shared buffer', new Uint8Array(new SharedArrayBuffer(4)).fill(7)],
  ])('%s', async ([, payload], { agent }) => {
    const { arrived, result } = await echo(agent, payload)
    for (const received of [arrived, valueOf(result)]) {
      expect(Object.getPrototypeOf(received)).toBe(Uint8Array.prototype)
      expect([...(received as Uint8Array)]).toEqual([...payload])
    }
  })

  test('through an inbox, too', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    for (const bytes of [new Uint8Array([1, 2, 3]), new Uint8Array()]) await sender.send('recipient', bytes)
    const received = valueOf(await recipient.receive()).map(({ payload }) => payload)
    expect(received).toStrictEqual([new Uint8Array([1, 2, 3]), new Uint8Array()])
  })

  test('are copied: changing them afterwards changes nothing', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    const bytes = new Uint8Array([1, 2, 3])
    const sent = sender.send('recipient', bytes)
    bytes.fill(0)
    await sent
    expect(valueOf(await recipient.receive())[0]?.payload).toStrictEqual(new Uint8Array([1, 2, 3]))
  })
})

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
    const callee = agent()
    callee.handle(() => expect.unreachable())
    const caller = agent()
    for (const result of [await caller.call(callee.getDID(), payload), await caller.send(callee.getDID(), payload)]) {
      const error = errorOf(result)
      expect([error.code, error.retryable]).toEqual(['INVALID_PAYLOAD', false])
      expect(error.message).not.toContain('unreachable')
    }
    expect(valueOf(await callee.receive())).toEqual([])
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
    const callee = agent()
    callee.handle(() => expect.unreachable())
    const caller = agent()
    for (const result of [await caller.call(callee.getDID(), payload), await caller.send(callee.getDID(), payload)]) {
      const error = errorOf(result)
      expect([error.code, error.retryable]).toEqual(['INVALID_PAYLOAD', false])
      expect(error.message).toContain(message)
      expect(error.message.length).toBeLessThan(300)
      expect(error.message).not.toContain('unreachable')
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

describe('PAYLOAD_TOO_LARGE', () => {
  test('bytes are bytes, whatever members they bear', async ({ agent }) => {
    const payload = Object.assign(new Uint8Array([1, 2]), { code: 'NOT_ALLOWED', message: 'made up' })
    const { arrived, result } = await echo(agent, payload)
    expect([arrived, valueOf(result)]).toEqual([new Uint8Array([1, 2]), new Uint8Array([1, 2])])
    const callee = agent('bearer').handle(() => payload)
    expect(valueOf(await agent().call(callee.getDID(), 1))).toEqual(new Uint8Array([1, 2]))
  })

  test.for<[string, object]>([
    ['a Map', new Map([[1, 2]])],
    ['a Set', new Set([1])],
    ['an Error', new Error('lost')],
    ['a Promise', Promise.resolve(1)],
  ])('what took off its prototype is known: %s', async ([, value], { agent }) => {
    for (const prototype of [null, Object.prototype]) {
      const disguised: unknown = Object.setPrototypeOf(value, prototype)
      const error = errorOf((await echo(agent, { list: [disguised] })).result)
      expect([error.code, error.message]).toEqual(['INVALID_PAYLOAD', expect.stringMatching(/^payload\.list\[0\] is /)])
    }
  })

  test('exactly the limit passes, one byte more does not', async ({ agent }) => {
    const limit = 1 << 20
    for (const fits of ['x'.repeat(limit - 2), new Uint8Array(limit), 'ü'.repeat(limit / 2 - 1)]) {
      const { result } = await echo(agent, fits)
      expect(result.ok).toBe(true)
    }
    for (const over of [
      'x'.repeat(limit - 1),
      new Uint8Array(limit + 1),
      'ü'.repeat(limit / 2),
      'x'.repeat(50 << 20),
    ]) {
      const error = errorOf((await echo(agent, over)).result)
      expect([error.code, error.hint]).toEqual(['PAYLOAD_TOO_LARGE', expect.stringMatching(/maxPayloadBytes/)])
    }
  })

  test('is up to each side: the sender, and the recipient', async ({ agent }) => {
    const [small, large] = [
      agent({ agentOptions: { maxPayloadBytes: 10 } }),
      agent({ agentOptions: { maxPayloadBytes: 10_000 } }),
    ]
    small.handle(() => 'ok')
    large.handle(({ payload }) => (payload === 'long?' ? 'x'.repeat(100) : 'ok'))
    expect(codeOf(await small.call(large.getDID(), 'x'.repeat(9)))).toBe('PAYLOAD_TOO_LARGE')
    expect(codeOf(await large.call(small.getDID(), 'x'.repeat(9)))).toBe('PAYLOAD_TOO_LARGE')
    expect(codeOf(await large.call(small.getDID(), 'x'.repeat(8)))).toBe('ok')
    expect(codeOf(await small.call(large.getDID(), 'long?'))).toBe('PAYLOAD_TOO_LARGE')
  })
})
