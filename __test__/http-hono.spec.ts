// Hono: what its own reading of a request would repair, sub-apps, every way to a body, and no socket at all.
import { serve } from '@hono/node-server'
import { requireAgent as honoAgent } from '@private.me/autogen/hono'
import { RequestVerifier, signRequestHeaders, verifyResponse } from '@private.me/autogen/http'
import { Hono } from 'hono'
import { methodOverride } from 'hono/method-override'
import type { Server } from 'node:http'
import { expect, test } from 'vitest'
import { raw, send, sendRaw } from './helpers/http.ts'
import { agent, closing, here, json, post, server, text, type Here } from './helpers/middleware.ts'
import { codeOf, valueOf } from './helpers/result.ts'

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

test('a method that something overrides before is not the one that was signed', async () => {
  let deleted = 0
  const at = await serving((verifier) => {
    const app = new Hono()
    app.onError((error, c) => c.text(error.message, 500))
    app.use(methodOverride({ app, header: 'x-method' }))
    app.use(honoAgent(verifier))
    app.delete('/', (c) => c.text(String((deleted += 1))))
    return app.get('/', (c) => c.text('read'))
  })
  const headers = valueOf(signRequestHeaders(agent, { method: 'HEAD', url: `${at.url}/` }))
  const overriding = { method: 'HEAD', headers: { ...headers, 'x-method': 'DELETE' } }
  expect([(await send(at.port, overriding)).status, deleted]).toEqual([500, 0])
  expect((await send(at.port, { method: 'HEAD', headers })).status).toBe(200)
})
