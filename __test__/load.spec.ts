import { describe, expect } from 'vitest'
import { test, turn } from './helpers/bus.ts'
import { valueOf } from './helpers/result.ts'

const COUNT = 10_000
const numbers = Array.from({ length: COUNT }, (_, n) => n)

describe('ten thousand calls at once', () => {
  test('to one agent with room for them: each has its own answer', async ({ agent }) => {
    const caller = agent()
    const callee = agent({ name: 'callee', agentOptions: { inbox: { maxMessages: COUNT } } })
    callee.handle(({ payload }) => ({ got: payload }))
    const answers = await Promise.all(numbers.map((n) => caller.call('callee', n)))
    expect(answers.map((answer) => valueOf(answer))).toEqual(numbers.map((got) => ({ got })))
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

  test('to one agent with default options: those beyond its room wait, and all are answered', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(async ({ payload }) => {
      await turn()
      return payload
    })
    const answers = await Promise.all(numbers.map((n) => caller.call('callee', n, { timeoutMs: 120_000 })))
    expect(answers.map((answer) => valueOf(answer))).toEqual(numbers)
  })

  test('to one agent from a hundred senders, with default options', async ({ agent }) => {
    const callee = agent('callee')
    callee.handle(({ payload }) => payload)
    const callers = Array.from({ length: 100 }, () => agent())
    const answers = await Promise.all(numbers.map((n) => callers[n % 100]!.call('callee', n, { timeoutMs: 120_000 })))
    expect(answers.map((answer) => valueOf(answer))).toEqual(numbers)
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
