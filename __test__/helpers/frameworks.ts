// The same small service in each framework: whoever may order is told who he is, and what has come.
import { serve } from '@hono/node-server'
import { requireAgent as expressAgent } from '@private.me/autogen/express'
import { requireAgent as fastifyAgent } from '@private.me/autogen/fastify'
import { requireAgent as honoAgent, type RouteOptions } from '@private.me/autogen/hono'
import { problemOf, RequestVerifier, signResponseHeaders, type RequestVerifierOptions } from '@private.me/autogen/http'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Service {
  readonly port: number
  readonly authority: string
  readonly url: string
  /** How often a handler ran. */
  runs(): number
  close(): void
}

type Options = Partial<RequestVerifierOptions>
type Start = (verifier: RequestVerifier, options: RouteOptions, ran: () => void) => Promise<RequestListener | Server>

const listening = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** Routes: `/orders` and `/api/orders` for everybody, `/admin` for the scope `admin`, `/broken`. */
const starts: Record<string, Start> = {
  'node:http': async (verifier, options, ran) => async (request, response) => {
    const { sign, ...demands } = options
    const admin = request.url === '/admin' ? ['admin'] : []
    const asked = { ...demands, scopes: [...(demands.scopes ?? []), ...admin] }
    const verified = await verifier.verify(request, asked)
    const send = (status: number, headers: Record<string, string>, text: string): void => {
      const body = Buffer.from(text)
      const shown = request.method === 'HEAD' ? new Uint8Array() : body
      const signed = sign && signResponseHeaders(sign, { status, headers, body: shown }, request)
      response.writeHead(status, { ...headers, ...(signed?.ok ? signed.value : {}) }).end(body)
    }
    if (!verified.ok) {
      const { status, headers, body } = problemOf(verified.error, verifier, asked)
      return send(status, { ...headers, connection: 'close' }, body)
    }
    ran()
    const { from, scopes, chain } = verified.value
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer) // the very bytes once more
    if (request.url === '/broken') return send(500, {}, 'broken')
    const text = Buffer.concat(chunks).toString()
    const told = {
      agent: { did: from, scopes, chain },
      frozen: true,
      ...(text !== '' && { body: JSON.parse(text) as unknown }),
    }
    send(200, { 'content-type': 'application/json' }, JSON.stringify(told))
  },

  express: async (verifier, options, ran) => {
    const app = express().set('env', 'test').set('trust proxy', true)
    const echo: express.RequestHandler = (request, response) => {
      ran()
      response.json({ agent: request.agent, frozen: isFrozen(request.agent), body: request.body as unknown })
    }
    app.use(expressAgent(verifier, options), express.json())
    app.all('/orders', echo)
    app.post('/admin', expressAgent(verifier, { scopes: ['admin'] }), echo)
    app.get('/broken', () => {
      throw new Error('broken')
    })
    app.use('/api', express.Router().all('/orders', echo))
    return app
  },

  fastify: async (verifier, options, ran) => {
    const app = fastify({ trustProxy: true, rewriteUrl: ({ url = '' }) => url.replace(/^\/old/, '') })
    await app.register(fastifyAgent, { verifier, ...options })
    const handler = async (request: { agent: object; body: unknown }): Promise<object> => {
      ran()
      return { agent: request.agent, frozen: isFrozen(request.agent), body: request.body ?? undefined }
    }
    app.all('/orders', handler)
    app.post('/admin', { config: { agent: { scopes: ['admin'] } } }, handler)
    app.get('/broken', async () => {
      throw new Error('broken')
    })
    await app.register(async (sub) => void sub.all('/orders', handler), { prefix: '/api' })
    await app.ready()
    return app.server
  },

  hono: async (verifier, options, ran) => {
    const app = new Hono()
    app.onError((_, c) => c.text('broken', 500))
    app.use(honoAgent(verifier, options))
    const sub = new Hono().all('/orders', async (c) => {
      ran()
      const text = await c.req.text()
      const { agent } = c.var
      return c.json({ agent, frozen: isFrozen(agent), ...(text !== '' && { body: JSON.parse(text) as unknown }) })
    })
    app.route('/', sub)
    app.post('/admin', honoAgent(verifier, { scopes: ['admin'] }), async (c) => {
      ran()
      return c.json({ agent: c.get('agent'), body: await c.req.json() })
    })
    app.get('/broken', () => {
      throw new Error('broken')
    })
    app.route('/api', sub)
    return await new Promise<Server>((resolve) => {
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(server as Server))
    })
  },
}

const isFrozen = (agent: object): boolean =>
  Object.isFrozen(agent) && Object.values(agent).every((each) => Object.isFrozen(each))

export const frameworks = Object.keys(starts)

/** The port is known before the verifier is, because its authorities name it. */
export async function start(framework: string, options: Options = {}, route: RouteOptions = {}): Promise<Service> {
  let ran = 0
  const authorities: string[] = ['placeholder.example']
  let answer: RequestListener = () => {}
  const front = createServer((request, response) => answer(request, response))
  const port = await listening(front)
  authorities[0] = `127.0.0.1:${port}`
  const verifier = new RequestVerifier({ authorities, dangerouslyAcceptReplayAfterRestart: true, ...options })
  const made = await starts[framework]?.(verifier, route, () => (ran += 1))
  if (typeof made === 'function') answer = made
  else answer = (request, response) => void made?.emit('request', request, response)
  const close = (): void => {
    front.closeAllConnections()
    front.close()
    if (typeof made !== 'function') made?.close()
  }
  return { port, authority: authorities[0], url: `http://${authorities[0]}`, runs: () => ran, close }
}
