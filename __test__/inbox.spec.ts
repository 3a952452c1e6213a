import { AutoGenxBindAgent } from '@private.me/autogen'
import { describe, expect } from 'vitest'
import { never, test, turn } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

describe('send', () => {
  test('resolves with the receipt when the message stands in the inbox', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    const receipt = valueOf(await sender.send('recipient', { hello: 1 }))
    expect(receipt).toEqual({
      status: 'delivered',
      messageId: expect.stringMatching(/^[\w-]{22}$/),
      to: recipient.getDID(),
    })
    expect(valueOf(await recipient.receive())).toEqual([
      {
        id: receipt.messageId,
        kind: 'message',
        from: sender.getDID(),
        payload: { hello: 1 },
        issuedAt: expect.any(Date),
      },
    ])
    expect(valueOf(await recipient.receive())).toEqual([])
  })

  test('goes to the inbox also where a handler answers calls', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    recipient.handle(() => expect.unreachable())
    expect(valueOf(await sender.send('recipient', 1)).status).toBe('delivered')
    expect(valueOf(await recipient.receive()).map(({ payload }) => payload)).toEqual([1])
  })
})

describe('receive', () => {
  test('drains, oldest first, at most max', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    await Promise.all([1, 2, 3, 4, 5].map((n) => sender.send('recipient', n)))
    const take = async (max?: number) =>
      valueOf(await recipient.receive(max === undefined ? {} : { max })).map(({ payload }) => payload)
    expect([await take(2), await take(1), await take(), await take()]).toEqual([[1, 2], [3], [4, 5], []])
  })

  test('waits for the first message', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    const waiting = recipient.receive({ waitMs: 60_000 })
    await sender.send('recipient', 'at last')
    expect(valueOf(await waiting).map(({ payload }) => payload)).toEqual(['at last'])
  })

  test('gives up waiting with an empty list', async ({ agent }) => {
    expect(valueOf(await agent().receive({ waitMs: 5 }))).toEqual([])
  })

  test('gives up waiting when told so', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    const controller = new AbortController()
    const waiting = recipient.receive({ waitMs: 60_000, signal: controller.signal })
    controller.abort()
    expect(codeOf(await waiting)).toBe('ABORTED')
    expect(codeOf(await recipient.receive({ signal: controller.signal }))).toBe('ABORTED')
    await sender.send('recipient', 'not lost')
    expect(valueOf(await recipient.receive()).map(({ payload }) => payload)).toEqual(['not lost'])
  })

  test('serves those who wait in their order, none twice', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    const waiting = [1, 2, 3].map(() => recipient.receive({ max: 1, waitMs: 60_000 }))
    for (const n of [1, 2, 3]) await sender.send('recipient', n)
    const received = (await Promise.all(waiting)).flatMap((result) => valueOf(result).map(({ payload }) => payload))
    expect(received).toEqual([1, 2, 3])
  })

  test('ends with AGENT_CLOSED when the agent closes', async ({ agent }) => {
    const one = agent()
    const waiting = [one.receive({ waitMs: 60_000 }), one.receive({ waitMs: Infinity })]
    one.close()
    expect((await Promise.all(waiting)).map((result) => codeOf(result))).toEqual(['AGENT_CLOSED', 'AGENT_CLOSED'])
    expect(codeOf(await one.receive())).toBe('AGENT_CLOSED')
  })

  test.each([{ max: 0 }, { max: -1 }, { max: Number.NaN }, { waitMs: -1 }, { waitMs: Number.NaN }])(
    'INVALID_CONFIG: %o',
    async (options) => {
      using one = new AutoGenxBindAgent()
      expect(codeOf(await one.receive(options))).toBe('INVALID_CONFIG')
    },
  )
})

describe('messages()', () => {
  test('gives one after the other, until the agent closes', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    const sending = (async () => {
      for (const n of [1, 2, 3]) {
        await sender.send('recipient', n)
        await turn()
      }
      recipient.close()
    })()
    const seen: unknown[] = []
    for await (const { payload } of recipient.messages()) seen.push(payload)
    await sending
    expect(seen).toEqual([1, 2, 3])
  })

  test('leaves the rest in the inbox when the loop ends early', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    await Promise.all([1, 2, 3].map((n) => sender.send('recipient', n)))
    for await (const { payload } of recipient.messages()) {
      expect(payload).toBe(1)
      break
    }
    expect(valueOf(await recipient.receive()).map(({ payload }) => payload)).toEqual([2, 3])
  })

  test('of a closed agent is empty', async ({ agent }) => {
    const one = agent()
    one.close()
    for await (const message of one.messages()) expect.unreachable(message.id)
  })

  test('two loops share the inbox: each message goes to one of them', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    const seen: unknown[] = []
    const loop = async () => {
      for await (const { payload } of recipient.messages()) seen.push(payload)
    }
    const loops = [loop(), loop()]
    for (let n = 0; n < 20; n++) await sender.send('recipient', n)
    await turn()
    recipient.close()
    await Promise.all(loops)
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 20 }, (_, n) => n))
  })
})

describe('the inbox is bounded', () => {
  test('in count, and the sender is told', async ({ agent }) => {
    const recipient = agent({ name: 'recipient', agentOptions: { inbox: { maxMessages: 3 } } })
    const sender = agent()
    const sent = await Promise.all([1, 2, 3, 4, 5].map((n) => sender.send('recipient', n)))
    expect(sent.map((result) => codeOf(result))).toEqual(['ok', 'ok', 'ok', 'INBOX_FULL', 'INBOX_FULL'])
    const error = errorOf(await sender.call('recipient', 6))
    expect([error.code, error.retryable]).toEqual(['INBOX_FULL', true])
    expect(error.message).toContain(recipient.getDID())
    expect(valueOf(await recipient.receive({ max: 1 })).map(({ payload }) => payload)).toEqual([1])
    expect(codeOf(await sender.send('recipient', 7))).toBe('ok')
    expect(valueOf(await recipient.receive()).map(({ payload }) => payload)).toEqual([2, 3, 7])
  })

  test('in bytes', async ({ agent }) => {
    agent({ name: 'recipient', agentOptions: { inbox: { maxBytes: 100 } } })
    const sender = agent()
    const ask = async (bytes: number) => codeOf(await sender.send('recipient', new Uint8Array(bytes)))
    expect([await ask(60), await ask(41), await ask(40), await ask(1), await ask(0)]).toEqual([
      'ok',
      'INBOX_FULL',
      'ok',
      'INBOX_FULL',
      'ok',
    ])
  })

  test('a flood from one sender neither loses nor invents anything', async ({ agent }) => {
    const [sender, recipient] = [agent(), agent('recipient')]
    const sent = await Promise.all(Array.from({ length: 3000 }, (_, n) => sender.send('recipient', n)))
    const accepted = sent.flatMap((result, n) => (result.ok ? [n] : []))
    expect(accepted).toHaveLength(1024)
    expect(valueOf(await recipient.receive()).map(({ payload }) => payload)).toEqual(accepted)
    expect(new Set(sent.map((result) => codeOf(result)))).toEqual(new Set(['ok', 'INBOX_FULL']))
  })

  test("calls beyond a sender's share wait with their sender, and end with their time", async ({ agent }) => {
    const busy = agent({ name: 'busy', agentOptions: { concurrency: 2, inbox: { maxMessages: 3 } } })
    busy.handle(() => never)
    const sender = agent()
    const calls = Array.from({ length: 5 }, () => sender.call('busy', 1))
    const [one, other] = [sender.call('busy', 1, { timeoutMs: 50 }), sender.call('busy', 1, { timeoutMs: 50 })]
    expect([codeOf(await one), codeOf(await other)]).toEqual(['INBOX_FULL', 'INBOX_FULL'])
    // Another sender finds the room that is left for others.
    const third = agent().call('busy', 1)
    await turn()
    busy.close()
    const codes = (await Promise.all([...calls, third])).map((result) => codeOf(result))
    expect(codes).toEqual(Array.from({ length: 6 }, () => 'AGENT_CLOSED'))
  })
})
