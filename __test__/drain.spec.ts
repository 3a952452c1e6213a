// close({ drainMs }) and `await using`: nothing new comes in, what runs may end, what is left is aborted.
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { describe, expect } from 'vitest'
import { gate, never, test, turn } from './helpers/bus.ts'
import { node } from './helpers/child.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const LONG = { drainMs: 60_000 }

describe('while it drains', () => {
  test('a handler that runs ends, and its answer goes out', async ({ agent }) => {
    const { promise, open } = gate<string>()
    const caller = agent()
    const callee = agent({ name: 'callee', handler: () => promise })
    const call = caller.call('callee', 1)
    await turn()
    const closed = callee.close(LONG)
    await turn()
    open('late')
    expect(valueOf(await call)).toBe('late')
    await closed
    expect(codeOf(await callee.call('x', 1))).toBe('AGENT_CLOSED')
  })

  test('nothing new comes in: callers get AGENT_CLOSED, also those that waited', async ({ agent }) => {
    const { promise, open } = gate<string>()
    const caller = agent()
    const callee = agent({ name: 'callee', handler: () => promise, agentOptions: { concurrency: 1 } })
    const running = caller.call('callee', 1)
    const waiting = caller.call('callee', 2)
    await turn()
    const closed = callee.close(LONG)
    const late = [caller.call('callee', 3), caller.call(callee.getDID(), 4), caller.send('callee', 5)]
    for (const call of [waiting, ...late]) expect(codeOf(await call)).toBe('AGENT_CLOSED')
    open('answer')
    expect(valueOf(await running)).toBe('answer')
    await closed
    expect(codeOf(await caller.call('callee', 6))).toBe('AGENT_NOT_FOUND')
  })

  test('handlers may call others, several at once, and be called back by those', async ({ agent }) => {
    const { promise, open } = gate()
    const caller = agent()
    for (const name of ['left', 'right']) agent({ name, handler: ({ payload }) => `${name} ${String(payload)}` })
    const callee = agent({ name: 'callee' })
    callee.handle(async () => {
      await promise
      const answers = await Promise.all(['left', 'right'].map((name) => callee.call(name, 1)))
      await callee.send('caller-inbox', 'from the handler')
      return answers.map(valueOf)
    })
    const inbox = agent('caller-inbox')
    const call = caller.call('callee', 1)
    await turn()
    const closed = callee.close(LONG)
    open()
    expect(valueOf(await call)).toEqual(['left 1', 'right 1'])
    await closed
    expect(valueOf(await inbox.receive()).map(({ payload }) => payload)).toEqual(['from the handler'])
  })

  test('a call that waits for its approval still gets its answer', async ({ agent }) => {
    const { approvals } = await import('@private.me/autogen')
    const { promise, open } = gate<boolean>()
    const operator = agent('operator')
    operator.handle(approvals(operator, () => promise))
    const callee = agent('callee').handle(() => 'approved', { approval: { by: operator.getDID() } })
    const call = agent().call('callee', 1)
    await turn()
    await turn()
    const closed = callee.close(LONG)
    open(true)
    expect(valueOf(await call)).toBe('approved')
    await closed
  })

  test('handle() throws AGENT_CLOSED, with and without a handler', async ({ agent }) => {
    const { promise, open } = gate()
    const callee = agent({ name: 'callee', handler: () => promise })
    const call = agent().call('callee', 1)
    await turn()
    const closed = callee.close(LONG)
    for (const handler of [() => 1, null]) {
      const failed = expect.objectContaining({ code: 'AGENT_CLOSED', message: 'this agent is closing' })
      expect(() => callee.handle(handler)).toThrow(failed)
    }
    open()
    expect(codeOf(await call)).toBe('ok')
    await closed
  })

  test('messages in the inbox can be taken, and receive() ends with the agent', async ({ agent }) => {
    const { promise, open } = gate()
    const caller = agent()
    const callee = agent({ name: 'callee', handler: () => promise })
    const call = caller.call('callee', 1)
    await caller.send('callee', 'before')
    const closed = callee.close(LONG)
    expect(valueOf(await callee.receive()).map(({ payload }) => payload)).toEqual(['before'])
    const waiting = callee.receive({ waitMs: 60_000 })
    open()
    expect([codeOf(await call), codeOf(await waiting)]).toEqual(['ok', 'AGENT_CLOSED'])
    await closed
  })

  test('signatures of an identity provider are waited for', async ({ agent }) => {
    const key = Identity.generate()
    const { promise, open } = gate()
    const asked: Uint8Array[] = []
    const sign = async (data: Uint8Array): Promise<Uint8Array> => {
      if (asked.push(data) > 1) await promise
      return key.dangerouslySign(data)
    }
    const callee = agent({ identityProvider: { getDID: () => key.did, sign }, handler: () => 'answer' })
    const call = agent().call(key.did, 1)
    while (asked.length < 2) await turn()
    let over = false
    const closed = callee.close(LONG).then(() => (over = true))
    await turn()
    expect(over).toBe(false)
    open()
    expect(valueOf(await call)).toBe('answer')
    await closed
  })
})

describe('when the time is over', () => {
  test('what is left is aborted', async ({ agent }) => {
    let signal!: AbortSignal
    const callee = agent({ name: 'callee' })
    callee.handle((call) => ((signal = call.signal), never))
    const [call, own] = [agent().call('callee', 1), callee.call('silent', 1)]
    agent({ name: 'silent', handler: () => never })
    const pending = callee.call('silent', 1)
    await turn()
    await callee.close({ drainMs: 1 })
    expect([codeOf(await call), codeOf(await own), codeOf(await pending)]).toEqual([
      'AGENT_CLOSED',
      'AGENT_NOT_FOUND',
      'AGENT_CLOSED',
    ])
    expect(signal.aborted).toBe(true)
  })

  test('0 gives no time', async ({ agent }) => {
    const callee = agent({ name: 'callee', handler: () => never })
    const call = agent().call('callee', 1)
    await turn()
    await callee.close({ drainMs: 0 })
    expect(codeOf(await call)).toBe('AGENT_CLOSED')
  })

  test.for([
    ['close()', (callee: AutoGenxBindAgent) => callee.close()],
    ['less time', (callee: AutoGenxBindAgent) => callee.close({ drainMs: 1 })],
    ['a closed bus', (_: AutoGenxBindAgent, bus: MessageBus) => bus.close()],
  ] as const)('may come earlier: %s', async ([, close], { agent, bus }) => {
    const callee = agent({ name: 'callee', handler: () => never })
    const call = agent().call('callee', 1)
    await turn()
    const closed = [callee.close(LONG), callee.close(LONG)]
    await close(callee, bus)
    await Promise.all(closed)
    expect(codeOf(await call)).toBe('AGENT_CLOSED')
  })

  test('more time does not put it off', async ({ agent }) => {
    const callee = agent({ name: 'callee', handler: () => never })
    void agent().call('callee', 1)
    await turn()
    const first = callee.close({ drainMs: 20 })
    await Promise.all([first, callee.close(LONG)])
  })

  test('a handler that closes its own agent and waits for it is aborted as well', async ({ agent }) => {
    const callee = agent({ name: 'callee' })
    callee.handle(async () => callee.close({ drainMs: 20 }))
    expect(codeOf(await agent().call('callee', 1))).toBe('AGENT_CLOSED')
  })
})

describe('options', () => {
  test('others than drainMs are refused, and then nothing is closed', async ({ agent }) => {
    const callee = agent({ name: 'callee', handler: () => 'answer' })
    for (const wrong of [
      null,
      false,
      true,
      0,
      1,
      '',
      'x',
      Number.NaN,
      [],
      {},
      { drainMS: 5 },
      { drainMs: '5' },
      () => 1,
      5n,
    ]) {
      await expect(callee.close(wrong as never)).rejects.toThrow(TypeError)
    }
    for (const value of [null, undefined, '5', {}, 5n, true]) {
      await expect(callee.close({ drainMs: value as never })).rejects.toThrow('drainMs must be a number')
    }
    await expect(callee.close({ drainMs: 5, other: 1 } as never)).rejects.toThrow('close() has no option other')
    for (const drainMs of [-1, Number.NaN, Infinity, 1.5, 2 ** 31]) {
      const refused = expect.objectContaining({ code: 'INVALID_CONFIG' })
      await expect(callee.close({ drainMs })).rejects.toEqual(refused)
    }
    expect(valueOf(await agent().call('callee', 1))).toBe('answer')
  })

  test('a closed agent has nothing to drain', async ({ agent }) => {
    const callee = agent()
    callee.close()
    await callee.close(LONG)
    await callee[Symbol.asyncDispose]()
    await expect(callee.close(null as never)).rejects.toThrow(TypeError)
  })
})

test('await using lets handlers end', async ({ agent }) => {
  const { promise, open } = gate<string>()
  let call
  const caller = agent()
  {
    await using callee = agent({ name: 'callee', handler: () => promise })
    call = caller.call(callee.getDID(), 1)
    await turn()
    setTimeout(() => open('in time'), 5)
  }
  expect(valueOf(await call)).toBe('in time')
})

test('the process stays until it is done, and ends then', async () => {
  const program = (drain: string): string => `
    import { AutoGenxBindAgent } from '@private.me/autogen'
    const callee = new AutoGenxBindAgent({ name: 'callee', handler: () => new Promise((resolve) => setTimeout(resolve, 50, 'answer').unref()) })
    const caller = new AutoGenxBindAgent({ name: 'caller' })
    const call = caller.call('callee', 1)
    await new Promise(setImmediate)
    await callee.close({ drainMs: ${drain} })
    console.log(JSON.stringify(await call))
    caller.close()`
  const { code, stdout, stderr } = await node(program('2 ** 31 - 1'))
  expect([code, stdout, stderr]).toEqual([0, '{"ok":true,"value":"answer"}\n', ''])
})
