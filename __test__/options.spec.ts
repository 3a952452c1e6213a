// Absent means undefined and nothing else: every option of every entry, given as what is nearly nothing.
import { AutoGenxBindAgent, HandlerError, Identity, MessageBus, XBindError } from '@private.me/autogen'
import { RevocationList } from '@private.me/autogen/tokens'
import { MessageVerifier } from '@private.me/autogen/messages'
import { afterAll, describe, expect, test } from 'vitest'
import { valueOf } from './helpers/result.ts'

const bus = new MessageBus()
afterAll(() => bus.close())
const [alice, bob] = [Identity.generate(), Identity.generate()]
const exported = valueOf(Identity.generate().toPKCS8())
const body = new Uint8Array([1])
const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
const callee = new AutoGenxBindAgent({ name: 'callee', agentOptions: { bus } }).handle(() => 'answer')
const request = valueOf(alice.seal({ op: 'call', to: bob.did, body }))

type Options = Record<string, unknown>
type Use = (options: never) => unknown

/** An entry, what it is used with, and which values of that are good. */
const entries: [string, Use, Options][] = [
  [
    'AutoGenxBindAgent',
    (config) => new AutoGenxBindAgent(config).close(),
    {
      name: 'name',
      agentOptions: {},
      verbose: false,
      logger: console,
      identityProvider: { getDID: () => alice.did, sign: () => body },
    },
  ],
  [
    'agentOptions',
    (agentOptions) => new AutoGenxBindAgent({ agentOptions }).close(),
    { bus, timeoutMs: 1, messageTtlSeconds: 1, maxPayloadBytes: 1, inbox: {}, concurrency: 1 },
  ],
  [
    'inbox',
    (inbox) => new AutoGenxBindAgent({ agentOptions: { bus, inbox } }).close(),
    { maxMessages: 1, maxBytes: 1 },
  ],
  [
    'fromIdentity()',
    async (config) => valueOf(await AutoGenxBindAgent.fromIdentity(exported, config)).close(),
    { name: 'imported', agentOptions: {}, verbose: false, logger: console },
  ],
  [
    'call()',
    async (options) => valueOf(await caller.call('callee', 1, options)),
    { timeoutMs: 5000, signal: new AbortController().signal },
  ],
  [
    'send()',
    async (options) => valueOf(await caller.send('callee', 1, options)),
    { signal: new AbortController().signal },
  ],
  [
    'receive()',
    async (options) => valueOf(await callee.receive(options)),
    { max: 1, waitMs: 1, signal: new AbortController().signal },
  ],
  [
    'MessageVerifier',
    (options: object) => new MessageVerifier({ audience: alice.did, ...options }),
    {
      now: () => 1,
      clockSkewSeconds: 0,
      maxLifetimeSeconds: 1,
      maxBodyBytes: 0,
      maxTrackedMessages: 1,
      pending: () => undefined,
      allow: [],
      revocations: new RevocationList(),
    },
  ],
  [
    'seal()',
    (message: object) => valueOf(alice.seal({ op: 'call', to: bob.did, body, ...message })),
    { contentType: 'text/plain', ttlSeconds: 1, token: 'token', now: 0 },
  ],
  [
    'seal() of an answer',
    (message: object) => valueOf(bob.seal({ op: 'result', to: alice.did, body, inReplyTo: request, ...message })),
    { inReplyTo: request },
  ],
  ['HandlerError', (options) => new HandlerError('CODE', 'message', options), { data: 1, cause: 1 }],
]

const nothings: [string, unknown][] = [
  ['null', null],
  ['false', false],
  ['true', true],
  ['0', 0],
  ["''", ''],
  ['NaN', Number.NaN],
  ['0n', 0n],
  ['a symbol', Symbol('s')],
  ['a function', () => undefined],
  ['{}', {}],
  ['[]', []],
  ['a Promise', Promise.resolve()],
]

/** What an option may be given as, because that is what it is. */
const fine: Record<string, string[]> = {
  verbose: ['false', 'true'],
  logger: [],
  agentOptions: ['{}'],
  inbox: ['{}'],
  // a time of 1970, and no skew at all
  now: ['0', 'a function'],
  clockSkewSeconds: ['0'],
  maxBodyBytes: ['0'],
  waitMs: ['0'],
  token: ["''"],
  pending: ['a function'],
  allow: ['[]'],
  revocations: ['[]'],
  data: nothings.map(([name]) => name),
  cause: nothings.map(([name]) => name),
}

async function outcome(use: Use, options: unknown): Promise<string> {
  try {
    await use(options as never)
    return 'fine'
  } catch (error) {
    if (error instanceof XBindError) return error.code
    return error instanceof TypeError ? 'TypeError' : String(error)
  }
}

describe.each(entries)('%s', (entry, use, good) => {
  test('takes what is good, and undefined', async () => {
    expect(await outcome(use, {})).toBe('fine')
    for (const [name, value] of Object.entries(good)) {
      if (name !== 'identityProvider') expect(await outcome(use, { [name]: value }), name).toBe('fine')
      if (entry !== 'seal() of an answer') expect(await outcome(use, { [name]: undefined }), name).toBe('fine')
    }
  })

  test.each(Object.keys(good))('refuses what is nearly nothing: %s', async (option) => {
    for (const [name, value] of nothings) {
      if (fine[option]?.includes(name)) continue
      const verdict = await outcome(use, { [option]: value })
      const refusals = ['TypeError', 'INVALID_CONFIG', 'INVALID_NAME', 'MALFORMED_MESSAGE', 'INVALID_DID']
      expect(refusals, `${option}: ${name} is ${verdict}`).toContain(verdict)
    }
  })

  test('refuses names that it does not know', async () => {
    for (const option of [
      ...Object.keys(good).map((name) => `${name}s`),
      ...Object.keys(good).map((name) => name.toUpperCase()),
      '',
      '__proto_',
    ]) {
      for (const value of [undefined, 1, null]) {
        expect(await outcome(use, { [option]: value }), option).toBe('TypeError')
      }
    }
  })

  test('refuses what is no object of options', async () => {
    if (use.toString().includes('...')) return expect(use.length).toBe(1) // what is spread into others is one
    for (const value of [
      null,
      false,
      0,
      '',
      Number.NaN,
      'text',
      [],
      () => 1,
      new Map(),
      new AbortController().signal,
      Promise.resolve({}),
      new Date(0),
    ]) {
      expect(await outcome(use, value)).toBe('TypeError')
    }
  })

  test('reads each option once', async () => {
    const reads: Record<string, number> = {}
    const options: object = {}
    for (const [name, value] of Object.entries(good)) {
      if (name === 'identityProvider') continue
      const get = (): unknown => {
        reads[name] = (reads[name] ?? 0) + 1
        return reads[name] === 1 ? value : Symbol('read again')
      }
      Object.defineProperty(options, name, { get, enumerable: true })
    }
    const whole = use.toString().includes('...') ? 'spread' : 'as it is'
    expect(await outcome(use, new Proxy(options, {})), whole).toBe('fine')
    for (const [name, count] of Object.entries(reads)) expect([name, count]).toEqual([name, 1])
  })
})

test('an option that throws when it is read throws, and nothing is left behind', async () => {
  const throwing = (name: string): never =>
    Object.defineProperty({}, name, { enumerable: true, get: () => expect.unreachable() }) as never
  const before = bus.agents().length
  expect(() => new AutoGenxBindAgent({ agentOptions: throwing('bus') })).toThrow('not to be reached')
  expect(() => new AutoGenxBindAgent({ agentOptions: { bus, inbox: throwing('maxBytes') } })).toThrow(
    'not to be reached',
  )
  await expect(caller.call('callee', 1, throwing('signal'))).rejects.toThrow('not to be reached')
  await expect(caller.send('callee', 1, throwing('signal'))).rejects.toThrow('not to be reached')
  expect(bus.agents().length).toBe(before)
  expect(valueOf(await caller.call('callee', 1))).toBe('answer')
})

test('what stands in the place of a text or a policy is refused', async () => {
  for (const value of [undefined, null, false, 0, Number.NaN, {}, []]) {
    const wrong = value as never
    expect(() => new HandlerError(wrong, 'm')).toThrow(TypeError)
    expect(() => new HandlerError('E', wrong)).toThrow(TypeError)
    await expect(caller.call(wrong, 1)).rejects.toThrow(TypeError)
    await expect(caller.send(wrong, 1)).rejects.toThrow(TypeError)
    expect(() => MessageBus.shared(wrong)).toThrow(TypeError)
    expect(() => bus.stop(wrong)).toThrow(TypeError)
    if (value === null) continue
    expect(() => caller.handle(wrong)).toThrow(TypeError)
  }
})

test('what is refused says what would be taken', async () => {
  expect(() => new AutoGenxBindAgent({ nmae: 'a' } as never)).toThrow(
    'AutoGenxBindAgent has no option nmae; its options are name, agentOptions, verbose, logger, handler, onHandlerError, audit, dangerouslyContinueUnrecorded, identityProvider',
  )
  expect(() => caller.handle(() => 1, { allow: [alice.did, bob] as never })).toThrow('allow[1] must be a string')
  await expect(caller.call(callee as never, 1)).rejects.toThrow('agentName must be a string, not an Object')
  await expect(async () => AutoGenxBindAgent.fromIdentity(1 as never)).rejects.toThrow(
    'pkcs8, where it is no text, must be a Uint8Array, not a number',
  )
})

describe('names that are not known', () => {
  class Misspelt {
    get alow() {
      return []
    }
  }
  test.each<[string, object]>([
    ['inherited', Object.create({ alow: [] })],
    ['hidden', Object.defineProperty({}, 'alow', { value: [] })],
    ['hidden where nothing is inherited', Object.defineProperty(Object.create(null), 'alow', { value: [] })],
    ['of a class', new Misspelt()],
    ['of a class that another extends', new (class extends Misspelt {})()],
  ])('are refused: %s', async (_, options) => {
    expect(() => callee.handle(() => 'answer', options)).toThrow('handle() has no option alow')
    expect(() => callee.handle(null, options)).toThrow('handle() has no option alow')
    await expect(caller.exportIdentity(options)).rejects.toThrow('exportIdentity has no option alow')
  })

  test('known ones may be inherited', () => {
    class Policy {
      get allow() {
        return [alice.did]
      }
    }
    for (const options of [Object.create({ allow: [alice.did] }), new Policy()]) {
      expect(callee.handle(() => 'answer', options)).toBe(callee)
    }
    callee.handle(() => 'answer')
  })

  test('options are checked without a handler as well', () => {
    expect(() => callee.handle(null, { allow: 0 } as never)).toThrow(TypeError)
    expect(() => callee.handle(null, null as never)).toThrow(TypeError)
  })
})
