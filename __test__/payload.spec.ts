// Payloads that are odd, hostile or too large: there, and back.
import { runInNewContext } from 'node:vm'
import { describe, expect } from 'vitest'
import { test } from './helpers/bus.ts'
import { echo } from './helpers/echo.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

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
