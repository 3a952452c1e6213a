// A handler in the config: nobody calls before the agent can answer.
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { expect } from 'vitest'
import { test } from './helpers/bus.ts'
import { node } from './helpers/child.ts'
import { codeOf, valueOf } from './helpers/result.ts'

test('answers a call that comes at once', async ({ agent }) => {
  const caller = agent()
  agent({ name: 'callee', handler: ({ payload }) => [payload] })
  expect(valueOf(await caller.call('callee', 1))).toEqual([1])
})

test('of an imported identity: no call goes to the inbox while it is imported', async ({ agent, bus }) => {
  const caller = agent()
  const file = valueOf(Identity.generate().toPKCS8({ passphrase: 'p' }))
  const config = { passphrase: 'p', name: 'callee', agentOptions: { bus }, handler: () => 'answer' }
  let made: AutoGenxBindAgent | undefined
  const imported = AutoGenxBindAgent.fromIdentity(file, config).then((result) => (made = valueOf(result)))
  let answer = await caller.call('callee', 1)
  while (codeOf(answer) === 'AGENT_NOT_FOUND') {
    await new Promise((resolve) => setTimeout(resolve, 1))
    answer = await caller.call('callee', 1)
  }
  expect(valueOf(answer)).toBe('answer')
  await imported
  expect(valueOf(await made!.receive())).toEqual([])
})

test('of an agent whose key shows itself late', async ({ agent }) => {
  const caller = agent()
  const key = Identity.generate()
  let show!: () => void
  const shown = new Promise<void>((resolve) => (show = resolve))
  const sign = async (data: Uint8Array): Promise<Uint8Array> => (await shown, key.dangerouslySign(data))
  const callee = agent({ name: 'late', identityProvider: { getDID: () => key.did, sign }, handler: () => 'answer' })
  const calls = ['late', key.did].map((to) => caller.call(to, 1))
  show()
  for (const call of calls) expect(valueOf(await call)).toBe('answer')
  expect(valueOf(await callee.receive())).toEqual([])
})

test('of an agent that a worker thread calls while it is made', { timeout: 120_000 }, async () => {
  const { code, stdout, stderr } = await node(`
    import { Worker } from 'node:worker_threads'
    import { once } from 'node:events'
    import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
    const bus = MessageBus.shared('first')
    const program = \`
      const { parentPort } = require('node:worker_threads')
      const { AutoGenxBindAgent, MessageBus } = require('@private.me/autogen')
      const caller = new AutoGenxBindAgent({ agentOptions: { bus: MessageBus.shared('first') } })
      const answers = {}
      const ask = async () => {
        for (let n = 0; n < 100; ) {
          const answer = await caller.call('callee-' + n, 1)
          const what = answer.ok ? JSON.stringify(answer.value) : answer.error.code
          if (what === '"AGENT_NOT_FOUND"' || what === 'AGENT_NOT_FOUND') { await new Promise(setImmediate); continue }
          answers[what] = (answers[what] ?? 0) + 1
          n += 1
        }
        parentPort.postMessage(answers)
        caller.close()
      }
      parentPort.postMessage('ready')
      ask()
    \`
    const worker = new Worker(program, { eval: true, execArgv: [] })
    await once(worker, 'message')
    const answered = once(worker, 'message')
    const agents = []
    for (let n = 0; n < 100; n++) {
      agents.push(new AutoGenxBindAgent({ name: 'callee-' + n, agentOptions: { bus }, handler: () => 'answer' }))
      await new Promise(setImmediate)
    }
    const [answers] = await answered
    console.log(JSON.stringify(answers))
    for (const agent of agents) agent.close()
  `)
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '{"\\"answer\\"":100}\n', stderr: '' })
})

test('is taken away and replaced like any other', async ({ agent }) => {
  const caller = agent()
  const callee = agent({ name: 'callee', handler: () => 'first' })
  callee.handle(() => 'second', { allow: [Identity.generate().did] })
  expect(codeOf(await caller.call('callee', 1))).toBe('NOT_ALLOWED')
  callee.handle(null)
  expect(valueOf(await caller.call('callee', 1))).toMatchObject({ status: 'delivered' })
})

test('a policy set in the same turn judges whoever came before', async ({ agent }) => {
  const caller = agent()
  const handler = () => 'answer'
  const call = (callee: AutoGenxBindAgent) => [callee, caller.call(callee.getDID(), 1)] as const
  const [callee, answer] = call(agent({ handler }))
  callee.handle(handler, { allow: [] })
  expect(codeOf(await answer)).toBe('NOT_ALLOWED')
})

test('a config that is refused leaves nobody on the bus', () => {
  const bus = new MessageBus()
  const make = () => new AutoGenxBindAgent({ handler: 'no function' as never, agentOptions: { bus } })
  expect(make).toThrow(TypeError)
  expect(bus.agents()).toEqual([])
})
