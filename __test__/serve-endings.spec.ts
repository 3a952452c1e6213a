// What a caller knows when an agent has gone, and when connections close under its calls.
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { serveAgents } from '@private.me/autogen/http'
import { createServer, type Server } from 'node:http'
import { describe, expect, test } from 'vitest'
import { errorOf, valueOf } from './helpers/result'
import { agent, listening, served } from './helpers/serving'

function echoing(): AutoGenxBindAgent {
  const callee = agent()
  callee.handle(({ payload }) => payload)
  return callee
}

describe('an agent that is still mounted', () => {
  test('and has closed can sign nothing: a call may have come to it, unless it waited for the session', async () => {
    const callee = echoing()
    const [place, caller] = [{ did: callee.getDID(), url: await served(serveAgents([callee])) }, agent()]
    expect(valueOf(await caller.call(place, 1))).toBe(1)
    callee.close()
    for (const [from, handled] of [
      [caller, 'unknown'],
      [agent(), 'no'],
    ] as const) {
      const ended = errorOf(await from.call(place, 2))
      expect([ended.code, ended.handled]).toEqual(['AGENT_CLOSED', handled])
    }
  })

  test('and closes lets its calls end, and signs that nothing of others was begun', async () => {
    const callee = agent()
    let finish = (): void => undefined
    const wait = new Promise<void>((resolve) => (finish = resolve))
    const begun = new Promise<void>((begin) => {
      callee.handle(async ({ payload }) => {
        begin()
        await wait
        return payload
      })
    })
    const [place, caller] = [{ did: callee.getDID(), url: await served(serveAgents([callee])) }, agent()]
    const first = caller.call(place, 1)
    await begun
    const closed = callee.close({ drainMs: 10_000 })
    const late = errorOf(await caller.call(place, 2))
    expect([late.code, late.handled]).toEqual(['AGENT_CLOSED', 'no'])
    expect(late.message).toMatch(/nothing of the call was begun/)
    finish()
    expect(valueOf(await first)).toBe(1)
    await closed
  })
})

test(
  'where a server closes idle connections under load, what each call says of its run is true',
  { timeout: 60_000 },
  async () => {
    const [callee, runs] = [agent(), new Map<unknown, number>()]
    callee.handle(({ payload }) => {
      runs.set(payload, (runs.get(payload) ?? 0) + 1)
      return payload
    })
    const server: Server = createServer(serveAgents([callee]))
    const place = { did: callee.getDID(), url: `http://127.0.0.1:${await listening(server)}/` }
    let requests = 0
    server.on('request', (_, response) => {
      requests += 1
      // Just when its client takes it for idle, and the next request is on its way.
      response.on('finish', () => (requests % 3 === 0 ? setImmediate(() => server.closeIdleConnections()) : undefined))
      if (requests % 7 === 0) server.closeIdleConnections()
    })
    const bus = new MessageBus()
    const callers = [agent(bus), agent(bus), agent(), agent()]
    const ends = new Map<string, string>()
    const lanes = Array.from({ length: 32 }, async (_, lane) => {
      for (let n = 0; n < 60; n++) {
        const ended = await callers[lane % callers.length]!.call(place, `${lane} ${n}`)
        ends.set(`${lane} ${n}`, ended.ok ? 'ok' : `${ended.error.code} ${ended.error.handled}`)
        if ((n + lane) % 5 === 0) await new Promise((resolve) => setTimeout(resolve, lane % 4))
      }
    })
    await Promise.all(lanes)
    // A request on its way to a connection that closes just then is lost, and nobody can know more than that. None is stale.
    const mayRun: Record<string, number[]> = {
      ok: [1],
      'AGENT_NOT_FOUND no': [0], // the question for the session was lost each time
      'AGENT_CLOSED no': [0],
      'AGENT_CLOSED unknown': [0, 1],
    }
    expect([...ends].filter(([call, end]) => !mayRun[end]?.includes(runs.get(call) ?? 0))).toEqual([])
    expect(ends.size).toBe(32 * 60)
    expect([...ends.values()].filter((end) => end === 'ok').length).toBeGreaterThan(16 * 60)
  },
)

test(
  'a question for the session that gets no answer is put again, though nothing else happens in the process',
  { timeout: 60_000 },
  async () => {
    const callee = echoing()
    const answering = serveAgents([callee])
    let requests = 0
    const server: Server = createServer((request, response) => {
      requests += 1
      if (requests > 1) answering(request, response)
      else response.writeHead(200, { 'content-type': 'application/vnd.xbind.messages' }).flushHeaders()
    })
    const place = { did: callee.getDID(), url: `http://127.0.0.1:${await listening(server)}/` }
    expect(valueOf(await agent().call(place, 1, { timeoutMs: 50_000 }))).toBe(1)
    server.closeAllConnections()
  },
)

test(
  'who is busy gets through to a server that ends each connection after its response',
  { timeout: 60_000 },
  async () => {
    const [callee, runs] = [agent(), [] as unknown[]]
    callee.handle(({ payload }) => (runs.push(payload), payload))
    const mounted = serveAgents([callee])
    let requests = 0
    const url = await served((request, response) => {
      requests += 1
      response.setHeader('connection', 'close')
      mounted(request, response)
    })
    const [place, caller] = [{ did: callee.getDID(), url }, agent()]
    let isBusy = true
    const work = (): void => {
      const end = performance.now() + 30
      while (performance.now() < end);
      if (isBusy) setImmediate(work)
    }
    work()
    for (let n = 0; n < 5; n++) {
      expect(valueOf(await caller.call(place, n))).toBe(n)
      expect(requests).toBeLessThanOrEqual(2 * (n + 1)) // a question and the call
    }
    const together = await Promise.all(Array.from({ length: 20 }, (_, n) => caller.call(place, 5 + n)))
    isBusy = false
    expect(together.map(valueOf)).toEqual(together.map((_, n) => 5 + n))
    expect(runs).toEqual(Array.from({ length: 25 }, (_, n) => n))
  },
)

describe('a question for the session that is lost with its connection', () => {
  const losing = async (lost: number, status?: number) => {
    const [callee, seen] = [agent(), { requests: 0, runs: 0 }]
    callee.handle(({ payload }) => ((seen.runs += 1), payload))
    const answering = serveAgents([callee])
    const url = await served((request, response) => {
      seen.requests += 1
      if (seen.requests > lost) return answering(request, response)
      if (status === undefined) return void request.socket.destroy()
      return void response.writeHead(status).end()
    })
    return { place: { did: callee.getDID(), url }, seen }
  }

  test.each([true, false])('is put again, idempotent or not: %s', async (idempotent) => {
    const { place, seen } = await losing(3)
    expect(valueOf(await agent().call(place, 1, { idempotent }))).toBe(1)
    expect(seen.runs).toBe(1)
  })

  test('a few times; then the call has not begun, and may be made again', async () => {
    const { place, seen } = await losing(100)
    const ended = errorOf(await agent().call(place, 1, { idempotent: true }))
    expect([ended.code, ended.handled, ended.retryable]).toEqual(['AGENT_NOT_FOUND', 'no', true])
    expect(seen).toEqual({ requests: 4, runs: 0 })
  })

  test('is not put again where the server answers for itself', async () => {
    const { place, seen } = await losing(100, 503)
    const ended = errorOf(await agent().call(place, 1))
    expect([ended.code, ended.handled]).toEqual(['AGENT_NOT_FOUND', 'no'])
    expect(seen.requests).toBe(1)
  })
})
