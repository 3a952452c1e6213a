// Calls that end early: timeouts, abort signals, agents that close.
import { describe, expect, vi } from 'vitest'
import { gate, never, test, turn } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

/** Resolves when the signal aborts. */
const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

describe('a timeout', () => {
  test('ends the call, and tells the handler', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const told = gate<boolean>()
    callee.handle(async ({ signal }) => {
      await aborted(signal)
      told.open(signal.aborted)
    })
    const error = errorOf(await caller.call('callee', 1, { timeoutMs: 20 }))
    expect([error.code, error.retryable]).toEqual(['TIMEOUT', true])
    expect(error.message).toContain(callee.getDID())
    expect(error.messageId).toMatch(/^[\w-]{22}$/)
    expect(await told.promise).toBe(true)
  })

  test('of the agent holds for all its calls and sends, and a call may have another', async ({ agent }) => {
    const caller = agent({ agentOptions: { timeoutMs: 20 } })
    const callee = agent('callee')
    const open = gate<string>()
    callee.handle(() => open.promise)
    const patient = caller.call('callee', 1, { timeoutMs: 60_000 })
    expect(codeOf(await caller.call('callee', 1))).toBe('TIMEOUT')
    open.open('late')
    expect(valueOf(await patient)).toBe('late')
  })

  test('an answer that comes too late changes nothing', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const late = gate<string>()
    callee.handle(({ payload }) => (payload === 'late' ? late.promise : payload))
    expect(codeOf(await caller.call('callee', 'late', { timeoutMs: 5 }))).toBe('TIMEOUT')
    const next = caller.call('callee', 'next')
    late.open('too late')
    expect(valueOf(await next)).toBe('next')
    await turn()
    expect(valueOf(await caller.receive())).toEqual([])
  })

  test('runs on the real clock, whatever a test framework does to the timers', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(({ payload }) => (payload === 'stuck' ? never : payload))
    vi.useFakeTimers()
    try {
      const calls = [
        caller.call('callee', 1),
        caller.call('callee', 'stuck', { timeoutMs: 20 }),
        callee.receive({ waitMs: 5 }),
      ]
      expect((await Promise.all(calls)).map((result) => codeOf(result))).toEqual(['ok', 'TIMEOUT', 'ok'])
    } finally {
      vi.useRealTimers()
    }
  })

  test('holds for a call that is made when the time of an earlier one is up', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(({ payload }) => (payload === 'stuck' ? never : payload))
    await turn()
    expect(codeOf(await caller.call('callee', 1, { timeoutMs: 2000 }))).toBe('ok')
    const busyUntil = performance.now() + 2010
    while (performance.now() < busyUntil);
    expect(codeOf(await caller.call('callee', 'stuck', { timeoutMs: 50 }))).toBe('TIMEOUT')
  })

  test('is not waited for by calls that were given up, the last of many included', async ({ agent }) => {
    const [caller, callee] = [agent(), agent({ name: 'callee', agentOptions: { inbox: { maxMessages: 5000 } } })]
    callee.handle(({ payload }) => (payload === 'stuck' ? never : payload))
    const abort = new AbortController()
    const calls = Array.from({ length: 3000 }, () => caller.call('callee', 'stuck', { signal: abort.signal }))
    await turn()
    abort.abort()
    expect(new Set((await Promise.all(calls)).map((result) => codeOf(result)))).toEqual(new Set(['ABORTED']))
    const next = agent('next')
    next.handle(({ payload }) => payload)
    expect(valueOf(await caller.call('next', 'on'))).toBe('on')
  })

  test('many end in the order of their deadlines', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => never)
    const ended: number[] = []
    const calls = [90, 30, 60].map(async (timeoutMs) => {
      expect(codeOf(await caller.call('callee', 1, { timeoutMs }))).toBe('TIMEOUT')
      ended.push(timeoutMs)
    })
    await Promise.all(calls)
    expect(ended).toEqual([30, 60, 90])
  })

  test('outside its bounds is INVALID_CONFIG, of another type a TypeError', async ({ agent }) => {
    const [caller] = [agent(), agent('callee')]
    for (const timeoutMs of [0, -1, Number.NaN, Infinity, 2 ** 31]) {
      expect(codeOf(await caller.call('callee', 1, { timeoutMs })), String(timeoutMs)).toBe('INVALID_CONFIG')
      expect(() => agent({ agentOptions: { timeoutMs } })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
    }
    for (const timeoutMs of ['5', null, 5n, {}]) {
      await expect(caller.call('callee', 1, { timeoutMs: timeoutMs as never })).rejects.toThrow(TypeError)
    }
    expect(codeOf(await caller.call('callee', 1, { timeoutMs: 2 ** 31 - 1 }))).toBe('ok')
  })
})

describe('an abort signal', () => {
  test('ends the call at once, and aborts the signal of the handler', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const [started, told] = [gate(), gate<unknown>()]
    callee.handle(async ({ signal }) => {
      started.open()
      await aborted(signal)
      told.open(signal.reason)
    })
    const controller = new AbortController()
    const call = caller.call('callee', 1, { signal: controller.signal })
    await started.promise
    controller.abort(new Error('a reason of my own'))
    expect(codeOf(await call)).toBe('ABORTED')
    expect(await told.promise).toMatchObject({ code: 'ABORTED' })
  })

  test('already aborted: nothing is sent', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => expect.unreachable())
    const signal = AbortSignal.abort()
    expect(codeOf(await caller.call('callee', 1, { signal }))).toBe('ABORTED')
    expect(codeOf(await caller.send('callee', 1, { signal }))).toBe('ABORTED')
    await turn()
    expect(valueOf(await callee.receive())).toEqual([])
  })

  test('aborted in the same turn: nothing is sent', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const controller = new AbortController()
    const calls = [
      caller.call('callee', 1, { signal: controller.signal }),
      caller.send('callee', 1, { signal: controller.signal }),
    ]
    controller.abort()
    expect((await Promise.all(calls)).map((result) => codeOf(result))).toEqual(['ABORTED', 'ABORTED'])
    await turn()
    expect(valueOf(await callee.receive())).toEqual([])
  })

  test('aborted afterwards changes nothing, and nothing keeps listening to it', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => 'done')
    const controller = new AbortController()
    let listeners = 0
    const { signal } = controller
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args))
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args))
    for (let i = 0; i < 50; i++) expect(valueOf(await caller.call('callee', 1, { signal }))).toBe('done')
    expect(listeners).toBe(0)
    controller.abort()
    expect(valueOf(await caller.call('callee', 1))).toBe('done')
  })

  test('AbortSignal.timeout and AbortSignal.any do as well', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => never)
    expect(codeOf(await caller.call('callee', 1, { signal: AbortSignal.timeout(10) }))).toBe('ABORTED')
    const controller = new AbortController()
    const signal = AbortSignal.any([controller.signal, new AbortController().signal])
    const call = caller.call('callee', 1, { signal })
    controller.abort()
    expect(codeOf(await call)).toBe('ABORTED')
  })

  test('that is none rejects with a TypeError', async ({ agent }) => {
    const [caller] = [agent(), agent('callee')]
    for (const signal of [5, 'signal', {}, null, new AbortController()]) {
      await expect(caller.call('callee', 1, { signal: signal as never })).rejects.toThrow(TypeError)
      await expect(caller.send('callee', 1, { signal: signal as never })).rejects.toThrow(TypeError)
      await expect(caller.receive({ signal: signal as never })).rejects.toThrow(TypeError)
    }
  })

  test("a handler's signal does not abort when it has answered", async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const signals: AbortSignal[] = []
    callee.handle(({ signal }) => void signals.push(signal))
    expect(codeOf(await caller.call('callee', 1))).toBe('ok')
    await turn()
    expect(signals.map(({ aborted: is }) => is)).toEqual([false])
  })
})

describe('closing', () => {
  test('the caller: its pending calls end, and their handlers are told', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const [started, told] = [gate(), gate()]
    callee.handle(async ({ signal }) => {
      started.open()
      await aborted(signal)
      told.open()
    })
    const call = caller.call('callee', 1)
    await started.promise
    caller.close()
    expect(codeOf(await call)).toBe('AGENT_CLOSED')
    await told.promise
    expect(codeOf(await caller.call('callee', 1))).toBe('AGENT_CLOSED')
    expect(codeOf(await caller.send('callee', 1))).toBe('AGENT_CLOSED')
  })

  test('the recipient in the middle of a call: the caller learns it at once', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const [started, told] = [gate(), gate()]
    callee.handle(async ({ signal }) => {
      started.open()
      await aborted(signal)
      told.open()
      return 'nobody hears this'
    })
    const call = caller.call('callee', 1)
    await started.promise
    callee.close()
    const error = errorOf(await call)
    expect(error.code).toBe('AGENT_CLOSED')
    await told.promise
    expect(codeOf(await caller.call('callee', 1))).toBe('AGENT_NOT_FOUND')
  })

  test('the recipient from within its own handler', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => {
      callee.close()
      return 'gone'
    })
    expect(codeOf(await caller.call('callee', 1))).toBe('AGENT_CLOSED')
  })

  test('in the turn of the call: it ends, one way or the other', async ({ agent }) => {
    const [caller, callee, other] = [agent(), agent('callee'), agent()]
    callee.handle(() => 'done')
    const calls = [caller.call('callee', 1), other.call('callee', 1), caller.send('callee', 1)]
    callee.close()
    caller.close()
    expect((await Promise.all(calls)).map((result) => codeOf(result))).toEqual(
      Array.from({ length: 3 }, () => 'AGENT_CLOSED'),
    )
  })

  test('in the turn of the call, to one that has been called before', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => 'done')
    expect(valueOf(await caller.call('callee', 1))).toBe('done')
    const calls = [caller.call('callee', 1), caller.send('callee', 1)]
    callee.close()
    expect((await Promise.all(calls)).map((result) => codeOf(result))).toEqual(['AGENT_CLOSED', 'AGENT_CLOSED'])
  })

  test('is idempotent, and dispose is the same', async ({ agent, bus }) => {
    const one = agent('one')
    one.close()
    one.close()
    one[Symbol.dispose]()
    expect(bus.agents()).toEqual([])
    {
      using two = agent('two')
      expect(bus.agents().map(({ name }) => name)).toEqual([two.name])
    }
    expect(bus.agents()).toEqual([])
  })

  test('wipes the key: nothing more is signed or exported', async ({ agent }) => {
    const one = agent('one')
    const did = one.getDID()
    one.close()
    expect(codeOf(await one.exportIdentity())).toBe('AGENT_CLOSED')
    expect(codeOf(await one.exportIdentity({ passphrase: 'p' }))).toBe('AGENT_CLOSED')
    expect(() => one.handle(() => 1)).toThrow(expect.objectContaining({ code: 'AGENT_CLOSED' }))
    expect([one.getDID(), one.name]).toEqual([did, 'one'])
  })
})
