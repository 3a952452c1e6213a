// Methods by name: their policies, what calls of them get, and clients made of their types.
import { issueToken } from '@private.me/autogen/tokens'
import { Identity, type AutoGenxBindAgent } from '@private.me/autogen'
import { inspect } from 'node:util'
import { describe, expect, vi } from 'vitest'
import { gate, test, turn } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const code = async (from: AutoGenxBindAgent, to: string, method?: string): Promise<string> =>
  codeOf(await from.call(to, 1, method === undefined ? {} : { method }))

describe('a method', () => {
  test('is answered by its own handler, and told its name', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle('double', ({ payload, method }) => [method, (payload as number) * 2])
    callee.handle('halve', ({ payload }) => (payload as number) / 2)
    expect(valueOf(await caller.call('callee', 4, { method: 'double' }))).toEqual(['double', 8])
    expect(valueOf(await caller.call('callee', 4, { method: 'halve' }))).toBe(2)
  })

  test('that nobody handles is METHOD_NOT_FOUND, never a receipt, and stands in no inbox', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    expect(await code(caller, 'callee', 'double')).toBe('METHOD_NOT_FOUND')
    callee.handle('double', () => 1)
    expect(await code(caller, 'callee', 'Double')).toBe('METHOD_NOT_FOUND')
    expect(valueOf(await callee.receive())).toEqual([])
  })

  test('that has no handler of its own is the business of the one for all others', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(({ method }) => `all: ${method}`).handle('own', () => 'own')
    expect(valueOf(await caller.call('callee', 1, { method: 'own' }))).toBe('own')
    expect(valueOf(await caller.call('callee', 1, { method: 'other' }))).toBe('all: other')
    expect(valueOf(await caller.call('callee', 1))).toBe('all: undefined')
    callee.handle('own', null)
    expect(valueOf(await caller.call('callee', 1, { method: 'own' }))).toBe('all: own')
    callee.handle(null)
    expect(await code(caller, 'callee', 'own')).toBe('METHOD_NOT_FOUND')
  })

  test('leaves calls without one to the inbox, whatever is under way', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const { promise, open } = gate()
    callee.handle('slow', () => promise)
    const slow = caller.call('callee', 1, { method: 'slow' })
    await turn()
    expect(valueOf(await caller.call('callee', 'hello'))).toMatchObject({ status: 'delivered' })
    expect(valueOf(await callee.receive())).toMatchObject([{ kind: 'call', payload: 'hello' }])
    open()
    expect(codeOf(await slow)).toBe('ok')
  })

  test('beyond concurrency waits, and messages for the inbox do not wait behind it', async ({ agent }) => {
    const callee = agent({ name: 'callee', agentOptions: { concurrency: 1 } })
    const caller = agent()
    const { promise, open } = gate()
    callee.handle('slow', () => promise)
    const calls = [1, 2, 3].map((n) => caller.call('callee', n, { method: 'slow' }))
    await turn()
    expect(valueOf(await caller.call('callee', 'hello'))).toMatchObject({ status: 'delivered' })
    open()
    expect((await Promise.all(calls)).map(codeOf)).toEqual(['ok', 'ok', 'ok'])
  })

  test('may be called like what every object has', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'then', 'prototype']
    for (const name of names) expect(await code(caller, 'callee', name)).toBe('METHOD_NOT_FOUND')
    for (const name of names) callee.handle(name, ({ method }) => method)
    for (const name of names) expect(valueOf(await caller.call('callee', 1, { method: name }))).toBe(name)
    const offered = valueOf(await caller.describe('callee')).methods.map(({ name }) => name)
    expect(offered).toEqual(names)
  })

  test.for(['', 'a b', 'a/b', 'a\n', 'é', 're\u{430}d', 'a\u{200b}', 'a'.repeat(129), 'a\0'])(
    'can have no other name than letters, digits and three signs: %j',
    async (name, { agent }) => {
      const [caller, callee] = [agent(), agent('callee')]
      expect(() => callee.handle(name, () => 1)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
      callee.handle(() => expect.unreachable())
      expect(await code(caller, 'callee', name)).toBe('INVALID_CONFIG')
    },
  )

  test('names are exact: case, trailing dots and dashes count', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    for (const name of ['read', 'Read', 'read.', 'read-', '.read']) callee.handle(name, ({ method }) => method)
    for (const name of ['read', 'Read', 'read.', 'read-', '.read']) {
      expect(valueOf(await caller.call('callee', 1, { method: name }))).toBe(name)
    }
    expect(await code(caller, 'callee', 'READ')).toBe('METHOD_NOT_FOUND')
  })

  test('of the library is nobody else’s', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => expect.unreachable())
    for (const name of ['xbind.describe', 'xbind.x', 'XBIND.describe', 'xBind.']) {
      expect(() => callee.handle(name, () => 1)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
      expect(() => callee.handle(name, null)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
      if (name !== 'xbind.describe') expect(await code(caller, 'callee', name)).toBe('METHOD_NOT_FOUND')
    }
    callee.handle('xbindings', () => 'mine')
    expect(await code(caller, 'callee', 'xbindings')).toBe('ok')
  })

  test('options that are none, or of the wrong type, throw and change nothing', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle('a', () => 'first')
    const wrong: object[] = [
      { alow: [] },
      { input: {} },
      { input: null },
      { input: { '~standard': { version: 2, vendor: 'x', validate: () => ({ value: 1 }) } } },
      { input: { '~standard': { version: 1, vendor: 'x' } } },
      { output: 'string' },
      { description: 1 },
      { description: '' },
      { description: 'x'.repeat(2049) },
      { description: '\u{1b}[2J' },
      { scopes: ['a'] },
      { allow: ['did:key:z6Mk'] },
      { approval: { by: [] } },
    ]
    for (const options of wrong) expect(() => callee.handle('a', () => 'second', options)).toThrow(Error)
    expect(() => callee.handle('b', 1 as never)).toThrow(TypeError)
    expect(() => callee.handle(1 as never)).toThrow(TypeError)
    expect(() => callee.handle(() => 1, { description: 'x' } as never)).toThrow(TypeError)
    expect(valueOf(await caller.call('callee', 1, { method: 'a' }))).toBe('first')
    expect(await code(caller, 'callee', 'b')).toBe('METHOD_NOT_FOUND')
  })
})

describe('policies', () => {
  test('what a method leaves out is that of the handler without a name', async ({ agent }) => {
    const [friend, stranger, callee] = [agent(), agent(), agent('callee')]
    callee.handle('before', () => 1)
    callee.handle(() => 1, { allow: [friend.getDID()] })
    callee.handle('after', () => 1).handle('open', () => 1, { allow: () => true })
    for (const method of ['before', 'after', undefined]) {
      expect(await code(friend, 'callee', method)).toBe('ok')
      expect(await code(stranger, 'callee', method)).toBe('NOT_ALLOWED')
    }
    expect(await code(stranger, 'callee', 'open')).toBe('ok')
  })

  test('a handler that goes leaves its policy to the methods, until there is another', async ({ agent }) => {
    const [friend, stranger, callee] = [agent(), agent(), agent('callee')]
    callee.handle('a', () => 1).handle(() => 1, { allow: [friend.getDID()] })
    callee.handle(null)
    expect([await code(friend, 'callee', 'a'), await code(stranger, 'callee', 'a')]).toEqual(['ok', 'NOT_ALLOWED'])
    callee.handle(null, { allow: [stranger.getDID()] })
    expect([await code(friend, 'callee', 'a'), await code(stranger, 'callee', 'a')]).toEqual(['NOT_ALLOWED', 'ok'])
    callee.handle(null, {})
    expect([await code(friend, 'callee', 'a'), await code(stranger, 'callee', 'a')]).toEqual(['ok', 'ok'])
  })

  test('lists that are changed afterwards change nothing', async ({ agent }) => {
    const [friend, stranger, callee] = [agent(), agent(), agent('callee')]
    const allow = [friend.getDID()]
    callee.handle('a', () => 1, { allow }).handle(() => 1, { allow })
    allow.push(stranger.getDID())
    callee.handle('b', () => 1)
    for (const method of ['a', 'b']) expect(await code(stranger, 'callee', method)).toBe('NOT_ALLOWED')
  })

  test('scopes are those of the method, by the tokens of the handler without a name', async ({ agent }) => {
    const [caller, callee, issuer] = [agent(), agent('callee'), Identity.generate()]
    callee.handle(() => 'all', { trust: [issuer.did], scopes: ['all'] })
    callee.handle('read', ({ scopes }) => scopes, { scopes: ['texts:read'] })
    callee.handle('same', () => 'same')
    const token = (scopes: string[]): string =>
      valueOf(issueToken(issuer, { subject: caller.getDID(), audience: callee.getDID(), scopes }))
    const call = (method: string, scopes: string[]) => caller.call('callee', 1, { method, token: token(scopes) })
    expect(valueOf(await call('read', ['texts:read']))).toEqual(['texts:read'])
    expect(codeOf(await call('read', ['all']))).toBe('SCOPE_DENIED')
    expect(codeOf(await call('same', ['texts:read']))).toBe('SCOPE_DENIED')
    expect(codeOf(await call('same', ['all']))).toBe('ok')
    expect(await code(caller, 'callee', 'read')).toBe('SCOPE_DENIED')
    // Taking trust away would leave scopes that nobody can grant.
    expect(() => callee.handle(() => 1, {})).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
    expect(await code(caller, 'callee', 'same')).toBe('SCOPE_DENIED')
  })

  test('are judged before the payload is read', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const parse = vi.spyOn(JSON, 'parse')
    try {
      callee.handle('a', () => 1, { allow: () => false })
      expect(codeOf(await caller.call('callee', { marked: 1 }, { method: 'a' }))).toBe('NOT_ALLOWED')
      expect(parse.mock.calls.flat().filter((text) => String(text).includes('marked'))).toEqual([])
      callee.handle('a', () => 1, { allow: () => true })
      expect(codeOf(await caller.call('callee', { marked: 1 }, { method: 'a' }))).toBe('ok')
      expect(parse.mock.calls.flat().filter((text) => String(text).includes('marked'))).toHaveLength(1)
    } finally {
      parse.mockRestore()
    }
  })

  test('approvals are asked for by method', async ({ agent }) => {
    const [caller, callee, operator] = [agent(), agent('callee'), agent('operator')]
    const seen: unknown[] = []
    const when = ({ payload }: { payload: unknown }): boolean => {
      seen.push(payload)
      return false
    }
    callee.handle('free', () => 'free').handle('paid', () => 'paid', { approval: { by: operator.getDID(), when } })
    callee.handle('never', () => 'never', { approval: { by: operator.getDID(), timeoutMs: 1000 } })
    expect(valueOf(await caller.call('callee', { eur: 1 }, { method: 'free' }))).toBe('free')
    expect(valueOf(await caller.call('callee', { eur: 2 }, { method: 'paid' }))).toBe('paid')
    expect(codeOf(await caller.call('callee', { eur: 3 }, { method: 'never' }))).toMatch(/^APPROVAL_/)
    expect(seen).toEqual([{ eur: 2 }])
  })

  test('another policy, set while a source is asked, judges again', async ({ agent }) => {
    const [caller, callee, issuer] = [agent(), agent('callee'), Identity.generate()]
    const { promise, open } = gate<boolean>()
    const handler = vi.fn<() => void>()
    callee.handle('a', handler, { trust: [issuer.did], revocations: { isRevoked: () => promise } })
    const token = valueOf(issueToken(issuer, { subject: caller.getDID(), audience: callee.getDID(), scopes: [] }))
    const call = caller.call('callee', 1, { method: 'a', token })
    await turn()
    callee.handle('b', () => 1) // another method is another matter
    callee.handle('a', handler, { allow: [] })
    open(false)
    expect(codeOf(await call)).toBe('NOT_ALLOWED')
    expect(handler).not.toHaveBeenCalled()
  })
})

describe('peer', () => {
  interface Writer {
    double(input: number): number
    echo(input: { text: string }): { text: string }
    ping(): string
    missing(input: null): void
  }

  test('calls methods like functions', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('writer')]
    callee.handle('double', ({ payload }) => (payload as number) * 2)
    callee.handle('echo', ({ payload }) => payload).handle('ping', ({ payload }) => `pong ${String(payload)}`)
    const writer = caller.peer<Writer>('writer')
    expect(valueOf(await writer.double(4))).toBe(8)
    expect(valueOf(await writer.echo({ text: 'é' }))).toEqual({ text: 'é' })
    expect(valueOf(await writer.ping())).toBe('pong null')
    expect(codeOf(await writer.missing(null))).toBe('METHOD_NOT_FOUND')
  })

  test('is no promise, no JSON, and calls nothing by being looked at', async ({ agent }) => {
    const caller = agent()
    const call = vi.spyOn(caller, 'call')
    const writer = caller.peer<Writer>('nobody')
    expect(await Promise.resolve(writer)).toBe(writer)
    const hidden = writer as unknown as Record<string | symbol, unknown>
    for (const name of ['then', 'toJSON', 'constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty']) {
      expect(hidden[name]).toBeUndefined()
    }
    for (const symbol of [Symbol.iterator, Symbol.toPrimitive, Symbol.asyncIterator, Symbol.toStringTag]) {
      expect(hidden[symbol]).toBeUndefined()
    }
    expect([JSON.stringify(writer), inspect(writer), Object.keys(writer)]).toEqual(['{}', expect.any(String), []])
    expect(() => Reflect.apply(String, undefined, [hidden])).toThrow(TypeError)
    expect(() => Object.assign(hidden, { double: 1 })).toThrow(TypeError)
    expect(call).not.toHaveBeenCalled()
  })

  test('options count for all methods, unless a call says otherwise', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('writer')]
    callee.handle('slow', () => new Promise(() => {}))
    const aborted = AbortSignal.abort()
    const writer = caller.peer<{ slow(input: number): void }>('writer', { timeoutMs: 20 })
    expect(codeOf(await writer.slow(1))).toBe('TIMEOUT')
    expect(codeOf(await writer.slow(1, { signal: aborted }))).toBe('ABORTED')
    expect(codeOf(await writer.slow(1, { timeoutMs: undefined } as never))).toBe('TIMEOUT')
    expect(() => caller.peer('writer', { method: 'x' } as never)).toThrow(TypeError)
    await expect(writer.slow(1, { method: 'x' } as never)).rejects.toThrow(TypeError)
    expect(() => caller.peer(1 as never)).toThrow(TypeError)
  })
})

describe('describe', () => {
  test('tells what an agent offers, signed by it', async ({ agent }) => {
    const [caller, callee] = [agent('caller'), agent('callee')]
    callee.handle(() => 1, { trust: [Identity.generate().did], scopes: ['all'] })
    callee.handle('read', () => 1, { scopes: ['texts:read'], description: 'Reads.' }).handle('list', () => 1)
    const mine = valueOf(await callee.describe())
    expect(mine).toMatchObject({ did: callee.getDID(), name: 'callee', addresses: [] })
    expect(mine.methods).toEqual([
      { name: 'read', description: 'Reads.', scopes: ['texts:read'] },
      { name: 'list', scopes: ['all'] },
    ])
    expect(mine.expiresAt).toBeGreaterThan(Date.now() / 1000 + 3000)
    expect(valueOf(await caller.describe('callee'))).toEqual(mine)
    expect(valueOf(await caller.describe(callee.getDID()))).toEqual(mine)
    expect(Object.isFrozen(mine) && Object.isFrozen(mine.methods) && Object.isFrozen(mine.methods[0])).toBe(true)
  })

  test('changes when what is offered does', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const names = async () => valueOf(await caller.describe('callee')).methods.map(({ name }) => name)
    expect(await names()).toEqual([])
    callee.handle('a', () => 1)
    expect(await names()).toEqual(['a'])
    callee.handle('a', null)
    callee.handle('b', () => 1)
    expect(await names()).toEqual(['b'])
  })

  test('is for those who may call anything at all', async ({ agent }) => {
    const [friend, guest, stranger, callee] = [agent(), agent(), agent(), agent('callee')]
    callee.handle(() => 1, { allow: [friend.getDID()] })
    callee.handle('visit', () => 1, { allow: (from) => from === guest.getDID() })
    const codes = await Promise.all([friend, guest, stranger].map((from) => from.describe('callee')))
    expect(codes.map(codeOf)).toEqual(['ok', 'ok', 'NOT_ALLOWED'])
  })

  test('is nobody’s on account of a predicate that throws, and its owner is told', async ({ agent }) => {
    const lines: string[] = []
    const line = (text: string): void => void lines.push(text)
    const logger = { debug: line, info: line, warn: line, error: line }
    const [guest, stranger, callee] = [agent(), agent(), agent({ name: 'callee', logger })]
    const throwing = (): never => {
      throw new RangeError('of the predicate')
    }
    callee.handle('broken', () => 1, { allow: throwing })
    expect(codeOf(await guest.describe('callee'))).toBe('NOT_ALLOWED')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(
      /^\[xbind\] callee: allow threw when it was asked who may read the card.*\n.*of the predicate/,
    )
    callee.handle('visit', () => 1, { allow: (from) => from === guest.getDID() })
    expect(codeOf(await guest.describe('callee'))).toBe('ok')
    expect(codeOf(await stranger.describe('callee'))).toBe('NOT_ALLOWED')
    expect(codeOf(await guest.call('callee', 1, { method: 'broken' }))).toBe('HANDLER_FAILED')
  })

  test('a card of somebody else is refused', async ({ agent }) => {
    const [caller, honest, liar] = [agent(), agent('honest'), agent('liar')]
    const { jws } = valueOf(await honest.describe())
    // Whoever speaks without this library answers the method as he likes.
    const answer = vi.fn<() => unknown>(() => ({ card: jws }))
    await withAnswer(liar, answer, async () => {
      expect(codeOf(await caller.describe('liar'))).toBe('UNTRUSTED_ISSUER')
      for (const nonsense of [null, 1, [], {}, { card: 1 }, { card: 'x' }, { card: `${jws}x` }]) {
        answer.mockReturnValueOnce(nonsense)
        expect(codeOf(await caller.describe('liar'))).toBe('INVALID_TOKEN')
      }
    })
    expect(answer).toHaveBeenCalledTimes(8)
  })

  test('works with keys elsewhere, and says when they do not sign', async ({ agent, bus }) => {
    const identity = Identity.generate()
    let broken = false
    const provider = {
      getDID: () => identity.did,
      sign: (data: Uint8Array) => {
        if (broken) throw new Error('the HSM sleeps')
        return identity.dangerouslySign(data)
      },
    }
    const callee = agent({ name: 'callee', identityProvider: provider })
    expect(valueOf(await agent().describe('callee')).did).toBe(identity.did)
    callee.handle('a', () => 1)
    broken = true
    expect(codeOf(await callee.describe())).toBe('SIGN_FAILED')
    broken = false
    expect(codeOf(await callee.describe())).toBe('ok')
    expect(bus.agents().length).toBe(2)
    const owned = agent({ identityProvider: Identity.generate() })
    expect(codeOf(await owned.describe())).toBe('ok')
  })

  test('fails like a call does', async ({ agent }) => {
    const caller = agent()
    expect(codeOf(await caller.describe('nobody'))).toBe('AGENT_NOT_FOUND')
    caller.close()
    expect([codeOf(await caller.describe()), codeOf(await caller.describe('x'))]).toEqual([
      'AGENT_CLOSED',
      'AGENT_CLOSED',
    ])
    await expect(caller.describe(1 as never)).rejects.toThrow(TypeError)
    expect(errorOf(await caller.describe()).hint).toContain('make a new one')
  })
})

/** An agent of another make: its answer to the reserved method is what `answer` gives. */
async function withAnswer(_: AutoGenxBindAgent, answer: () => unknown, then: () => Promise<void>): Promise<void> {
  const { stringify } = JSON
  const isCard = (value: unknown): boolean => typeof (value as { card?: unknown } | null)?.card === 'string'
  const spy = vi
    .spyOn(JSON, 'stringify')
    .mockImplementation((value: unknown) => stringify(isCard(value) ? answer() : value))
  try {
    await then()
  } finally {
    spy.mockRestore()
  }
}
