import { describe, expect } from 'vitest'
import { test, turn } from './helpers/bus.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const COUNT = 10_000
const numbers = Array.from({ length: COUNT }, (_, n) => n)

describe('ten thousand calls at once', () => {
  test('to one agent with room for them: each has its own answer', async ({ agent }) => {
    const caller = agent()
    const callee = agent({ name: 'callee', agentOptions: { inbox: { maxMessages: COUNT } } })
    callee.handle(({ payload }) => ({ got: payload }))
    const answers = await Promise.all(numbers.map((n) => caller.call<{ got: number }>('callee', n)))
    expect(answers.map((answer) => valueOf(answer).got)).toEqual(numbers)
  })

  test('to one agent whose handler takes its time', async ({ agent }) => {
    const caller = agent()
    const callee = agent({ name: 'callee', agentOptions: { inbox: { maxMessages: COUNT } } })
    let [running, most] = [0, 0]
    callee.handle(async ({ payload }) => {
      most = Math.max(most, ++running)
      await turn()
      running--
      return payload
    })
    const answers = await Promise.all(numbers.map((n) => caller.call('callee', n)))
    expect(answers.map((answer) => valueOf(answer))).toEqual(numbers)
    expect(most).toBe(64)
  })

  test('between a hundred agents, with nothing configured', async ({ agent }) => {
    const agents = Array.from({ length: 100 }, () => agent())
    for (const one of agents) one.handle(({ payload, from }) => [payload, from])
    const calls = numbers.map((n) => {
      const [caller, callee] = [agents[n % 100]!, agents[(n * 7 + 1 + (n % 3)) % 100]!]
      if (caller === callee) return Promise.resolve({ ok: true as const, value: [n, caller.getDID()] })
      return caller.call(callee.getDID(), n)
    })
    const answers = await Promise.all(calls)
    expect(answers.map((answer) => valueOf(answer))).toEqual(numbers.map((n) => [n, agents[n % 100]!.getDID()]))
  })

  test('to one agent that has not the room: each is answered or told INBOX_FULL, and all goes on', async ({
    agent,
  }) => {
    const [caller, callee] = [agent(), agent('callee')]
    let handled = 0
    let open!: () => void
    const full = new Promise<void>((resolve) => (open = resolve))
    callee.handle(async () => {
      await full
      return ++handled
    })
    const codes = await Promise.all(
      numbers.map(async (n) => {
        const code = codeOf(await caller.call('callee', n))
        if (code === 'INBOX_FULL') open()
        return code
      }),
    )
    expect(new Set(codes)).toEqual(new Set(['ok', 'INBOX_FULL']))
    expect(codes.filter((code) => code === 'ok')).toHaveLength(handled)
    expect(handled).toBeGreaterThanOrEqual(64 + 1024)
    expect(valueOf(await caller.call('callee', 'afterwards'))).toBe(handled)
  })

  test('of which half are given up', async ({ agent }) => {
    const caller = agent()
    const callee = agent({ name: 'callee', agentOptions: { inbox: { maxMessages: COUNT } } })
    callee.handle(async ({ payload }) => {
      await turn()
      return payload
    })
    const controller = new AbortController()
    const { signal } = controller
    const calls = numbers.map((n) => caller.call('callee', n, n % 2 ? { signal } : {}))
    await turn()
    controller.abort()
    const answers = await Promise.all(calls)
    for (const [n, answer] of answers.entries()) {
      if (answer.ok) expect(answer.value).toBe(n)
      else expect([n % 2, answer.error.code]).toEqual([1, 'ABORTED'])
    }
    expect(valueOf(await caller.call('callee', 'afterwards'))).toBe('afterwards')
  })
})

test('the event loop has its turn in between', async ({ agent }) => {
  const caller = agent()
  const callee = agent({ name: 'callee', agentOptions: { inbox: { maxMessages: COUNT } } })
  callee.handle(({ payload }) => payload)
  let turns = 0
  let over = false
  const count = (): void => {
    turns++
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  const answers = await Promise.all(numbers.map((n) => caller.call('callee', n)))
  over = true
  expect(answers.every(({ ok }) => ok)).toBe(true)
  expect(turns).toBeGreaterThan(2)
})
