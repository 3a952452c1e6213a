// Servers that take little, or behave badly, and what their callers are told of it.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcp } from 'node:net'
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { serveAgents } from '@private.me/autogen/http'
import { describe, expect, test } from 'vitest'
import { codeOf, errorOf, valueOf } from './helpers/result'
import { agent, listening, open, served } from './helpers/serving'

describe('a small bound', () => {
  test('makes callers send less at a time, and nothing runs twice', async () => {
    const callee = agent()
    const handled: unknown[] = []
    callee.handle(({ payload }) => (handled.push(payload), payload))
    const sizes: number[] = []
    const mounted = serveAgents([callee], { maxBodyBytes: 8192 })
    const url = await served((request, response) => {
      sizes.push(Number(request.headers['content-length'] ?? 0))
      mounted(request, response)
    })
    const place = { did: callee.getDID(), url }
    const caller = agent()
    const payloads = Array.from({ length: 300 }, (_, n) => `${n} ${'x'.repeat(n * 7)}`)
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all(payloads.map((payload) => caller.call(place, payload)))
      expect(answers.map(valueOf)).toEqual(payloads)
    }
    expect(handled).toHaveLength(600)
    expect(sizes.slice(-50).every((size) => size <= 8192)).toBe(true) // it has learned
    const large = await Promise.all([caller.call(place, 'y'.repeat(9000)), caller.call(place, 'z')])
    expect(errorOf(large[0])).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', handled: 'unknown' })
    expect(errorOf(large[0]).message).toMatch(/takes no request of \d+ bytes/)
    expect(valueOf(large[1])).toBe('z')
    expect(codeOf(await caller.call(place, 'y'.repeat(9000), { idempotent: true }))).toBe('PAYLOAD_TOO_LARGE')
    expect(handled).toHaveLength(601)
  })

  test('of something in front is met in the same way, also by those that wait for slow ones', async () => {
    const callee = agent()
    let free = (): void => undefined
    const wait = new Promise<void>((resolve) => (free = resolve))
    callee.handle('slow', async () => wait)
    callee.handle(({ payload }) => payload)
    const mounted = serveAgents([callee])
    const url = await served((request, response) => {
      if (Number(request.headers['content-length'] ?? 0) <= 3000) return mounted(request, response)
      response.writeHead(413, { connection: 'close' }).end('<html>')
      return undefined
    })
    const [place, caller] = [{ did: callee.getDID(), url }, agent()]
    const slow = Array.from({ length: 20 }, () => caller.call(place, null, { method: 'slow' }))
    const quick = await Promise.all(Array.from({ length: 100 }, (_, n) => caller.call(place, n)))
    expect(quick.map(valueOf)).toEqual(quick.map((_, n) => n))
    free()
    for (const answer of await Promise.all(slow)) expect(answer.ok).toBe(true)
  })
})

test(
  'a server that never ends its responses to what says no more than cancel holds no connection for long',
  { timeout: 60_000 },
  async () => {
    const callee = agent()
    callee.handle(() => new Promise(() => undefined))
    const mounted = serveAgents([callee])
    const words = new Set<ServerResponse>()
    let calls = 0
    const url = await served((request: IncomingMessage, response) => {
      if (calls < 2) {
        calls += 1 // the question for the session, and the calls
        return mounted(request, response)
      }
      words.add(response)
      response.on('close', () => words.delete(response))
      request.resume()
      response.writeHead(200, { 'content-type': 'application/vnd.xbind.messages' }).flushHeaders()
      const drip = setInterval(() => response.write(''), 100)
      open.push(() => clearInterval(drip))
      return undefined
    })
    const [place, caller] = [{ did: callee.getDID(), url }, agent()]
    const aborts = Array.from({ length: 6 }, () => new AbortController())
    const given = aborts.map(({ signal }) => caller.call(place, 1, { signal }))
    await expect.poll(() => calls).toBe(2)
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (const abort of aborts) {
      abort.abort()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await Promise.all(given)
    await expect.poll(() => words.size, { timeout: 5000 }).toBeGreaterThan(0)
    await expect.poll(() => words.size, { timeout: 30_000, interval: 200 }).toBe(0)
  },
)

test('a server that begins no response keeps no request that nobody waits for', { timeout: 40_000 }, async () => {
  const callee = agent()
  callee.handle(({ payload }) => payload)
  const mounted = serveAgents([callee])
  const kept = new Set<ServerResponse>()
  let [hangs, most] = [false, 0]
  const url = await served((request, response) => {
    if (!hangs) return mounted(request, response)
    kept.add(response)
    most = Math.max(most, kept.size)
    request.resume()
    response.on('close', () => kept.delete(response))
    return undefined
  })
  const [place, caller] = [{ did: callee.getDID(), url }, agent()]
  expect(valueOf(await caller.call(place, 0))).toBe(0)
  hangs = true
  // One after the other, so that each has a request of its own, up to as many as there may be.
  const given = Array.from({ length: 160 }, async (_, n) => {
    await new Promise((resolve) => setTimeout(resolve, n * 3))
    return caller.call(place, n, { timeoutMs: 1500 })
  })
  expect(new Set((await Promise.all(given)).map(codeOf))).toEqual(new Set(['TIMEOUT']))
  expect(most).toBeGreaterThan(10)
  hangs = false
  expect(valueOf(await caller.call(place, 'again', { timeoutMs: 10_000 }))).toBe('again')
  await expect.poll(() => kept.size, { timeout: 15_000, interval: 100 }).toBe(0) // words about them too
})

test('the session is asked for once by all who wait for it together', async () => {
  const callee = agent()
  callee.handle(({ payload }) => payload)
  const mounted = serveAgents([callee])
  let questions = 0
  const url = await served((request, response) => {
    const emit = request.emit.bind(request)
    request.emit = ((name: string, ...rest: unknown[]) => {
      if (name === 'data') questions += namesQuestions(rest[0] as Buffer)
      return emit(name, ...rest)
    }) as typeof request.emit
    mounted(request, response)
  })
  const bus = new MessageBus()
  const place = { did: callee.getDID(), url }
  const callers = Array.from({ length: 5 }, () => agent(bus))
  const answers = await Promise.all(callers.flatMap((caller) => [1, 2, 3].map((n) => caller.call(place, n))))
  answers.forEach(valueOf)
  expect(questions).toBe(1)
})

/** How many messages of a body ask for a session. */
function namesQuestions(body: Buffer): number {
  let [at, found] = [0, 0]
  while (at < body.length) {
    const [jws, length, token] = [body.readUInt16BE(at + 1), body.readUInt32BE(at + 3), body.readUInt32BE(at + 7)]
    const text = body.subarray(at + 67, at + 67 + jws).toString()
    const claims = Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()
    found += Number(claims.includes('xbind.session'))
    at += 67 + jws + length + Math.max(0, token - 1)
  }
  return found
}

describe('what went wrong is said', () => {
  const cases: [string, () => Promise<string>, string, RegExp][] = [
    ['nobody listens', async () => 'http://127.0.0.1:1/agents', 'AGENT_NOT_FOUND', /cannot be reached/],
    ['another path', () => served((_, response) => response.writeHead(404).end()), 'AGENT_NOT_FOUND', /answered 404/],
    ['a redirect', () => served((_, response) => response.writeHead(302).end()), 'AGENT_NOT_FOUND', /answered 302/],
    [
      'no agents',
      () => served((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>')),
      'AGENT_NOT_FOUND',
      /another media type/,
    ],
    [
      'TLS where there is none',
      async () => (await served(serveAgents([agent()]))).replace('http:', 'https:').replace('127.0.0.1', 'localhost'),
      'AGENT_NOT_FOUND',
      /TLS/,
    ],
    [
      'no HTTP',
      async () =>
        `http://127.0.0.1:${await listening(createTcp((socket) => socket.on('error', () => 0).end('220 mail\r\n')))}/`,
      'AGENT_',
      /at 127\.0\.0\.1/,
    ],
  ]
  test.each(cases)('%s', async (_, url, code, said) => {
    const [to, did] = [await url(), agent().getDID()]
    for (const place of [to, { did, url: to }]) {
      const error = errorOf(await agent().call(place, 1))
      expect(error.code).toMatch(code)
      expect(error.message).toMatch(said)
      expect(error.hint).not.toMatch(/on the same bus/)
    }
  })

  test('of a proxy', async () => {
    const http = { proxy: { url: 'http://127.0.0.1:1' } }
    const url = await served(serveAgents([agent()]))
    const error = errorOf(await agent(undefined, http).call({ did: agent().getDID(), url }, 1))
    expect([error.code, error.message]).toEqual(['AGENT_NOT_FOUND', expect.stringContaining('proxy')])
  })

  test('of addresses that cannot be called', async () => {
    const did = agent().getDID()
    for (const url of ['http://example.com/a', 'https://u:p@a.example/', 'ftp://a.example/', 'https://']) {
      const ended = await agent()
        .call({ did, url }, 1)
        .catch((error: unknown) => error)
      expect(String((ended as { error?: unknown }).error ?? ended), url).not.toContain('could not be found out')
    }
  })
})

test('idle connections are so many in all, however many addresses there are', { timeout: 60_000 }, async () => {
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'application/vnd.xbind.messages', 'content-length': '0' }).end()
  })
  server.keepAliveTimeout = 0 // it closes none
  const [port, did] = [await listening(server), agent().getDID()]
  const callers = [agent(), agent()]
  const connections = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
  for (let n = 0; n < 1400; n += 100) {
    const called = Array.from({ length: 100 }, (_, m) =>
      callers[m % 2]!.call({ did, url: `http://127.0.0.1:${port}/${n + m}` }, 1),
    )
    // Nobody says a session there; what is said of that is the same by whatever it comes.
    for (const error of (await Promise.all(called)).map((ended) => errorOf(ended))) {
      expect([error.code, error.handled]).toEqual(['AGENT_CLOSED', 'no'])
      expect(error.message).toMatch(/without the session that a call has to name/)
    }
  }
  await expect.poll(connections, { timeout: 20_000 }).toBe(1024)
  callers.forEach((caller) => caller.close())
})

test('who calls one agent by many addresses is told its session at each', async () => {
  const callee = agent()
  callee.handle(({ payload }) => payload)
  const [url, caller] = [await served(serveAgents([callee])), agent()]
  const called = Array.from({ length: 300 }, (_, n) => caller.call({ did: callee.getDID(), url: `${url}/${n}` }, n))
  expect((await Promise.all(called)).map(valueOf)).toEqual(called.map((_, n) => n))
})

describe('who is listed', () => {
  test('may be called: not who was stopped or has closed', async () => {
    const bus = new MessageBus()
    const agents = [agent(bus), agent(bus), agent(bus)]
    const [one, stopped, closed] = agents as [AutoGenxBindAgent, AutoGenxBindAgent, AutoGenxBindAgent]
    for (const mounted of [serveAgents(bus), serveAgents(agents)]) {
      const url = await served(mounted)
      const listed = async () => ((await (await fetch(url)).json()) as { agents: string[] }).agents
      valueOf(bus.stop(stopped.getDID()))
      closed.close()
      expect(await listed()).toEqual([one.getDID()])
    }
  })
})

describe('by URL alone', () => {
  const named = (bus: MessageBus, name: string) => {
    const made = agent(bus)
    made.handle(() => name)
    return made
  }

  test('whoever took the place of an agent that has gone is called next', { timeout: 30_000 }, async () => {
    const bus = new MessageBus()
    const [old, url] = [named(bus, 'old'), await served(serveAgents(bus))]
    const [caller, busy] = [agent(), agent()]
    for (const one of [caller, busy]) expect(valueOf(await one.call(url, 1))).toBe('old')
    old.close()
    named(bus, 'new')
    for (const one of [caller, busy]) {
      expect(codeOf(await one.call(url, 1))).toMatch(/^AGENT_/)
      await expect.poll(async () => (await one.call(url, 1)).ok, { timeout: 10_000, interval: 300 }).toBe(true)
      expect(valueOf(await one.call(url, 1))).toBe('new')
    }
  })

  test('the one that is left of several is called', { timeout: 30_000 }, async () => {
    const bus = new MessageBus()
    const [, two, url] = [named(bus, 'one'), named(bus, 'two'), await served(serveAgents(bus))]
    const caller = agent()
    expect((await caller.call(url, 1)).ok).toBe(false)
    two.close()
    await expect.poll(async () => (await caller.call(url, 1)).ok, { timeout: 10_000, interval: 300 }).toBe(true)
  })
})

test('paths that no request has are refused', () => {
  for (const path of ['/a?b', '/a#b', 'a', '', '/?', '#']) {
    expect(() => serveAgents([agent()], { path }), path).toThrow(/path must begin with '\/'/)
  }
})
