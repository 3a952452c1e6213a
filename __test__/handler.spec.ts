import { HandlerError, XBindError } from '@private.me/autogen'
import { describe, expect, vi } from 'vitest'
import { gate, never, test, turn } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

describe('allow', () => {
  test('a list of DIDs lets in these, and nobody else', async ({ agent }) => {
    const [friend, stranger, callee] = [agent(), agent(), agent('callee')]
    const handler = vi.fn<() => string>(() => 'welcome')
    const allow = [friend.getDID()]
    callee.handle(handler, { allow })
    allow.push(stranger.getDID())
    expect(valueOf(await friend.call('callee', 1))).toBe('welcome')
    const error = errorOf(await stranger.call('callee', 1))
    expect([error.code, error.retryable]).toEqual(['NOT_ALLOWED', false])
    expect(error.hint).toMatch(/allow/)
    expect(handler).toHaveBeenCalledTimes(1)
    expect(valueOf(await callee.receive())).toEqual([])
  })

  test('an empty list lets in nobody', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => expect.unreachable(), { allow: [] })
    expect(codeOf(await caller.call('callee', 1))).toBe('NOT_ALLOWED')
  })

  test('a predicate sees the proven DID', async ({ agent }) => {
    const [friend, stranger, callee] = [agent(), agent('friend'), agent('callee')]
    const asked: string[] = []
    const allow = (from: string): boolean => {
      asked.push(from)
      return from === friend.getDID()
    }
    callee.handle(() => 'welcome', { allow })
    expect(valueOf(await friend.call('callee', 1))).toBe('welcome')
    expect(codeOf(await stranger.call('callee', { from: friend.getDID() }))).toBe('NOT_ALLOWED')
    expect(asked).toEqual([friend.getDID(), stranger.getDID()])
  })

  test('only true is yes', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const handler = vi.fn<() => void>()
    for (const answer of [false, undefined, null, 1, 'yes', {}, Promise.resolve(true)]) {
      callee.handle(handler, { allow: () => answer as boolean })
      expect(codeOf(await caller.call('callee', 1))).toBe('NOT_ALLOWED')
    }
    expect(handler).not.toHaveBeenCalled()
  })

  test('a predicate that throws lets nobody in, and keeps its reason', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const handler = vi.fn<() => void>()
    const allow = (): boolean => {
      throw new Error('the database with the password swordfish is down')
    }
    callee.handle(handler, { allow })
    const error = errorOf(await caller.call('callee', 1))
    expect(['HANDLER_FAILED', 'NOT_ALLOWED']).toContain(error.code)
    expect(`${error.message} ${error.hint}`).not.toContain('swordfish')
    expect(handler).not.toHaveBeenCalled()
  })

  test('the policy of the handler that runs decides, also for calls that were waiting', async ({ agent }) => {
    const [vip, stranger] = [agent(), agent()]
    const callee = agent({ name: 'callee', agentOptions: { concurrency: 1 } })
    const first = gate<string>()
    callee.handle(() => first.promise)
    const running = vip.call('callee', 1)
    await turn()
    const waiting = [stranger.call('callee', 2), vip.call('callee', 3)]
    await turn()
    const ran: string[] = []
    callee.handle(({ from }) => void ran.push(from), { allow: [vip.getDID()] })
    first.open('done')
    expect(valueOf(await running)).toBe('done')
    expect((await Promise.all(waiting)).map((result) => codeOf(result))).toEqual(['NOT_ALLOWED', 'ok'])
    expect(ran).toEqual([vip.getDID()])
  })

  test('a wrong type throws a TypeError, a wrong DID INVALID_DID, and the old handler stays', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => 'old')
    for (const allow of ['did:key:z6Mk', 5, {}, [5], [null]]) {
      expect(() => callee.handle(() => 'new', { allow: allow as never })).toThrow(TypeError)
    }
    for (const allow of [['callee'], [`${caller.getDID()} `], [caller.getDID(), '']]) {
      expect(() => callee.handle(() => 'new', { allow })).toThrow(expect.objectContaining({ code: 'INVALID_DID' }))
    }
    for (const handler of ['handler', 5, {}, undefined])
      expect(() => callee.handle(handler as never)).toThrow(TypeError)
    expect(valueOf(await caller.call('callee', 1))).toBe('old')
  })
})

describe('a handler that fails', () => {
  test('tells the caller nothing but that it failed', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const failures: (() => unknown)[] = [
      () => {
        throw new Error('password swordfish')
      },
      async () => {
        throw new TypeError('password swordfish')
      },
      () => Promise.reject('password swordfish'), // oxlint-disable-line prefer-promise-reject-errors
      () => {
        throw 'password swordfish' // oxlint-disable-line no-throw-literal
      },
      () => {
        throw undefined // oxlint-disable-line no-throw-literal
      },
      () => {
        throw Object.assign(new Error('x'), { code: 'NOT_ALLOWED', remote: { code: 'swordfish' } })
      },
      () => {
        throw new Proxy(new Error('x'), { get: () => expect.unreachable() })
      },
    ]
    for (const failure of failures) {
      callee.handle(failure)
      const error = errorOf(await caller.call('callee', 1))
      expect(error).toBeInstanceOf(XBindError)
      expect([error.code, error.remote, error.retryable]).toEqual(['HANDLER_FAILED', undefined, false])
      expect(error.messageId).toMatch(/^[\w-]{22}$/)
      expect(JSON.stringify([error, error.message, error.hint, error.stack])).not.toContain('swordfish')
    }
  })

  test('may choose what to tell, with a HandlerError', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const data = { left: 0, list: [1, 'zwei', null], __proto__: null }
    callee.handle(() => {
      throw new HandlerError('OUT_OF_BUDGET', 'nothing left for today', { data, cause: new Error('swordfish') })
    })
    const error = errorOf(await caller.call('callee', 1))
    expect(error.code).toBe('HANDLER_FAILED')
    expect(error.remote).toEqual({
      code: 'OUT_OF_BUDGET',
      message: 'nothing left for today',
      data: { left: 0, list: [1, 'zwei', null] },
    })
    expect(JSON.stringify([error, error.stack])).not.toContain('swordfish')
  })

  test('a HandlerError without data, asynchronous, or from another copy of this package', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(async () => {
      throw new HandlerError('E', 'm')
    })
    expect(errorOf(await caller.call('callee', 1)).remote).toEqual({ code: 'E', message: 'm' })
    const brand = Symbol.for('@private.me/autogen.HandlerError')
    callee.handle(() => {
      throw Object.assign(new Error('m'), { code: 'E', [brand]: true })
    })
    expect(errorOf(await caller.call('callee', 1)).remote).toEqual({ code: 'E', message: 'm' })
  })

  test('data that JSON cannot hold are left out, the rest is told', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    for (const data of [cycle, 5n, { toJSON: () => expect.unreachable() }]) {
      callee.handle(() => {
        throw new HandlerError('E', 'm', { data })
      })
      expect(errorOf(await caller.call('callee', 1)).remote).toEqual({ code: 'E', message: 'm' })
    }
  })

  test('what is too large or too deep to tell is not told, but the failure is', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const deep = JSON.parse('['.repeat(200) + ']'.repeat(200)) as unknown
    for (const [message, data] of [
      ['x'.repeat(2 << 20), 1],
      ['m', 'x'.repeat(2 << 20)],
      ['m', deep],
      ['\ud800', 1],
    ] as const) {
      callee.handle(() => {
        throw new HandlerError('E', message, { data })
      })
      const error = errorOf(await caller.call('callee', 1))
      expect(error.code).toBe('HANDLER_FAILED')
    }
  })

  test('a peer cannot pass a fault of its own off as one of the caller', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => {
      throw new HandlerError('INVALID_SIGNATURE', 'your key was revoked')
    })
    const error = errorOf(await caller.call('callee', 1))
    expect([error.code, error.remote?.code]).toEqual(['HANDLER_FAILED', 'INVALID_SIGNATURE'])
    expect(error.message).not.toContain('revoked')
  })

  test.each<[string, () => unknown]>([
    ['a BigInt', () => 5n],
    ['a function', () => () => 1],
    ['a symbol', () => Symbol('s')],
    ['a cycle', () => globalThis],
    ['a toJSON that throws', () => ({ toJSON: () => expect.unreachable() })],
    ['a lone surrogate', () => '\ud800'],
    ['more than the limit', () => 'x'.repeat(1 << 20)],
    ['a promise of such', async () => 5n],
  ])('returns what cannot be sent: %s', async (_, handler) => {
    const { AutoGenxBindAgent } = await import('@private.me/autogen')
    using caller = new AutoGenxBindAgent()
    using callee = new AutoGenxBindAgent()
    callee.handle(handler)
    const error = errorOf(await caller.call(callee.getDID(), 1))
    expect([error.code, error.remote]).toEqual(['HANDLER_FAILED', undefined])
    callee.handle(() => 'still here')
    expect(valueOf(await caller.call(callee.getDID(), 1))).toBe('still here')
  })

  test('returns nothing: the answer is null', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    for (const handler of [() => undefined, () => {}, async () => {}, () => null]) {
      callee.handle(handler)
      expect(valueOf(await caller.call('callee', 1))).toBeNull()
    }
  })

  test('settles twice: the first time counts', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const twice = {
      // oxlint-disable-next-line no-thenable -- what a careless promise library might do
      then(resolve: (value: string) => void, reject: (error: Error) => void) {
        resolve('first')
        resolve('second')
        reject(new Error('third'))
        throw new Error('fourth')
      },
    }
    callee.handle(() => twice as unknown as Promise<string>)
    expect(valueOf(await caller.call('callee', 1))).toBe('first')
  })
})

describe('concurrency', () => {
  test('at most so many calls are handled at once; the others wait their turn', async ({ agent }) => {
    const caller = agent()
    const callee = agent({ name: 'callee', agentOptions: { concurrency: 3 } })
    let [running, most] = [0, 0]
    callee.handle(async ({ payload }) => {
      most = Math.max(most, ++running)
      await turn()
      running--
      return payload
    })
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => caller.call('callee', n)))
    expect(answers.map((answer) => valueOf(answer))).toEqual(Array.from({ length: 50 }, (_, n) => n))
    expect(most).toBe(3)
  })

  test('a handler that fails makes room for the next', async ({ agent }) => {
    const caller = agent()
    const callee = agent({ name: 'callee', agentOptions: { concurrency: 1 } })
    callee.handle(({ payload }) => {
      if (payload !== 9) throw new Error('no')
      return 'yes'
    })
    const codes = (await Promise.all(Array.from({ length: 10 }, (_, n) => caller.call('callee', n)))).map((r) =>
      codeOf(r),
    )
    expect(codes).toEqual([...Array.from({ length: 9 }, () => 'HANDLER_FAILED'), 'ok'])
  })

  test('a call whose caller gave up before its turn is not handled at all', async ({ agent }) => {
    const caller = agent()
    const callee = agent({ name: 'callee', agentOptions: { concurrency: 1 } })
    const first = gate<string>()
    const handler = vi.fn<() => Promise<string>>(() => first.promise)
    callee.handle(handler)
    const running = caller.call('callee', 'running')
    await turn()
    const controller = new AbortController()
    const waiting = caller.call('callee', 'waiting', { signal: controller.signal })
    await turn()
    controller.abort()
    expect(codeOf(await waiting)).toBe('ABORTED')
    first.open('done')
    expect(valueOf(await running)).toBe('done')
    expect(valueOf(await caller.call('callee', 'next'))).toBe('done')
    expect(handler).toHaveBeenCalledTimes(2)
  })

  test('one that never settles holds up nobody else', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(({ payload }) => (payload === 'stuck' ? never : 'done'))
    const stuck = caller.call('callee', 'stuck', { timeoutMs: 20 })
    expect(valueOf(await caller.call('callee', 1))).toBe('done')
    expect(codeOf(await stuck)).toBe('TIMEOUT')
  })
})
