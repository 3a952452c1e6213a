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
    ['undefined inside', { a: undefined, b: [undefined] }, { b: [null] }],
    ['functions inside', { a: () => 1, b: [() => 1] }, { b: [null] }],
    ['symbols inside', { a: Symbol('s'), [Symbol('k')]: 1 }, {}],
    ['NaN and the infinities', [Number.NaN, Infinity, -Infinity], [null, null, null]],
    ['minus zero', -0, 0],
    ['a Date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['an invalid Date', new Date(Number.NaN), null],
    ['a Map and a Set', [new Map([[1, 2]]), new Set([1])], [{}, {}]],
    ['a RegExp', /x/, {}],
    ['toJSON', { toJSON: () => ({ chosen: true }) }, { chosen: true }],
    ['bytes inside', { bytes: new Uint8Array([1, 2]) }, { bytes: { 0: 1, 1: 2 } }],
    ['boxed values', [Object(1), Object('s'), Object(true)], [1, 's', true]],
    ['inherited members', Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true } }), { own: 2 }],
    ['no prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
    [
      'a class',
      new (class Point {
        x = 1
        #y = 2
        get y() {
          return this.#y
        }
      })(),
      { x: 1 },
    ],
    ['an ArrayBuffer', new ArrayBuffer(2), {}],
    ['an error', new Error('m'), {}],
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
    const foreign = runInNewContext('({ list: [1, { a: new Date(0) }], bytes: new Uint8Array([1, 2]) })') as {
      bytes: unknown
    }
    expect(valueOf((await echo(agent, foreign)).result)).toMatchObject({ list: [1, { a: '1970-01-01T00:00:00.000Z' }] })
    const bytes = valueOf((await echo(agent, foreign.bytes)).result) as Iterable<number>
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
