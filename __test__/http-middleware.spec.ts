// What is each framework's own: order of middlewares, mounted routers, rewritten URLs, streams, options.
import { Identity } from '@private.me/autogen'
import { requireAgent as expressAgent } from '@private.me/autogen/express'
import { requireAgent as fastifyAgent } from '@private.me/autogen/fastify'
import { requireAgent as honoAgent } from '@private.me/autogen/hono'
import {
  createFetch,
  RequestVerifier,
  signRequestHeaders,
  verifyResponse,
  type RequestVerifierOptions,
} from '@private.me/autogen/http'
import { serve } from '@hono/node-server'
import express from 'express'
import fastify, { type FastifyInstance } from 'fastify'
import { Hono } from 'hono'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { raw, send, sendRaw, type Answer } from './helpers/http.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const [agent, server] = [Identity.generate(), Identity.generate()]
const json = { 'content-type': 'application/json' }
const text = '{"item":"a lamp"}'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

interface Here {
  port: number
  url: string
  verifier: RequestVerifier
}

/** A server on a port, whose verifier knows its name. */
async function here(make: (verifier: RequestVerifier) => RequestListener | Promise<RequestListener>): Promise<Here> {
  let answer: RequestListener = () => {}
  const made = createServer((request, response) => answer(request, response))
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  const { port } = made.address() as AddressInfo
  const verifier = new RequestVerifier({
    authorities: [`127.0.0.1:${port}`],
    dangerouslyAcceptReplayAfterRestart: true,
  })
  answer = await make(verifier)
  closing.push(() => {
    made.closeAllConnections()
    made.close()
  })
  return { port, url: `http://127.0.0.1:${port}`, verifier }
}

function post(
  at: Here,
  path: string,
  body: string | Uint8Array = text,
  headers: Record<string, string> = json,
): Promise<Answer> {
  const bytes = Buffer.from(body)
  const fields = valueOf(signRequestHeaders(agent, { method: 'POST', url: `${at.url}${path}`, headers, body: bytes }))
  return send(at.port, { method: 'POST', path, headers: { ...headers, ...fields }, body: bytes })
}

const get = (at: Here, path: string, sent = path): Promise<Answer> => {
  const headers = valueOf(signRequestHeaders(agent, { method: 'GET', url: `${at.url}${path}` }))
  return send(at.port, { path: sent, headers })
}

const failing: express.ErrorRequestHandler = (error, _, response, next) => {
  void next
  response.status(500).send((error as Error).message)
}

describe('express', () => {
  const app = (): express.Express => express().set('env', 'test')
  const echo: express.RequestHandler = (request, response) => void response.json(request.body as object)

  test.each<[string, express.RequestHandler]>([
    ['json()', express.json()],
    ['text()', express.text({ type: () => true })],
    ['raw()', express.raw({ type: () => true })],
    ['something that sets request.body', (request, _, next) => next(void (request.body = { item: 'a yacht' }))],
    [
      'something that reads it for itself',
      (request, _, next) => {
        request.on('data', () => {})
        next()
      },
    ],
    ['something that pipes it on', (request, _, next) => next(void request.pipe(new PassThrough()))],
    ['something that reads it as text', (request, _, next) => next(void request.setEncoding('utf8'))],
    [
      'something slow that has read it',
      async (request, _, next) => {
        for await (const chunk of request) void chunk
        next()
      },
    ],
  ])('behind %s no request is let through: that is a mistake, which is told', async (_, parser) => {
    const at = await here((verifier) => app().use(parser, expressAgent(verifier), echo).use(failing))
    const answer = await post(at, '/')
    expect(answer.status).toBe(500)
    expect(answer.text).toMatch(/body/)
  })

  test.each<[string, express.RequestHandler, string | Uint8Array, Record<string, string>, string]>([
    ['json()', express.json(), text, json, text],
    ['compressed', express.json(), gzipSync(text), { ...json, 'content-encoding': 'gzip' }, text],
    ['urlencoded()', express.urlencoded(), 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }, '{"a":"1"}'],
    ['text()', express.text(), 'hello', { 'content-type': 'text/plain' }, '"hello"'],
    ['nothing', express.json(), '', {}, ''],
  ])('a parser behind it reads what was verified: %s', async (_, parser, body, headers, wanted) => {
    const at = await here((verifier) => app().use(expressAgent(verifier), parser, echo))
    expect(await post(at, '/', body, headers)).toMatchObject({ status: 200, text: wanted })
  })

  test('a route reads the stream itself, also one that waits before', async () => {
    const reading: express.RequestHandler = async (request, response) => {
      await new Promise((resolve) => setImmediate(resolve))
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      response.end(Buffer.concat(chunks))
    }
    const at = await here((verifier) => app().use(expressAgent(verifier), reading))
    const large = 'a'.repeat(300_000)
    expect((await post(at, '/', large, {})).text).toBe(large)
    expect((await post(at, '/', '', {})).text).toBe('')
  })

  test('mounted routers, `trust proxy` and rewritten paths change nothing of what is verified', async () => {
    const at = await here((verifier) => {
      const deep = express.Router().post('/orders', express.json(), echo)
      const main = app().enable('trust proxy')
      main.use('/api', express.Router().use('/v1', expressAgent(verifier), deep))
      main.use((request, _, next) => {
        request.url = request.url.replace('/old', '/new')
        next()
      })
      return main.post('/new/:id', expressAgent(verifier), (request, response) => void response.json(request.params))
    })
    expect(await post(at, '/api/v1/orders')).toMatchObject({ status: 200, text })
    expect(await post(at, '/old/7')).toMatchObject({ status: 200, text: '{"id":"7"}' })
    const forwarded = { ...json, 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example' }
    expect((await post(at, '/api/v1/orders', text, forwarded)).status).toBe(200)
    expect((await get(at, '/api/v1/orders', '/orders')).status).toBe(404)
    const fields = valueOf(signRequestHeaders(agent, { method: 'POST', url: `${at.url}/orders` }))
    expect((await send(at.port, { method: 'POST', path: '/api/v1/orders', headers: fields })).status).toBe(401)
  })

  test('a method that something overrides before is not the one that was signed', async () => {
    const at = await here((verifier) => {
      const override: express.RequestHandler = (request, _, next) => {
        request.method = request.get('x-http-method-override') ?? request.method
        next()
      }
      return app().use(override, expressAgent(verifier), (request, response) => void response.send(request.method))
    })
    expect((await post(at, '/', text, { ...json, 'x-http-method-override': 'DELETE' })).status).toBe(401)
    expect((await post(at, '/')).text).toBe('POST')
  })

  test('who was let through stays who he is', async () => {
    const at = await here((verifier) =>
      app().use(expressAgent(verifier), (request, response) => {
        'use strict'
        const { agent } = request
        const tries = [
          () => (request.agent = { did: 'x', scopes: [], chain: [] }),
          () => ((agent as { did: string }).did = 'x'),
          () => (agent.scopes as string[]).push('admin'),
        ]
        const thrown = tries.map((change) => {
          try {
            return change() === undefined
          } catch (error) {
            return (error as Error).name
          }
        })
        response.json([thrown, request.agent.did])
      }),
    )
    expect(JSON.parse((await post(at, '/')).text)).toEqual([['TypeError', 'TypeError', 'TypeError'], agent.did])
  })

  test('answers in pieces, with writeHead, by an error handler, and empty ones are signed whole', async () => {
    const at = await here((verifier) =>
      app()
        .use(expressAgent(verifier, { sign: server }))
        .get('/pieces', (_, response) => {
          response.writeHead(201, 'Made', { 'content-type': 'text/plain', 'x-one': ['1', '2'] })
          response.flushHeaders()
          response.write('one ')
          response.write(Buffer.from('two '), () => response.end('dGhyZWU=', 'base64'))
        })
        .get(
          '/list',
          (_, response) => void response.writeHead(200, ['content-type', 'text/plain', 'x-a', 'b']).end('listed'),
        )
        .get('/file', (_, response) => void Readable.from(['a', 'b']).pipe(response.type('text')))
        .get('/empty', (_, response) => void response.status(204).end())
        .get('/broken', () => {
          throw new Error('no')
        })
        .use(failing),
    )
    const fetching = createFetch(agent, { responder: server.did })
    const answered = async (path: string): Promise<[number, string]> => {
      const answer = await fetching(`${at.url}${path}`)
      return [answer.status, await answer.text()]
    }
    expect(await answered('/pieces')).toEqual([201, 'one two three'])
    expect(await answered('/list')).toEqual([200, 'listed'])
    expect(await answered('/file')).toEqual([200, 'ab'])
    expect(await answered('/empty')).toEqual([204, ''])
    expect(await answered('/broken')).toEqual([500, 'no'])
    expect((await answered('/nowhere'))[0]).toBe(404)
  })

  test('a verifier of its own for a second gate is a mistake where there is a body', async () => {
    const at = await here((verifier) => {
      const other = new RequestVerifier({ authorities: ['other.example'] })
      return app().use(expressAgent(verifier), expressAgent(other), echo).use(failing)
    })
    expect(await post(at, '/')).toMatchObject({ status: 401 })
  })
})

describe('fastify', () => {
  async function made(
    verifier: RequestVerifier,
    options: Omit<Parameters<typeof fastifyAgent>[1], 'verifier'> = {},
    before: (app: FastifyInstance) => unknown = () => {},
    routes: (app: FastifyInstance) => unknown = (app) => app.all('/orders', async ({ body }) => body ?? null),
  ): Promise<RequestListener> {
    const app = fastify({ rewriteUrl: ({ url = '' }) => url.replace(/^\/old/, '') })
    await before(app)
    await app.register(fastifyAgent, { verifier, ...options })
    await routes(app)
    await app.ready()
    closing.push(() => app.close())
    return (request, response) => void app.server.emit('request', request, response)
  }

  test('a URL that is rewritten is verified as it came', async () => {
    const at = await here((verifier) => made(verifier))
    expect(await post(at, '/old/orders')).toMatchObject({ status: 200, text })
    const fields = valueOf(signRequestHeaders(agent, { method: 'GET', url: `${at.url}/orders` }))
    expect((await send(at.port, { path: '/old/orders', headers: fields })).status).toBe(401)
  })

  test('what replaces the body before it is verified is a mistake; what does so afterwards is not', async () => {
    const replace = (app: FastifyInstance): void =>
      void app.addHook('preParsing', async () => Readable.from([Buffer.from(text.replace('lamp', 'ship'))]))
    const before = await here((verifier) => made(verifier, {}, replace))
    expect((await post(before, '/orders')).status).toBe(500)
    const after = await here((verifier) =>
      made(verifier, {}, undefined, (app) => {
        replace(app)
        app.post('/orders', async ({ body }) => body)
      }),
    )
    expect((await post(after, '/orders')).text).toContain('ship')
  })

  test('routes outside of its instance are not guarded, those below are', async () => {
    const at = await here(async (verifier) => {
      const app = fastify()
      app.get('/open', async () => 'open')
      await app.register(async (sub) => {
        await sub.register(fastifyAgent, { verifier })
        await sub.register(async (deep) => void deep.get('/closed', async ({ agent }) => agent.did), {
          prefix: '/deep',
        })
      })
      await app.ready()
      closing.push(() => app.close())
      return (request, response) => void app.server.emit('request', request, response)
    })
    expect((await send(at.port, { path: '/open' })).text).toBe('open')
    expect((await send(at.port, { path: '/deep/closed' })).status).toBe(401)
    expect((await get(at, '/deep/closed')).text).toBe(agent.did)
  })

  test('answers that are streams, texts, nothing, and errors are signed whole', async () => {
    const at = await here((verifier) =>
      made(verifier, { sign: server }, undefined, (app) => {
        app.get('/stream', async (_, reply) => reply.type('text/plain').send(Readable.from(['a', 'b'])))
        app.get('/text', async () => 'text')
        app.get('/empty', async (_, reply) => reply.code(204).send())
        app.get('/broken', async () => {
          throw new Error('no')
        })
      }),
    )
    const fetching = createFetch(agent, { responder: server.did })
    for (const [path, status, body] of [
      ['/stream', 200, 'ab'],
      ['/text', 200, 'text'],
      ['/empty', 204, ''],
    ] as const) {
      const answer = await fetching(`${at.url}${path}`)
      expect([path, answer.status, await answer.text()]).toEqual([path, status, body])
    }
    expect((await fetching(`${at.url}/broken`)).status).toBe(500)
    expect((await fetching(`${at.url}/text`, { method: 'HEAD' })).status).toBe(200)
    expect((await fetching(`${at.url}/nowhere`)).status).toBe(404)
  })

  test('what a route asks for that is none fails when it is registered', async () => {
    const verifier = new RequestVerifier({ authorities: ['api.example'] })
    for (const config of [{ scope: ['a'] }, { scopes: 'a' }, { scopes: [''] }, { approval: null }, null, 0, '']) {
      const app = fastify()
      await app.register(fastifyAgent, { verifier })
      const route = (): unknown => app.get('/', { config: { agent: config as never } }, async () => 'x')
      expect(route).toThrow()
      await app.close()
    }
  })
})

describe('hono', () => {
  const signedFor = (method: string, body?: string): Record<string, string> => {
    const plain = {
      method,
      url: 'https://api.example/',
      ...(body !== undefined && { headers: json, body: Buffer.from(body) }),
    }
    return { ...(body !== undefined && json), ...valueOf(signRequestHeaders(agent, plain)) }
  }
  const serving = async (make: (verifier: RequestVerifier) => { fetch: Hono['fetch'] }): Promise<Here> => {
    let at: Here | undefined
    at = await here(async (verifier) => {
      const app = make(verifier)
      const inner = await new Promise<Server>((resolve) => {
        const made = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(made as Server))
      })
      closing.push(() => void inner.close())
      return (request, response) => void inner.emit('request', request, response)
    })
    return at
  }

  test('what c.req.url would repair or believe is verified as it came', async () => {
    const at = await serving((verifier) => new Hono().use(honoAgent(verifier)).all('*', (c) => c.text('ok')))
    const fields = valueOf(signRequestHeaders(agent, { method: 'GET', url: `${at.url}/orders` }))
    const lines: [string, string][] = [['Host', `127.0.0.1:${at.port}`], ...Object.entries(fields)]
    const status = async (target: string): Promise<string | undefined> =>
      (await sendRaw(at.port, raw('GET', target, lines))).split(' ')[1]
    expect(await status('/a/%2e%2e/orders')).toBe('400')
    expect(await status(`${at.url}/orders`)).toBe('400')
    expect(await status('http://evil.example/orders')).toBe('400')
    expect(await status('/orders')).toBe('200')
  })

  test('base paths and sub-apps', async () => {
    const at = await serving((verifier) => {
      const sub = new Hono().post('/orders', honoAgent(verifier), async (c) => c.json(await c.req.json<object>()))
      return new Hono().basePath('/api').route('/v1', sub)
    })
    expect(await post(at, '/api/v1/orders')).toMatchObject({ status: 200, text })
  })

  test('a body that was read before is a mistake', async () => {
    const at = await serving((verifier) => {
      const app = new Hono()
      app.onError((error, c) => c.text(error.message, 500))
      app.use(async (c, next) => {
        await c.req.text()
        await next()
      })
      return app.use(honoAgent(verifier)).post('/', (c) => c.text('ok'))
    })
    const answer = await post(at, '/')
    expect([answer.status, answer.text]).toEqual([500, expect.stringMatching(/body/)])
  })

  test('every way of reading the body gives what was verified', async () => {
    const at = await serving((verifier) => {
      const app = new Hono().use(honoAgent(verifier))
      app.post('/json', async (c) => c.json(await c.req.json<object>()))
      app.post('/bytes', async (c) => c.body(await c.req.arrayBuffer()))
      app.post('/form', async (c) => c.json(await c.req.parseBody()))
      app.post('/raw', async (c) => c.text(await c.req.raw.text()))
      app.post('/clone', async (c) => c.text(await new Request(c.req.raw).text()))
      return app
    })
    for (const path of ['/json', '/bytes', '/raw', '/clone'])
      expect([path, (await post(at, path)).text]).toEqual([path, text])
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await post(at, '/form', 'a=1', form)).text).toBe('{"a":"1"}')
    const large = 'a'.repeat(300_000)
    expect((await post(at, '/bytes', large)).text).toBe(large)
  })

  test('where there is no socket, the Request is verified', async () => {
    const verifier = new RequestVerifier({ authorities: ['api.example'], dangerouslyAcceptReplayAfterRestart: true })
    const app = new Hono().use(honoAgent(verifier, { sign: server }))
    app.post('/', honoAgent(verifier, { approval: { by: server.did, when: () => false } }), async (c) => {
      c.header('set-cookie', 'a=1', { append: true })
      c.header('set-cookie', 'b=2', { append: true })
      return c.json(await c.req.json<object>())
    })
    const headers = signedFor('POST', text)
    const request = { method: 'POST', url: 'https://api.example/', headers }
    const sent = (): Request => new Request(request.url, { method: 'POST', headers, body: text })
    const answer = await app.request(sent())
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([200, ['a=1', 'b=2']])
    const verified = valueOf(await verifyResponse(answer, request, { from: server.did }))
    expect(Buffer.from(verified.body).toString()).toBe(text)
    expect((await app.request(sent())).status).toBe(409)
    expect((await app.request('https://api.example/')).status).toBe(401)
  })

  test('what a handler throws is answered by the app, and signed', async () => {
    const verifier = new RequestVerifier({ authorities: ['api.example'], dangerouslyAcceptReplayAfterRestart: true })
    const app = new Hono().use(honoAgent(verifier, { sign: server })).get('/', () => {
      throw new Error('no')
    })
    app.onError((_, c) => c.text('broken', 500))
    const request = { method: 'GET', url: 'https://api.example/', headers: signedFor('GET') }
    const answer = await app.request(request.url, { headers: request.headers })
    expect(answer.status).toBe(500)
    expect(codeOf(await verifyResponse(answer, request, { from: server.did }))).toBe('ok')
  })
})

describe('options', () => {
  const makers: [string, (verifier: unknown, options?: unknown) => unknown][] = [
    ['express', (verifier, options) => expressAgent(verifier as RequestVerifier, options as object)],
    ['hono', (verifier, options) => honoAgent(verifier as RequestVerifier, options as object)],
    [
      'fastify',
      (verifier, options) => {
        const given = options === undefined ? {} : options
        const isObject = typeof given === 'object' && given !== null
        return fastifyAgent(fastify(), (isObject ? { verifier, ...given } : given) as never)
      },
    ],
  ]
  const good: RequestVerifierOptions = { authorities: ['api.example'] }
  const failed = async (make: () => unknown): Promise<string> => {
    try {
      await make()
      return 'none'
    } catch (error) {
      return (error as Error).name
    }
  }

  test.each(makers)('%s takes what it knows, and nothing else', async (_, make) => {
    expect(await failed(() => make(good))).toBe('none')
    expect(await failed(() => make(new RequestVerifier(good), { sign: server, scopes: [] }))).toBe('none')
    for (const verifier of [
      undefined,
      null,
      false,
      0,
      '',
      Number.NaN,
      [],
      {},
      { authorities: [] },
      { authority: 'a' },
    ]) {
      expect([verifier, await failed(() => make(verifier))]).not.toEqual([verifier, 'none'])
    }
    for (const options of [null, false, 0, '', Number.NaN, { scope: ['a'] }, { sing: server }]) {
      expect([options, await failed(() => make(good, options))]).toEqual([options, 'TypeError'])
    }
    for (const name of ['scopes', 'approval', 'sign']) {
      for (const value of [null, false, 0, '', Number.NaN, {}, 'a']) {
        const given = { [name]: value }
        expect([name, value, await failed(() => make(good, given))]).not.toEqual([name, value, 'none'])
      }
    }
  })

  test('scopes without a token to grant them refuse, and open nothing', async () => {
    const at = await here((verifier) =>
      express().use(expressAgent(verifier, { scopes: ['admin'] }), (_, response) => void response.send('in')),
    )
    expect((await post(at, '/')).status).toBe(403)
  })
})
