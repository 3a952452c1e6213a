// Express: what goes before and behind requireAgent, mounted routers, answers in pieces.
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { requireAgent as expressAgent } from '@private.me/autogen/express'
import { createFetch, RequestVerifier, signRequestHeaders } from '@private.me/autogen/http'
import express from 'express'
import { PassThrough, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { send } from './helpers/http.ts'
import { agent, closing, get, here, json, post, server, text } from './helpers/middleware.ts'
import { valueOf } from './helpers/result.ts'

const failing: express.ErrorRequestHandler = (error, _, response, next) => {
  void next
  response.status(500).send((error as Error).message)
}

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

test('an agent whose identity provider takes its time signs answers; one that fails sends them unsigned', async () => {
  const key = Identity.generate()
  let fails = false
  const sign = async (bytes: Uint8Array): Promise<Uint8Array> => {
    await new Promise((resolve) => setImmediate(resolve))
    if (fails) throw new Error('no')
    return key.dangerouslySign(bytes)
  }
  const bus = new MessageBus()
  const signing = new AutoGenxBindAgent({ identityProvider: { getDID: () => key.did, sign }, agentOptions: { bus } })
  closing.push(() => bus.close())
  const at = await here((verifier) =>
    app().use(expressAgent(verifier, { sign: signing }), (_, response) => void response.send('x')),
  )
  const fetching = createFetch(agent, { responder: key.did })
  expect(await (await fetching(at.url)).text()).toBe('x')
  fails = true
  await expect(fetching(at.url)).rejects.toMatchObject({ code: 'INVALID_SIGNATURE' })
  expect(await (await createFetch(agent)(at.url)).text()).toBe('x')
})

test.each([2000, 1])('what is thrown after an answer of %i bytes was given changes nothing of it', async (length) => {
  const at = await here((verifier) =>
    app()
      .use(expressAgent(verifier, { sign: server }))
      .get('/', (_, response) => {
        response.send('x'.repeat(length))
        throw new Error('no')
      })
      .use(((error, request, response, next) => {
        if (request.get('x-handler') === 'careful') {
          response.status(500)
          expect(response.headersSent).toBe(true)
        } else response.status(500).send((error as Error).message)
        void next
      }) satisfies express.ErrorRequestHandler),
  )
  const fetching = createFetch(agent, { responder: server.did })
  for (const handler of ['careful', 'careless']) {
    const answer = await fetching(at.url, { headers: { 'x-handler': handler } })
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, String(length)])
    expect(await answer.text()).toBe('x'.repeat(length))
  }
})

test('what a middleware behind it adds when header fields are written is there, and is signed', async () => {
  const late: express.RequestHandler = (_, response, next) => {
    const { writeHead } = response
    response.writeHead = ((...head: [number]) => {
      response.setHeader('content-type', 'text/late')
      return writeHead.apply(response, head)
    }) as typeof writeHead
    next()
  }
  const at = await here((verifier) =>
    app().use(expressAgent(verifier, { sign: server }), late, (_, response) => void response.send('x')),
  )
  const answer = await createFetch(agent, { responder: server.did })(at.url)
  expect(answer.headers.get('content-type')).toBe('text/late')
})

test('what it cannot judge is an error for next, also where nobody waits for its promise', async () => {
  const when = (): never => {
    throw new Error('no')
  }
  const at = await here((verifier) => (request, response) => {
    const guard = expressAgent(verifier, { approval: { by: server.did, when } })
    void guard(request, response, (error) => response.end(String(error)))
  })
  expect((await get(at, '/')).text).toBe('Error: no')
})

test('what options inherit counts', async () => {
  const demands = Object.create({ scopes: ['admin'] }) as { scopes: string[] }
  const at = await here((verifier) => app().use(expressAgent(verifier, demands), echo))
  expect((await get(at, '/')).status).toBe(403)
})
