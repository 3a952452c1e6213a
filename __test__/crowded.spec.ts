// Who finds room at an agent, and who is told that there is none.
import { expect } from 'vitest'
import { gate, never, test, turn } from './helpers/bus.ts'
import { codeOf, valueOf } from './helpers/result.ts'

test('a sender that floods leaves room for others, and its own calls wait with it', async ({ agent }) => {
  const callee = agent({ name: 'callee', agentOptions: { concurrency: 1, inbox: { maxMessages: 6 } } })
  callee.handle(() => never)
  const [flood, other] = [agent(), agent()]
  const flooding = Array.from({ length: 5000 }, () => flood.call('callee', 1))
  await turn()
  const call = other.call('callee', 1)
  await turn()
  callee.close()
  expect(codeOf(await call)).toBe('AGENT_CLOSED')
  expect(new Set((await Promise.all(flooding)).map((result) => codeOf(result)))).toEqual(new Set(['AGENT_CLOSED']))
})

test('whoever waits behind a sender with a full share is told of room', async ({ agent }) => {
  const callee = agent({ name: 'callee', agentOptions: { concurrency: 1, inbox: { maxMessages: 6 } } })
  const { promise, open } = gate()
  callee.handle(() => promise)
  const [flood, other, late] = [agent(), agent(), agent()]
  const calls = [other.call('callee', 'first')]
  await turn()
  const controller = new AbortController()
  const given = other.call('callee', 'given up', { signal: controller.signal })
  calls.push(other.call('callee', 'second'))
  await turn()
  for (let n = 0; n < 20; n++) calls.push(flood.call('callee', n))
  await turn()
  const call = late.call('callee', 'late', { timeoutMs: 200 })
  await turn()
  controller.abort()
  expect([codeOf(await given), codeOf(await call)]).toEqual(['ABORTED', 'TIMEOUT']) // INBOX_FULL, had it not got there
  open()
  expect(new Set((await Promise.all(calls)).map((result) => codeOf(result)))).toEqual(new Set(['ok']))
})

test('a program that asks for more than its outbox holds is told', async ({ agent }) => {
  const callee = agent({ name: 'callee', agentOptions: { concurrency: 1, inbox: { maxMessages: 1 } } })
  callee.handle(() => never)
  const caller = agent()
  const calls = Array.from({ length: 66_000 }, () => caller.call('callee', 1))
  const refused = await Promise.race(calls.slice(65_600).map(async (call) => codeOf(await call)))
  expect(refused).toBe('INBOX_FULL')
  callee.close()
  const codes = (await Promise.all(calls)).map((result) => codeOf(result))
  expect(codes.filter((code) => code === 'INBOX_FULL').length).toBeLessThan(500)
})

test('calls that many later ones outrun are answered, each with its own answer', async ({ agent }) => {
  const callee = agent({ name: 'callee', agentOptions: { concurrency: 2000 } })
  const { promise, open } = gate()
  callee.handle(({ payload }) => ((payload as number) < 0 ? promise.then(() => payload) : payload))
  const caller = agent()
  const controller = new AbortController()
  const given = caller.call('callee', -1000, { signal: controller.signal })
  const slow = Array.from({ length: 100 }, (_, n) => caller.call('callee', -1 - n))
  const answers = async (from: number, count: number): Promise<unknown[]> =>
    await Promise.all(Array.from({ length: count }, async (_, n) => valueOf(await caller.call('callee', from + n))))
  for (const [from, count] of [
    ...Array.from({ length: 20 }, (_, n) => [n * 64, 64]),
    [5000, 900],
    [0, 1500],
  ] as const) {
    expect(await answers(from, count)).toEqual(Array.from({ length: count }, (_, n) => from + n))
  }
  controller.abort()
  expect(codeOf(await given)).toBe('ABORTED')
  open()
  const late = (await Promise.all(slow)).map((result) => valueOf(result))
  expect(late).toEqual(Array.from({ length: 100 }, (_, n) => -1 - n))
})
