// Fastify: rewritten URLs, hooks, instances in instances, streams, options of routes.
import { requireAgent as fastifyAgent } from '@private.me/autogen/fastify'
import { createFetch, RequestVerifier, signRequestHeaders, verifyResponse } from '@private.me/autogen/http'
import fastify, { type FastifyInstance } from 'fastify'
import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { send } from './helpers/http.ts'
import { agent, closing, get, here, post, server, text } from './helpers/middleware.ts'
import { codeOf, valueOf } from './helpers/result.ts'

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

test('what is answered before a request is verified is not signed, whatever signature was copied into it', async () => {
  const at = await here((verifier) =>
    made(verifier, { sign: server }, undefined, (app) => {
      app.addHook('onRequest', async ({ method }, reply) => (method === 'OPTIONS' ? reply.code(204).send() : undefined))
      app.post('/orders', async () => 'ordered')
    }),
  )
  const request = { method: 'POST', url: `${at.url}/orders` }
  const headers = valueOf(signRequestHeaders(agent, request))
  const { status, headers: fields } = await send(at.port, { method: 'OPTIONS', path: '/orders', headers })
  expect([status, fields.signature]).toEqual([204, undefined])
  const answer = { status, headers: fields, body: new Uint8Array() }
  expect(codeOf(await verifyResponse(answer, { ...request, headers }, { from: server.did }))).toBe('INVALID_SIGNATURE')
})

test('an answer that is a Response is signed as it is sent', async () => {
  const at = await here((verifier) =>
    made(verifier, { sign: server }, undefined, (app) => {
      app.get('/', async () => new Response('made', { status: 201, headers: { 'content-type': 'text/made' } }))
      app.get('/empty', async () => new Response(null, { status: 204 }))
    }),
  )
  const fetching = createFetch(agent, { responder: server.did })
  const answer = await fetching(`${at.url}/`)
  expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([201, 'text/made', 'made'])
  expect((await fetching(`${at.url}/empty`)).status).toBe(204)
})

test('what a route asks for counts also if it is inherited, or was said before the plugin came', async () => {
  const inherited = Object.create({ scopes: ['admin'] }) as { scopes: string[] }
  const at = await here((verifier) =>
    made(
      verifier,
      {},
      (app) => {
        app.get('/early', { config: { agent: { scopes: ['admin'] } } }, async () => 'in')
        for (const [path, config] of Object.entries({ '/misspelt': { scope: ['admin'] }, '/null': null }))
          app.get(path, { config: { agent: config as never } }, async () => 'in')
      },
      (app) => app.get('/inherited', { config: { agent: inherited } }, async () => 'in'),
    ),
  )
  const answers = ['/early', '/misspelt', '/null', '/inherited'].map(async (path) => (await get(at, path)).status)
  expect(await Promise.all(answers)).toEqual([403, 500, 500, 403])
  const all = await here(async (verifier) => {
    const app = fastify()
    await app.register(fastifyAgent, Object.create({ verifier, scopes: ['admin'] }) as { verifier: RequestVerifier })
    app.get('/', async () => 'in')
    await app.ready()
    closing.push(() => app.close())
    return (request, response) => void app.server.emit('request', request, response)
  })
  expect((await get(all, '/')).status).toBe(403)
})

test('an `agent` that something else has put there is not taken for the one who has sent it', async () => {
  const at = await here((verifier) =>
    made(
      verifier,
      {},
      (app) => app.decorateRequest('agent', { getter: () => ({ did: 'x', scopes: [], chain: [] }), setter: () => {} }),
      (app) => app.get('/', async (request) => request.agent.did),
    ),
  )
  expect((await get(at, '/')).text).toBe(agent.did)
})
