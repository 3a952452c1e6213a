// One call is signed by itself and worked off at once; calls of a burst share signatures and go through worker threads.
// Whoever calls must not see a difference: each test runs both ways, with the same expectations.
import {
  AutoGenxBindAgent,
  HandlerError,
  Identity,
  type CallOptions,
  type DeliveryReceipt,
  type Result,
} from '@private.me/autogen'
import { describe, expect } from 'vitest'
import { gate, never, test, turn, type Make } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

type Ask<T> = () => Promise<Result<T>>
/** Asks all of these, and gives what came of each, in their order. */
type Way = <T>(agent: Make, asks: Ask<T>[]) => Promise<Result<T>[]>

const oneByOne: Way = async (_agent, asks) => {
  const results = []
  for (const ask of asks) results.push(await ask())
  return results
}

/** All at once, in the midst of 400 calls of 80 others, who must not be disturbed. */
const inABurst: Way = async (agent, asks) => {
  const others = many(80, () => agent())
  const echo = agent()
  echo.handle(({ from, payload }) => [from, payload])
  const chatter = (some: AutoGenxBindAgent[]) =>
    some.flatMap((one) => many(5, async (n) => ({ one, n, answer: await one.call(echo.getDID(), n) })))
  const before = chatter(others.slice(0, 40))
  const asked = asks.map((ask) => ask())
  const after = chatter(others.slice(40))
  const results = await Promise.all(asked)
  for (const { one, n, answer } of await Promise.all([...before, ...after])) {
    expect(valueOf(answer)).toEqual([one.getDID(), n])
  }
  return results
}

const COUNT = 120
const CALLERS = 12
const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n))
const times = <T>(count: number, value: T): T[] => many(count, () => value)
const codes = (results: Result<unknown>[]): string[] => results.map((result) => codeOf(result))

/** 120 calls of twelve agents to one, each with its number for a payload. */
function calls<T = unknown>(agent: Make, to: AutoGenxBindAgent, options: (n: number) => CallOptions = () => ({})) {
  const callers = many(CALLERS, () => agent())
  const from = (n: number): AutoGenxBindAgent => callers[n % CALLERS]!
  return { callers, from, asks: many(COUNT, (n) => () => from(n).call<T>(to.getDID(), n, options(n))) }
}

/** Resolves when the signal aborts. */
const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** What every error of a call that was sent has. */
const sent = expect.stringMatching(/^[\w-]{22}$/) as string

describe.each<[string, Way, boolean]>([
  ['one by one', oneByOne, false],
  ['in a burst', inABurst, true],
])('%s', (_name, way, batched) => {
  test('signatures are shared in a burst only', async ({ agent }) => {
    const identity = Identity.generate()
    const signed: string[] = []
    const sign = (bytes: Uint8Array): Uint8Array => {
      signed.push(Buffer.from(bytes).toString('latin1'))
      return identity.dangerouslySign(bytes)
    }
    const caller = agent({ identityProvider: { getDID: () => identity.did, sign } })
    const callee = agent()
    callee.handle(({ payload }) => payload)
    const asks = many(COUNT, (n) => () => caller.call(callee.getDID(), n))
    expect((await way(agent, asks)).map((result) => valueOf(result))).toEqual(many(COUNT, (n) => n))
    expect(signed.some((bytes) => bytes.startsWith('xbind-batch-v1\0'))).toBe(batched)
    expect(signed.length < COUNT).toBe(batched)
  })

  describe('answers', () => {
    test('each call has its own, also when they come in another order', async ({ agent }) => {
      const callee = agent()
      callee.handle(async ({ from, payload }) => {
        for (let n = Number(payload) % 4; n > 0; n--) await turn()
        return { from, payload }
      })
      const { from, asks } = calls(agent, callee)
      const answers = await way(agent, asks)
      const expected = many(COUNT, (n) => ({ from: from(n).getDID(), payload: n }))
      expect(answers.map((answer) => valueOf(answer))).toEqual(expected)
    })

    test('JSON, bytes, nothing, and long ones', async ({ agent }) => {
      const payloads = [null, '', 'ü🔑', { a: [1, { b: null }] }, new Uint8Array([0, 255]), 'x'.repeat(50_000)]
      const payload = (n: number): unknown => payloads[n % payloads.length]
      const [caller, callee] = [agent(), agent()]
      callee.handle(({ payload: there }) => there)
      const asks = many(60, (n) => () => caller.call(callee.getDID(), payload(n)))
      const answers = (await way(agent, asks)).map((answer) => valueOf(answer))
      // Bytes come as a Uint8Array, which toStrictEqual tells from a Buffer and from an object.
      expect(answers).toStrictEqual(many(60, payload))
    })

    test('receipts of an agent without a handler, and of sends', async ({ agent }) => {
      const callee = agent()
      const callers = many(CALLERS, () => agent())
      const asks = many(COUNT, (n) => (): Promise<Result<DeliveryReceipt>> => {
        const from = callers[n % CALLERS]!
        return n % 2 ? from.send(callee.getDID(), n) : from.call(callee.getDID(), n)
      })
      const receipts = (await way(agent, asks)).map((result) => valueOf(result))
      expect(receipts).toEqual(times(COUNT, { status: 'delivered', messageId: sent, to: callee.getDID() }))
      const inbox = new Map(valueOf(await callee.receive()).map((message) => [message.id, message]))
      expect(inbox.size).toBe(COUNT)
      for (const [n, { messageId }] of receipts.entries()) {
        const from = callers[n % CALLERS]!.getDID()
        expect(inbox.get(messageId)).toMatchObject({ kind: n % 2 ? 'message' : 'call', from, payload: n })
      }
    })
  })

  test('order: each recipient hears each sender as it spoke', async ({ agent }) => {
    const seen = new Map<string, number[]>()
    const recipients = many(4, () => {
      const recipient = agent()
      const did = recipient.getDID()
      return recipient.handle<{ n: number }>(({ from, payload }) => {
        const key = `${from} ${did}`
        seen.set(key, [...(seen.get(key) ?? []), payload.n])
      })
    })
    const senders = many(CALLERS, () => agent())
    const asks = many(20, (n) =>
      senders.flatMap((sender) =>
        recipients.map((to) => () => sender.call(to.getDID(), { n, filler: 'x'.repeat((n % 5) * 700) })),
      ),
    ).flat()
    expect(codes(await way(agent, asks))).toEqual(times(asks.length, 'ok'))
    const orders = senders.flatMap((from) => recipients.map((to) => seen.get(`${from.getDID()} ${to.getDID()}`)))
    expect(orders).toEqual(
      times(
        CALLERS * 4,
        many(20, (n) => n),
      ),
    )
  })

  describe('refusals', () => {
    test('HANDLER_FAILED with what a HandlerError tells, each its own', async ({ agent }) => {
      const callee = agent()
      callee.handle(({ payload }) => {
        throw new HandlerError('OUT_OF_BUDGET', `no ${String(payload)}`, { data: { n: payload } })
      })
      const errors = (await way(agent, calls(agent, callee).asks)).map((result) => errorOf(result))
      for (const [n, { code, retryable, messageId, remote }] of errors.entries()) {
        const expected = { code: 'OUT_OF_BUDGET', message: `no ${n}`, data: { n } }
        expect([code, retryable, messageId, remote]).toEqual(['HANDLER_FAILED', false, sent, expected])
      }
      expect(new Set(errors.map(({ messageId }) => messageId)).size).toBe(COUNT)
    })

    test('HANDLER_FAILED without a word for all else, thrown or not to be sent', async ({ agent }) => {
      const callee = agent({ agentOptions: { maxPayloadBytes: 100 } })
      const faults = [
        () => Promise.reject(new Error('swordfish')),
        () => 5n,
        () => 'swordfish'.repeat(100),
        () => {
          throw new Error('swordfish')
        },
      ]
      callee.handle(({ payload }) => faults[Number(payload) % faults.length]!())
      for (const result of await way(agent, calls(agent, callee).asks)) {
        const error = errorOf(result)
        expect([error.code, error.retryable, error.remote]).toEqual(['HANDLER_FAILED', false, undefined])
        expect(JSON.stringify([error, error.message, error.hint])).not.toContain('swordfish')
      }
    })

    test.for(['list', 'predicate'] as const)('NOT_ALLOWED by a %s, and only those', async (kind, { agent }) => {
      const callee = agent()
      const { from, callers, asks } = calls(agent, callee)
      const friends = callers.filter((_, n) => n % 3 !== 0).map((caller) => caller.getDID())
      const ran: unknown[] = []
      const allow = kind === 'list' ? friends : (did: string) => friends.includes(did)
      callee.handle(({ payload }) => void ran.push(payload), { allow })
      const friendly = many(COUNT, (n) => friends.includes(from(n).getDID()))
      expect(codes(await way(agent, asks))).toEqual(friendly.map((is) => (is ? 'ok' : 'NOT_ALLOWED')))
      expect(ran.toSorted((a, b) => Number(a) - Number(b))).toEqual(many(COUNT, (n) => n).filter((n) => friendly[n]))
    })

    test('INVALID_PAYLOAD, and the others go through', async ({ agent }) => {
      const [caller, callee] = [agent(), agent()]
      const ran: unknown[] = []
      callee.handle(({ payload }) => void ran.push(payload))
      const circular: unknown[] = []
      circular.push(circular)
      const payloads = many(COUNT, (n) => [n, 5n, circular][n % 3])
      const asks = payloads.map((payload) => () => caller.call(callee.getDID(), payload))
      const expected = many(COUNT, (n) => (n % 3 === 0 ? 'ok' : 'INVALID_PAYLOAD'))
      expect(codes(await way(agent, asks))).toEqual(expected)
      expect(ran).toEqual(payloads.filter((_, n) => n % 3 === 0))
    })

    test("PAYLOAD_TOO_LARGE for the caller's bound and for the recipient's, to the byte", async ({ agent }) => {
      const [small, large] = [agent({ agentOptions: { maxPayloadBytes: 1000 } }), agent()]
      let ran = 0
      for (const one of [small, large]) one.handle(() => void ran++)
      const bytes = (n: number): Uint8Array => new Uint8Array(n % 2 ? 1001 : 1000)
      const asks = many(COUNT, (n) => () => {
        const [from, to] = n % 4 < 2 ? [small, large] : [large, small]
        return from.call(to.getDID(), bytes(n))
      })
      expect(codes(await way(agent, asks))).toEqual(many(COUNT, (n) => (n % 2 ? 'PAYLOAD_TOO_LARGE' : 'ok')))
      expect(ran).toBe(COUNT / 2)
    })

    test('AGENT_NOT_FOUND, WRONG_AUDIENCE', async ({ agent }) => {
      const caller = agent()
      const stranger = Identity.generate().did
      const to = [stranger, 'nobody-here', caller.getDID()]
      const asks = many(COUNT, (n) => () => caller.call(to[n % 3]!, n))
      const expected = many(COUNT, (n) => (n % 3 === 2 ? 'WRONG_AUDIENCE' : 'AGENT_NOT_FOUND'))
      expect(codes(await way(agent, asks))).toEqual(expected)
    })
  })

  describe('INBOX_FULL', () => {
    test('from one sender: what fits is there in its order, the rest is refused', async ({ agent }) => {
      const sender = agent()
      const recipient = agent({ agentOptions: { inbox: { maxMessages: 50 } } })
      const results = await way(
        agent,
        many(COUNT, (n) => () => sender.send(recipient.getDID(), n)),
      )
      expect(codes(results)).toEqual(many(COUNT, (n) => (n < 50 ? 'ok' : 'INBOX_FULL')))
      expect(results.slice(50).map((result) => errorOf(result).retryable)).toEqual(times(70, true))
      expect(valueOf(await recipient.receive()).map(({ payload }) => payload)).toEqual(many(50, (n) => n))
      expect(codeOf(await sender.send(recipient.getDID(), 'room again'))).toBe('ok')
    })

    test('from many: as many as fit, and exactly those who were told so', async ({ agent }) => {
      const recipient = agent({ agentOptions: { inbox: { maxMessages: 50 } } })
      const results = await way(agent, calls(agent, recipient).asks)
      const taken = results.flatMap((result, n) => (result.ok ? [n] : []))
      expect(taken).toHaveLength(50 + 17) // what one sender may take, and a third more for others
      expect(codes(results.filter(({ ok }) => !ok))).toEqual(times(53, 'INBOX_FULL'))
      const inbox = valueOf(await recipient.receive()).map(({ payload }) => Number(payload))
      expect(inbox.toSorted((a, b) => a - b)).toEqual(taken)
    })
  })

  describe('calls that end early', () => {
    test('TIMEOUT with a handler that never settles', async ({ agent }) => {
      const callee = agent()
      callee.handle(({ payload }) => (Number(payload) % 10 === 0 ? never : payload))
      // Calls that are answered have all the time they need.
      const { callers, asks } = calls(agent, callee, (n) => ({ timeoutMs: n % 10 === 0 ? 20 : 600_000 }))
      const results = await way(agent, asks)
      expect(codes(results)).toEqual(many(COUNT, (n) => (n % 10 === 0 ? 'TIMEOUT' : 'ok')))
      for (const error of results.filter(({ ok }) => !ok).map((result) => errorOf(result))) {
        expect([error.retryable, error.messageId]).toEqual([true, sent])
      }
      expect(valueOf(await callers[0]!.call(callee.getDID(), 1))).toBe(1)
    })

    test('ABORTED before: no handler runs', async ({ agent }) => {
      const callee = agent()
      const ran: unknown[] = []
      callee.handle(({ payload }) => void ran.push(payload))
      const signal = AbortSignal.abort()
      const { asks } = calls(agent, callee, (n) => (n % 2 ? { signal } : {}))
      expect(codes(await way(agent, asks))).toEqual(many(COUNT, (n) => (n % 2 ? 'ABORTED' : 'ok')))
      expect(ran).toHaveLength(COUNT / 2)
    })

    test('ABORTED while the handler works, who is told, and nobody else', async ({ agent }) => {
      const callee = agent()
      const controllers = many(COUNT, () => new AbortController())
      const told = many(COUNT, () => gate<boolean>())
      callee.handle<number>(async ({ payload: n, signal }) => {
        if (n % 2) {
          controllers[n]!.abort()
          await aborted(signal)
        } else await turn()
        told[n]!.open(signal.aborted)
        return 'done'
      })
      const { asks } = calls(agent, callee, (n) => ({ signal: controllers[n]!.signal }))
      expect(codes(await way(agent, asks))).toEqual(many(COUNT, (n) => (n % 2 ? 'ABORTED' : 'ok')))
      expect(await Promise.all(told.map(({ promise }) => promise))).toEqual(many(COUNT, (n) => n % 2 === 1))
    })

    test('AGENT_CLOSED for a caller that has closed before', async ({ agent }) => {
      const callee = agent()
      callee.handle(() => 'done')
      const { callers, from, asks } = calls(agent, callee)
      const closed = callers.filter((_, n) => n % 2 === 1)
      for (const one of closed) one.close()
      const expected = many(COUNT, (n) => (closed.includes(from(n)) ? 'AGENT_CLOSED' : 'ok'))
      expect(codes(await way(agent, asks))).toEqual(expected)
    })

    test.for(['caller', 'recipient'] as const)('AGENT_CLOSED when the %s closes meanwhile', async (who, { agent }) => {
      const told = many(COUNT, () => gate())
      const asks = many(COUNT, (n) => {
        const [caller, callee] = [agent(), agent()]
        callee.handle(async ({ signal }) => {
          ;(who === 'caller' ? caller : callee).close()
          await aborted(signal)
          told[n]!.open()
          return 'nobody hears this'
        })
        return () => caller.call(callee.getDID(), n)
      })
      expect(codes(await way(agent, asks))).toEqual(times(COUNT, 'AGENT_CLOSED'))
      await Promise.all(told.map(({ promise }) => promise))
    })
  })
})
