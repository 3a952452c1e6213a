// A store that replicas share: where it is mounted again, has gone, or is broken.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Worker } from 'node:worker_threads'
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { serveAgents, type ServeOptions, type WindowStore } from '@private.me/autogen/http'
import { describe, expect, test, vi } from 'vitest'
import { codeOf, errorOf, valueOf } from './helpers/result'
import { agent, listening, open, served } from './helpers/serving'

function memory(): WindowStore {
  const [claimed, agreed] = [new Set<string>(), new Map<string, string>()]
  return {
    claim: (key) => !claimed.has(key) && claimed.add(key).has(key),
    agree: (key, value) => agreed.get(key) ?? (agreed.set(key, value), value),
  }
}

describe('a store', () => {
  const behind = (store: WindowStore, options: ServeOptions = {}) => {
    const callee = agent()
    callee.handle(({ payload }) => payload)
    return { callee, mount: () => serveAgents([callee], { ...options, window: store }) }
  }

  test('is mounted again on the same bus, after the first server has closed', async () => {
    const store = memory()
    const { callee, mount } = behind(store)
    for (let n = 0; n < 3; n++) {
      const server = createServer(mount())
      const place = { did: callee.getDID(), url: `http://127.0.0.1:${await listening(server)}/` }
      expect(valueOf(await agent().call(place, n))).toBe(n)
      server.closeAllConnections()
      server.close()
    }
    expect(() => serveAgents([callee], { window: memory() })).toThrow(/share their replay windows already/)
  })

  test('that was away while the session was asked for leaves the session as it is', async () => {
    const [store, away] = [memory(), new Error('the store is away')]
    let isAway = true
    const asked = <T>(answer: () => T): T => {
      if (isAway) throw away
      return answer()
    }
    const { callee, mount } = behind(
      {
        claim: (key, until) => asked(() => store.claim(key, until)),
        agree: (name, fresh) => asked(() => store.agree(name, fresh)),
      },
      { onError: (error) => expect(error).toBe(away) },
    )
    const [place, caller] = [{ did: callee.getDID(), url: await served(mount()) }, agent()]
    for (const silent of [true, false, true, false]) {
      isAway = silent
      const calls = Array.from({ length: 20 }, (_, n) => caller.call(place, n, { idempotent: n % 2 === 0 }))
      for (const [n, ended] of (await Promise.all(calls)).entries()) {
        if (silent) expect(errorOf(ended)).toMatchObject({ code: 'REPLAY_WINDOW_FULL', retryable: true })
        else expect(valueOf(ended)).toBe(n)
      }
    }
  })

  test('that is mounted once more by whoever hears of its failure tells each of them once', async () => {
    const callee = agent()
    const window = { claim: () => Promise.reject(new Error('away')), agree: memory().agree }
    let heard = 0
    const again = (): void => {
      heard += 1
      serveAgents([callee], { window, onError: () => again() })
    }
    const url = await served(serveAgents([callee], { window, onError: again }))
    expect(codeOf(await agent().call({ did: callee.getDID(), url }, 1))).toBe('REPLAY_WINDOW_FULL')
    expect(heard).toBe(1)
  })

  test('is the same on two handles of one shared bus', async () => {
    const [store, name] = [memory(), `shared-${process.pid}-store`]
    const [bus, again] = [MessageBus.shared(name), MessageBus.shared(name)]
    serveAgents(bus, { window: store })
    expect(() => serveAgents(again, { window: store })).not.toThrow()
    expect(() => serveAgents(again, { window: memory() })).toThrow(/already/)
  })

  test('that was mounted in a thread that has ended leaves refusals, and room for another one', async () => {
    const name = `shared-${process.pid}-thread`
    const bus = MessageBus.shared(name)
    const callee = new AutoGenxBindAgent({ agentOptions: { bus } })
    open.push(() => callee.close())
    callee.handle(({ payload }) => payload)
    const program = `
      const { parentPort, workerData } = require('node:worker_threads')
      const { MessageBus } = require('@private.me/autogen')
      const { serveAgents } = require('@private.me/autogen/http')
      let [agreed, asked] = [undefined, 0]
      serveAgents(MessageBus.shared(workerData), {
        window: {
          claim: () => (asked++ === 0 ? true : (parentPort.postMessage('asked'), new Promise(() => undefined))),
          agree: (_, value) => (agreed ??= value),
        },
      })
      parentPort.postMessage('mounted')
      setInterval(() => undefined, 1000)`
    const worker = new Worker(program, { eval: true, execArgv: [], workerData: name })
    await once(worker, 'message')
    const place = { did: callee.getDID(), url: await served(serveAgents(bus)) }
    expect(valueOf(await agent().call(place, 1))).toBe(1)
    const asked = once(worker, 'message')
    const pending = agent().call(place, 2)
    await asked
    await worker.terminate()
    for (const ended of [await pending, await agent().call(place, 3)]) {
      expect(codeOf(ended)).toBe('REPLAY_WINDOW_FULL')
    }
    const store = memory()
    expect(() => serveAgents(bus, { window: store })).not.toThrow()
    expect(valueOf(await agent().call(place, 4))).toBe(4)
  })

  test('makes it unknown, of what is refused before it is asked, whether another replica ran it', async () => {
    for (const [window, handled] of [
      [undefined, 'no'],
      [memory(), 'unknown'],
    ] as const) {
      const callee = new AutoGenxBindAgent({ agentOptions: { bus: new MessageBus(), inbox: { maxMessages: 1 } } })
      open.push(() => callee.close())
      callee.handle('never', () => 1, { allow: [agent().getDID()] })
      const url = await served(serveAgents([callee], window && { window }))
      const [place, caller] = [{ did: callee.getDID(), url }, agent()]
      const refused = errorOf(await caller.call(place, 1, { method: 'never' }))
      expect([refused.code, refused.handled]).toEqual(['NOT_ALLOWED', handled])
      expect(refused.message.includes('another process with its key may have begun')).toBe(window !== undefined)
      const sent = await Promise.all(Array.from({ length: 4 }, (_, n) => caller.send(place, n)))
      const full = sent.filter(({ ok }) => !ok).map((one) => errorOf(one))
      expect(full.map(({ code }) => code)).toContain('INBOX_FULL')
    }
  })

  test('that is broken is told of where it is mounted', async () => {
    const errors: unknown[] = []
    const broken = { ...memory(), claim: () => Promise.reject(new Error('down')) }
    const { callee, mount } = behind(broken, { onError: (error) => errors.push(error) })
    const error = errorOf(await agent().call({ did: callee.getDID(), url: await served(mount()) }, 1))
    expect([error.code, error.handled]).toEqual(['REPLAY_WINDOW_FULL', 'unknown'])
    expect(error.hint).not.toMatch(/again in a few seconds/)
    expect(String(errors[0])).toContain('down')

    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    open.push(() => warned.mockRestore())
    // The last is of no 16 bytes, and so no session.
    for (const [at, said] of [7, null, '', 'x', 'x'.repeat(22)].entries()) {
      const quiet = behind({ ...memory(), agree: () => said as never })
      const place = { did: quiet.callee.getDID(), url: await served(quiet.mount()) }
      expect(codeOf(await agent().call(place, 1))).toBe('REPLAY_WINDOW_FULL')
      expect(warned.mock.calls.length, String(said)).toBeGreaterThan(at)
      expect(String(warned.mock.lastCall?.[0])).toContain('window.agree')
    }
  })

  test('that is broken is told of at each mount, and once where both name the same', async () => {
    const [one, other]: [unknown[], unknown[]] = [[], []]
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    open.push(() => warned.mockRestore())
    const callee = agent()
    callee.handle(({ payload }) => payload)
    const window = { ...memory(), claim: () => Promise.reject(new Error('down')) }
    const tell = (error: unknown) => one.push(error)
    const mounts = [undefined, tell, (error: unknown) => other.push(error), tell, undefined]
    for (const onError of mounts) {
      const url = await served(serveAgents([callee], { window, ...(onError && { onError }) }))
      expect(codeOf(await agent().call({ did: callee.getDID(), url }, 1))).toBe('REPLAY_WINDOW_FULL')
    }
    expect([one.length, other.length]).toEqual([4, 3])
    expect(warned.mock.calls.filter(([said]) => String(said).includes('down'))).toHaveLength(5)
  })

  test('that agrees upon something else each time is told of where it is mounted', async () => {
    const errors: unknown[] = []
    const forgets = { ...memory(), agree: (_: string, value: string) => value }
    const { callee, mount } = behind(forgets, { onError: (error) => errors.push(error) })
    const ended = await agent().call({ did: callee.getDID(), url: await served(mount()) }, 1)
    expect(ended.ok).toBe(false)
    expect(String(errors[0])).toContain('another value than before')
  })
})
