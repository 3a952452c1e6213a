import { describe, expect } from 'vitest'
import { test } from './helpers/bus.ts'
import { codeOf, valueOf } from './helpers/result.ts'

// Short text crosses into the addon and back together with that of other calls, long text and bytes by themselves.
const KIB = 1 << 10
const pieces: unknown[] = [
  1,
  'ascii',
  'Grüße, 你好, 👋',
  '\u0000\u007f\u0080',
  'a'.repeat(15 * KIB),
  'é'.repeat(15 * KIB),
  '語'.repeat(20 * KIB),
  'b'.repeat(40 * KIB),
  'c'.repeat(300 * KIB),
  new Uint8Array([0, 128, 255]),
  new Uint8Array(3 * KIB).fill(7),
  { nested: ['👋', null, { long: 'd'.repeat(20 * KIB) }] },
  '',
]
const mixed = Array.from({ length: 6 }, (_, round) => pieces.map((_, i) => pieces[(i * (round + 1)) % pieces.length]))

describe('payloads of all sizes and scripts, in one turn', () => {
  test('arrive as they were sent, in their order', async ({ agent }) => {
    const sender = agent()
    const recipient = agent({ name: 'recipient', agentOptions: { inbox: { maxBytes: 64 * KIB * KIB } } })
    const sent = mixed.flat()
    const receipts = await Promise.all(sent.map((payload) => sender.send('recipient', payload)))
    expect(new Set(receipts.map((receipt) => codeOf(receipt)))).toEqual(new Set(['ok']))
    expect(valueOf(await recipient.receive()).map(({ payload }) => payload)).toEqual(sent)
  })

  test('are answered as they were asked', async ({ agent }) => {
    const [caller, echo] = [agent(), agent('echo')]
    const senders = new Set<string>()
    echo.handle(({ payload, from }) => {
      senders.add(from)
      return payload
    })
    const asked = mixed.flat()
    const answers = await Promise.all(asked.map((payload) => caller.call('echo', payload)))
    expect(answers.map((answer) => valueOf(answer))).toEqual(asked)
    expect([...senders]).toEqual([caller.getDID()])
  })

  test('also where more of them wait than cross at once', async ({ agent }) => {
    const callers = Array.from({ length: 40 }, () => agent())
    const echo = agent({ name: 'echo', agentOptions: { inbox: { maxMessages: 1e6, maxBytes: 1e9 } } })
    echo.handle(({ payload, from }) => ({ payload, from }))
    const answers = await Promise.all(
      callers.flatMap((caller, i) =>
        Array.from({ length: 200 }, async (_, n) => {
          const payload = { i, n, text: 'ü'.repeat((n * 37) % 900) }
          return [valueOf(await caller.call('echo', payload)), { payload, from: caller.getDID() }]
        }),
      ),
    )
    for (const [answer, expected] of answers) expect(answer).toEqual(expected)
  })
})

test('a call given up in the turn in which it was made takes no other with it', async ({ agent }) => {
  const [caller, echo] = [agent(), agent('echo')]
  echo.handle(({ payload }) => payload)
  const answers = await Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      const abort = new AbortController()
      const answer = caller.call('echo', n, { signal: abort.signal })
      if (n % 3 === 0) abort.abort()
      return answer
    }),
  )
  answers.forEach((answer, n) =>
    expect(n % 3 === 0 ? codeOf(answer) : valueOf(answer)).toBe(n % 3 === 0 ? 'ABORTED' : n),
  )
})
