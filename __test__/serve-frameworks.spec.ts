// Agents mounted in each framework, over real sockets: the same answers, streams included, and nobody else reads their bodies.
import { serve } from '@hono/node-server'
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { serveAgents as inExpress } from '@private.me/autogen/express'
import { serveAgents as inFastify } from '@private.me/autogen/fastify'
import { serveAgents as inHono } from '@private.me/autogen/hono'
import { serveAgents } from '@private.me/autogen/http'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { codeOf, valueOf } from './helpers/result'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

interface Here {
  url: string
  /** What the framework was told of a body that was read before. */
  errors: unknown[]
}
/** `before`: something reads every body before the agents get it; twice: they are mounted behind themselves. */
type Start = (agents: AutoGenxBindAgent[], before: boolean, twice: boolean) => Promise<Here>

async function listening(server: Server): Promise<string> {
  if (!server.listening) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  open.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const frameworks: Record<string, Start> = {
  'node:http': async (agents, before, twice) => {
    const errors: unknown[] = []
    const warned = (error: unknown): void => void errors.push(error)
    process.on('warning', warned)
    open.push(() => process.off('warning', warned))
    const mounted = serveAgents(agents, { path: '/agents' })
    const server = createServer(async (request, response) => {
      if (before) await text(request)
      mounted(request, response)
      if (twice) mounted(request, response)
    })
    return { url: `${await listening(server)}/agents`, errors }
  },

  express: async (agents, before, twice) => {
    const errors: unknown[] = []
    const app = express().set('env', 'test')
    if (before) app.use(express.raw({ type: () => true }))
    app.use(express.json(), express.urlencoded(), express.text())
    const mounted = inExpress(agents)
    app.use('/api/agents', mounted)
    if (twice) app.use('/twice', (request, response, next) => (mounted(request, response, next), next()), mounted)
    const handler: express.ErrorRequestHandler = (error, _, response, next) => {
      errors.push(error)
      if (response.headersSent) return
      response.status(500).end()
      void next
    }
    app.use(handler)
    return { url: `${await listening(createServer(app))}/${twice ? 'twice' : 'api/agents'}`, errors }
  },

  fastify: async (agents, before, twice) => {
    const errors: unknown[] = []
    const app = fastify({ bodyLimit: 1000 })
    app.setErrorHandler(async (error, _, reply) => {
      errors.push(error)
      return reply.code(500).send()
    })
    if (before) {
      app.addHook('preParsing', async (request, _, payload) => {
        await text(payload as Readable)
        return request.raw
      })
    }
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
    await app.register(inFastify, { agents, prefix: '/agents' })
    if (twice) {
      app.addHook('onResponse', async () => {})
      await app.register(inFastify, { agents, prefix: '/again' })
    }
    await app.ready()
    await app.listen({ port: 0, host: '127.0.0.1' })
    open.push(() => app.close())
    return { url: `${await listening(app.server)}/${twice ? 'again' : 'agents'}`, errors }
  },

  hono: async (agents, before, twice) => {
    const errors: unknown[] = []
    const app = new Hono()
    app.onError((error, c) => {
      errors.push(error)
      return c.body(null, 500)
    })
    const mounted = inHono(agents)
    app.use(async (c, next) => {
      c.header('x-before', '1')
      if (before) await c.req.arrayBuffer()
      await next()
      c.header('x-after', '1')
    })
    if (twice) app.use('/agents', mounted)
    app.all('/agents', mounted)
    const server = await new Promise<Server>((resolve) => {
      const made = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(made as Server))
    })
    return { url: `${await listening(server)}/agents`, errors }
  },
}

function agent(): AutoGenxBindAgent {
  const made = new AutoGenxBindAgent({
    agentOptions: { bus: new MessageBus(), timeoutMs: 20_000, maxPayloadBytes: 8 << 20 },
  })
  open.push(() => made.close())
  return made
}

describe.each(Object.keys(frameworks))('%s', (framework) => {
  const begin = async (before = false, twice = false) => {
    const callee = agent()
    const here = await frameworks[framework]!([callee], before, twice)
    return { callee, caller: agent(), place: { did: callee.getDID(), url: here.url }, ...here }
  }

  test('calls, streams both long and slow, bodies of megabytes, and who is there', async () => {
    const { callee, caller, place, url, errors } = await begin()
    callee.handle(({ payload, from }) => ({ length: (payload as string).length, from }))
    callee.handle('count', async function* ({ payload }) {
      for (let n = 0; n < (payload as number); n++) yield n
    })
    let go = (): void => undefined
    callee.handle('slowly', async function* () {
      yield 'first'
      await new Promise<void>((resolve) => (go = resolve))
      yield 'second'
    })
    expect(valueOf(await caller.call(url, 'abc'))).toEqual({ length: 3, from: caller.getDID() })
    expect(valueOf(await caller.call(place, 'x'.repeat(3 << 20)))).toMatchObject({ length: 3 << 20 })
    const numbers: number[] = []
    for await (const n of caller.stream<number>(place, 2000, { method: 'count' })) numbers.push(n)
    expect(numbers).toEqual(Array.from({ length: 2000 }, (_, n) => n))
    const parts = caller.stream<string>(place, null, { method: 'slowly' })
    expect((await parts.next()).value).toBe('first') // before there is a second one
    go()
    expect((await parts.next()).value).toBe('second')
    expect((await parts.result).ok).toBe(true)
    const many = await Promise.all(Array.from({ length: 200 }, (_, n) => caller.call(place, 'y'.repeat(n))))
    expect(many.map((answer) => (valueOf(answer) as { length: number }).length)).toEqual(many.map((_, n) => n))
    expect(errors).toEqual([])
  })

  test('who gives up is heard of', async () => {
    const { callee, caller, place } = await begin()
    let aborted = 0
    let isBegun = (): void => undefined
    const begun = new Promise<void>((resolve) => (isBegun = resolve))
    callee.handle(({ signal }) => {
      signal.addEventListener('abort', () => (aborted += 1))
      isBegun()
      return new Promise(() => undefined)
    })
    const abort = new AbortController()
    const call = caller.call(place, 1, { signal: abort.signal })
    await begun
    abort.abort()
    expect(codeOf(await call)).toBe('ABORTED')
    await expect.poll(() => aborted, { timeout: 20_000 }).toBe(1)
  })

  test('what is no request with messages is refused', async () => {
    const { url, errors } = await begin()
    const status = async (init: RequestInit): Promise<number> => (await fetch(url, init)).status
    expect(await status({ method: 'PUT', body: 'x' })).toBe(405)
    expect(await status({ method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })).toBe(415)
    expect(errors).toEqual([])
    const head = await fetch(url)
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'application/json'])
  })

  test('a body that was read before is an error that says what to do', async () => {
    const { callee, caller, place, errors } = await begin(true)
    callee.handle(() => 1)
    expect((await caller.call(place, 1)).ok).toBe(false)
    await expect.poll(() => errors.length, { timeout: 20_000 }).toBeGreaterThan(0)
    expect(errors[0]).toBeInstanceOf(TypeError)
    expect(String(errors[0])).toContain('serveAgents() goes before body parsers')
  })

  test('mounted twice on one path, it answers once', async () => {
    const { callee, caller, place } = await begin(false, true)
    let runs = 0
    callee.handle(() => (runs += 1))
    expect(valueOf(await caller.call(place, 1))).toBe(1)
    expect([runs, (await caller.call(place, 1)).ok, runs]).toEqual([1, true, 2])
  })

  test('options that are none are refused', async () => {
    const mount = (options: object, agents: unknown = [agent()]): unknown => {
      if (framework === 'express') return inExpress(agents as never, options)
      if (framework === 'hono') return inHono(agents as never, options)
      if (framework === 'node:http') return serveAgents(agents as never, options)
      return fastify().register(inFastify, { agents, ...options } as never)
    }
    const refused = async (options: object, agents?: unknown): Promise<unknown> => {
      try {
        await mount(options, agents)
        return undefined
      } catch (error) {
        return error
      }
    }
    for (const maxBodyBytes of [null, 0, -1, NaN, '1', false, 1.5, 8191, 2 ** 31]) {
      expect(await refused({ maxBodyBytes }), String(maxBodyBytes)).toBeInstanceOf(Error)
    }
    expect(await refused({ maxBodyByte: 1 })).toBeInstanceOf(Error)
    expect(await refused({ onError: 7 })).toBeInstanceOf(TypeError)
    const one = agent()
    // eslint-disable-next-line no-sparse-arrays
    for (const agents of [[], null, 7, {}, [null], ['did:key:z'], [one, , one], [, one]]) {
      expect(await refused({}, agents), JSON.stringify(agents)).toBeInstanceOf(TypeError)
    }
    expect(await refused({ maxBodyBytes: 8192 })).toBeUndefined()
    expect(await refused({}, [one, one])).toBeUndefined()
  })
})

describe('a body that something in front of Hono has looked at', () => {
  const behind = async (before: (app: Hono) => unknown) => {
    const errors: unknown[] = []
    const callee = agent()
    callee.handle(({ payload }) => (payload as string).length)
    const app = new Hono()
    app.onError((error, c) => {
      errors.push(error)
      return c.body(null, 500)
    })
    before(app)
    app.all('/agents', inHono([callee]))
    const server = await new Promise<Server>((resolve) => {
      const made = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(made as Server))
    })
    return { place: { did: callee.getDID(), url: `${await listening(server)}/agents` }, errors }
  }
  const large = 'x'.repeat(1 << 20)

  test.each<[string, (app: Hono) => unknown]>([
    ['bodyLimit', (app) => app.use(bodyLimit({ maxSize: 8 << 20 }))],
    ['who looks at it', (app) => app.use((c, next) => (void c.req.raw.body, next()))],
    ['who looks at it later', (app) => app.use(async (c, next) => (await new Promise(setImmediate), void c.req.raw.body, await next()))], // prettier-ignore
    [
      'who puts another request in its place',
      (app) =>
        app.use(async (c, next) => {
          c.req.raw = new Request(c.req.raw, { method: 'POST', body: c.req.raw.body, duplex: 'half' })
          await next()
        }),
    ],
  ])('%s', async (_, before) => {
    const { place, errors } = await behind(before)
    const caller = agent()
    const answers = await Promise.all([1, 2, 3].map(() => caller.call(place, large)))
    expect(answers.map(valueOf)).toEqual([1 << 20, 1 << 20, 1 << 20])
    expect(valueOf(await caller.call(place, 'abc'))).toBe(3)
    expect(errors).toEqual([])
  })

  test('is refused where it was read, at once', async () => {
    const { place, errors } = await behind((app) =>
      app.use(async (c, next) => {
        for await (const piece of c.req.raw.body ?? []) void piece
        await next()
      }),
    )
    expect((await agent().call(place, large)).ok).toBe(false)
    expect(String(errors[0])).toContain('serveAgents() goes before body parsers')
  })
})

test('hono without node:http says what to run it with', async () => {
  const app = new Hono().all('/agents', inHono([agent()]))
  let thrown: unknown
  app.onError((error, c) => {
    thrown = error
    return c.body(null, 500)
  })
  await app.request('/agents', { method: 'POST' })
  expect(String(thrown)).toContain('@hono/node-server')
})
