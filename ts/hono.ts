// Hono 4: requests that prove who sends them, and agents that are called by URL.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Context, HonoRequest, MiddlewareHandler } from 'hono'
import type { AutoGenxBindAgent } from './agent/agent'
import type { MessageBus } from './agent/bus'
import { checkObject, known } from './check'
import { headersOf } from './http/answer'
import { Gate, isProblem, type RequestingAgent, type RouteOptions } from './http/gate'
import { isIncoming } from './http/message'
import type { RequestVerifierOptions } from './http/demands'
import { isRead, MOUNT_OPTIONS, mounted, READ, takeOptions, type ServeOptions } from './http/serve'
import type { RequestVerifier } from './http/verifier'

export type { RequestingAgent, RouteOptions } from './http/gate'

declare module 'hono' {
  /** With who has sent the request. */
  interface ContextVariableMap {
    /** Who has sent the request; there behind `requireAgent`. */
    agent: RequestingAgent
  }
}

/**
 * Lets through what the verifier accepts, with who has sent it in `c.var.agent`, and answers everything else with a problem
 * (RFC 9457). Under @hono/node-server the request is verified as it came, not as `c.req.url` shows it. Behind another
 * `requireAgent` of the same verifier it asks for more. Throws for options that are none, like `RequestVerifier`.
 *
 * @example
 * ```ts
 * const verifier = new RequestVerifier({ authorities: ['api.example'], trust: [identity.did] })
 * const mayOrder = requireAgent(verifier, { scopes: ['order'] }) // app.post('/orders', mayOrder, (c) => …)
 * ```
 */
export function requireAgent(
  verifier: RequestVerifier | RequestVerifierOptions,
  options: RouteOptions = {},
): MiddlewareHandler {
  const gate = new Gate(verifier, options, 'requireAgent()')
  return async (c, next) => {
    const { incoming } = (c.env ?? {}) as { incoming?: IncomingMessage }
    const raw = typeof incoming === 'object' && incoming !== null && isIncoming(incoming) ? incoming : undefined
    const sent = raw ?? c.req.raw
    if (!gate.hasAdmitted(sent) && Object.keys(c.req.bodyCache).length > 0) {
      throw new TypeError('the body was read before it is verified: requireAgent() goes before whatever reads it')
    }
    if (!gate.hasAdmitted(sent) && c.req.method !== sent.method) {
      throw new TypeError('the method was changed before it is verified: requireAgent() goes before method overrides')
    }
    const outcome = await gate.admit(sent)
    if (isProblem(outcome)) {
      const { status, headers, body } = outcome
      const fields = raw ? headersOf(raw, outcome) : headers
      const signed = await gate.signed(sent, status, fields, Buffer.from(body))
      return new Response(body, { status, headers: { ...fields, ...signed } })
    }
    c.set('agent', outcome.agent)
    hand(outcome.body, c.req, raw)
    await next()
    if (gate.signer === undefined) return undefined
    const { status, statusText, body } = c.res
    const headers = new Headers(c.res.headers)
    const bytes = new Uint8Array(await c.res.arrayBuffer())
    const signed = await gate.signed(sent, status, Object.fromEntries(headers), bytes)
    for (const [name, value] of Object.entries(signed)) headers.set(name, value)
    c.res = new Response(body && bytes, { status, statusText, headers })
    return undefined
  }
}

/** A body is read once: whoever asks for it from here on, Hono or the adapter of Node.js, gets the bytes that were verified. */
function hand(body: Uint8Array, request: HonoRequest, raw: IncomingMessage | undefined): void {
  const cache = request.bodyCache as unknown as { arrayBuffer?: Promise<ArrayBufferLike> }
  cache.arrayBuffer ??= Promise.resolve(body.slice().buffer)
  if (raw) Object.assign(raw, { rawBody: Buffer.from(body) })
}

/**
 * Mounts agents as `serveAgents` of `./http` does, under @hono/node-server, at the path where Hono has them. A body that was read
 * before is a TypeError. Throws TypeError, INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const mounted = serveAgents([agent]) // app.all('/agents', mounted)
 * ```
 */
export function serveAgents(
  agents: readonly AutoGenxBindAgent[] | MessageBus,
  options: Omit<ServeOptions, 'path'> = {},
): (c: Context) => Promise<Response> {
  checkObject(options, 'options')
  known(options, 'serveAgents()', MOUNT_OPTIONS)
  const answer = mounted(agents, takeOptions(options))
  return async (c) => {
    const { incoming, outgoing } = (c.env ?? {}) as { incoming?: IncomingMessage; outgoing?: ServerResponse }
    if (!incoming || !outgoing || !isIncoming(incoming)) {
      throw new TypeError('serveAgents() answers requests of node:http: run the app with serve() of @hono/node-server')
    }
    if (Object.keys(c.req.bodyCache).length > 0) throw new TypeError(READ)
    const { raw } = c.req
    await new Promise((resolve) => setImmediate(resolve)) // whoever looked at the body begins to read it only then
    answer(incoming, outgoing, isRead(incoming) && incoming.method === 'POST' ? left(raw) : undefined)
    const sent = new Response(null, { headers: { 'x-hono-already-sent': 'true' } })
    void sent.body // the adapter's own Response writes a head until it was looked at
    return sent
  }
}

/** What is left of a body that something in front has looked at: the adapter reads it from then on. */
function left({ body, bodyUsed }: Request): Readable {
  if (bodyUsed || body?.locked) throw new TypeError(READ)
  return body === null ? Readable.from([]) : Readable.fromWeb(body)
}
