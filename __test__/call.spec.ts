import { AutoGenxBindAgent, type DeliveryReceipt, Identity, MessageBus } from '@private.me/autogen'
import { MessageVerifier } from '@private.me/autogen/messages'
import { describe, expect } from 'vitest'
import { gate, test, turn } from './helpers/bus.ts'
import { parts } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { utf8 } from './helpers/vectors.ts'

describe('a call', () => {
  test('reaches an agent by DID and by name, without any configuration', async () => {
    using researcher = new AutoGenxBindAgent()
    using writer = new AutoGenxBindAgent({ name: 'writer-of-this-test' })
    writer.handle(({ payload }) => ({ got: payload }))
    for (const to of [writer.getDID(), 'writer-of-this-test']) {
      expect(await researcher.call(to, { topic: 'AI trends' })).toEqual({
        ok: true,
        value: { got: { topic: 'AI trends' } },
      })
    }
  })

  test('tells the handler who calls, and with what', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const before = Math.floor(Date.now() / 1000) * 1000
    callee.handle(({ id, from, payload, issuedAt, signal }) => {
      expect(id).toMatch(/^[\w-]{22}$/)
      expect(from).toBe(caller.getDID())
      expect(payload).toEqual(['p'])
      expect([issuedAt.getTime() >= before, issuedAt.getTime() <= Date.now()]).toEqual([true, true])
      expect([signal instanceof AbortSignal, signal.aborted]).toEqual([true, false])
      return 'answer'
    })
    expect(valueOf(await caller.call('callee', ['p']))).toBe('answer')
  })

  test('is answered by what the handler returns, now or later', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const answers = [
      () => 1,
      async () => 1,
      () => turn().then(() => 1),
      // oxlint-disable-next-line no-thenable -- what a promise library gives
      () => ({ then: (resolve: (value: number) => void) => resolve(1) }) as Promise<number>,
    ]
    for (const answer of answers) {
      callee.handle(answer)
      expect(valueOf(await caller.call('callee', null))).toBe(1)
    }
  })

  test('each has an answer of its own, also when many are under way', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(async ({ payload }) => {
      if (Number(payload) % 3 === 0) await turn()
      return Number(payload) * 2
    })
    const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => caller.call<number>('callee', n)))
    expect(answers.map((answer) => valueOf(answer))).toEqual(Array.from({ length: 300 }, (_, n) => n * 2))
  })

  test('may be answered in the middle of another, back and forth', async ({ agent }) => {
    const [ping, pong] = [agent('ping'), agent('pong')]
    const relay =
      (self: AutoGenxBindAgent, other: string) =>
      async ({ payload }: { payload: unknown }) =>
        Number(payload) === 0 ? 'the bottom' : valueOf(await self.call(other, Number(payload) - 1))
    ping.handle(relay(ping, 'pong'))
    pong.handle(relay(pong, 'ping'))
    expect(valueOf(await ping.call('pong', 20))).toBe('the bottom')
  })

  test('a handler may be taken away and put back', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => 'first')
    expect(valueOf(await caller.call('callee', 0))).toBe('first')
    callee.handle(null)
    expect(valueOf(await caller.call('callee', 1))).toMatchObject({ status: 'delivered' })
    callee.handle(() => 'second')
    expect(valueOf(await caller.call('callee', 2))).toBe('second')
    expect(valueOf(await callee.receive()).map(({ payload }) => payload)).toEqual([1])
  })

  test('handle returns the agent', ({ agent }) => {
    const one = agent()
    expect(one.handle(() => 1)).toBe(one)
  })
})

describe('an agent without a handler', () => {
  test('takes the call into its inbox and signs for it', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const receipt = valueOf(await caller.call<DeliveryReceipt>('callee', { task: 1 }))
    expect(receipt).toEqual({ status: 'delivered', messageId: receipt.messageId, to: callee.getDID() })
    expect(valueOf(await callee.receive())).toEqual([
      { id: receipt.messageId, kind: 'call', from: caller.getDID(), payload: { task: 1 }, issuedAt: expect.any(Date) },
    ])
  })
})

describe('what goes over the bus', () => {
  /** An agent whose identity provider writes down all that it signs. */
  async function listened(bus: MessageBus, name: string) {
    const identity = Identity.generate()
    const signed: string[] = []
    const sign = (bytes: Uint8Array): Uint8Array => {
      const signature = identity.dangerouslySign(bytes)
      if (Buffer.from(bytes).toString('latin1').startsWith('xbind-join-v1\0')) return signature
      signed.push(`${Buffer.from(bytes).toString('latin1')}.${Buffer.from(signature).toString('base64url')}`)
      return signature
    }
    const provider = { getDID: () => identity.did, sign }
    return { signed, agent: new AutoGenxBindAgent({ name, identityProvider: provider, agentOptions: { bus } }) }
  }

  test('is the wire format: a verifier of any transport opens the same messages', async ({ bus }) => {
    const [asker, answerer] = [await listened(bus, 'asker'), await listened(bus, 'answerer')]
    answerer.agent.handle(() => 'answer')
    expect(valueOf(await asker.agent.call('answerer', { n: 1 }))).toBe('answer')
    const [request = '', reply = ''] = [...asker.signed, ...answerer.signed]

    const call = valueOf(new MessageVerifier({ audience: answerer.agent.getDID() }).open(request, utf8('{"n":1}')))
    expect([call.op, call.from, call.expiresAt - call.issuedAt]).toEqual(['call', asker.agent.getDID(), 5])
    const sealed = { id: call.id, jws: request, body: call.body, token: undefined }
    const verifier = new MessageVerifier({ audience: asker.agent.getDID(), pending: () => sealed })
    const result = valueOf(verifier.open(reply, utf8('"answer"')))
    expect([result.op, result.from, result.inReplyTo]).toEqual(['result', answerer.agent.getDID(), call.id])
  })

  test('refusals are signed, too, and so are receipts', async ({ bus }) => {
    const [asker, answerer] = [await listened(bus, 'asker'), await listened(bus, 'answerer')]
    await asker.agent.send('answerer', 1)
    answerer.agent.handle(() => 1, { allow: [] })
    expect(codeOf(await asker.agent.call('answerer', 1))).toBe('NOT_ALLOWED')
    expect(answerer.signed.map((jws) => parts(jws).claims.op)).toEqual(['receipt', 'error'])
  })

  test('calls of one turn share a signature, and each is provable by itself', async ({ bus }) => {
    const [asker, answerer] = [await listened(bus, 'asker'), await listened(bus, 'answerer')]
    answerer.agent.handle(({ payload }) => payload)
    const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => asker.agent.call('answerer', n)))
    expect(answers.map((answer) => valueOf(answer))).toEqual([1, 2, 3, 4, 5])
    expect(asker.signed.length).toBeLessThan(5)
    expect(asker.signed.some((bytes) => bytes.startsWith('xbind-batch-v1\0'))).toBe(true)
  })
})

describe('whom a call does not reach', () => {
  test.each([
    ['AGENT_NOT_FOUND', 'nobody-here'],
    ['AGENT_NOT_FOUND', Identity.generate().did],
    ['INVALID_NAME', ''],
    ['INVALID_NAME', 'no spaces'],
    ['INVALID_NAME', 'constructor()'],
    ['INVALID_DID', 'did:key:z6Mk'],
    ['INVALID_DID', 'did:web:example.com'],
    ['AGENT_NOT_FOUND', 'constructor'],
    ['AGENT_NOT_FOUND', 'toString'],
    ['INVALID_NAME', '__proto__'],
  ])('%s: %j', async (code, to) => {
    using caller = new AutoGenxBindAgent()
    for (const result of [await caller.call(to, 1), await caller.send(to, 1)]) {
      const error = errorOf(result)
      expect(error.code).toBe(code)
      expect(error.message).toMatch(/^[a-z].*[^.]$/)
      expect(error.hint).toBeTruthy()
    }
  })

  test('oneself', async ({ agent }) => {
    const one = agent('one')
    expect(codeOf(await one.call('one', 1))).toBe('WRONG_AUDIENCE')
    expect(codeOf(await one.send(one.getDID(), 1))).toBe('WRONG_AUDIENCE')
  })
})

describe('order', () => {
  test('messages of one sender to one recipient arrive as they were sent', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    const sent = Array.from({ length: 900 }, (_, n) => sender.send('recipient', n))
    await Promise.all(sent)
    const payloads = valueOf(await recipient.receive()).map(({ payload }) => payload)
    expect(payloads).toEqual(Array.from({ length: 900 }, (_, n) => n))
  })

  test('so do calls at a handler, whatever their size and from however many senders', async ({ agent }) => {
    const recipient = agent({ name: 'recipient', agentOptions: { inbox: { maxMessages: 10_000 } } })
    const seen = new Map<string, number[]>()
    recipient.handle<{ n: number }>(({ from, payload }) => {
      seen.set(from, [...(seen.get(from) ?? []), payload.n])
    })
    const senders = Array.from({ length: 20 }, () => agent())
    const calls = senders.flatMap((sender) =>
      Array.from({ length: 100 }, (_, n) => sender.call('recipient', { n, filler: 'x'.repeat((n % 7) * 500) })),
    )
    expect((await Promise.all(calls)).filter((result) => !result.ok)).toEqual([])
    for (const sender of senders) expect(seen.get(sender.getDID())).toEqual(Array.from({ length: 100 }, (_, n) => n))
  })

  test('answers do not wait for each other', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const slow = gate<string>()
    callee.handle(({ payload }) => (payload === 'slow' ? slow.promise : 'fast'))
    const first = caller.call('callee', 'slow')
    expect(valueOf(await caller.call('callee', 'other'))).toBe('fast')
    slow.open('slow')
    expect(valueOf(await first)).toBe('slow')
  })
})

describe('one identity in two places', () => {
  test('the newest one is called, and both may call', async ({ agent, bus }) => {
    const [first, caller] = [agent('twin'), agent()]
    first.handle(() => 'first')
    const key = valueOf(await first.exportIdentity())
    const second = valueOf(await AutoGenxBindAgent.fromIdentity(key, { name: 'twin', agentOptions: { bus } }))
    second.handle(() => 'second')
    expect(second.getDID()).toBe(first.getDID())
    for (const to of ['twin', first.getDID()]) expect(valueOf(await caller.call(to, 1))).toBe('second')
    caller.handle(({ from }) => from)
    for (const twin of [first, second]) {
      expect(valueOf(await twin.call(caller.getDID(), 1))).toBe(first.getDID())
    }
    second.close()
    expect(valueOf(await caller.call('twin', 1))).toBe('first')
  })
})
