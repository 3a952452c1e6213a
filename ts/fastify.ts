// Fastify 5: requests that prove who sends them, and agents that are called by URL.
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AutoGenxBindAgent } from './agent/agent'
import type { MessageBus } from './agent/bus'
import { known } from './check'
import { headersOf } from './http/answer'
import { checkDemands, Gate, isProblem, type RequestingAgent, type RouteOptions } from './http/gate'
import { isFetchResponse } from './http/message'
import type { RequestVerifierOptions } from './http/demands'
import { MOUNT_OPTIONS, mounted, READ, takeOptions, type ServeOptions } from './http/serve'
import type { RequestVerifier } from './http/verifier'

export type { RequestingAgent, RouteOptions } from './http/gate'

declare module 'fastify' {
  /** With who has sent it. */
  interface FastifyRequest {
    /** Who has sent the request; there from `preParsing` on. */
    agent: RequestingAgent
  }
  /** With what requests of the route must satisfy. */
  interface FastifyContextConfig {
    /** What requests of this route must satisfy besides. */
    agent?: Pick<RouteOptions, 'scopes' | 'approval'>
  }
}

/** Whose requests are let through, and what all of them must satisfy. */
export interface AgentPluginOptions extends RouteOptions {
  /** Who verifies them, or its options. */
  verifier: RequestVerifier | RequestVerifierOptions
}

const OPTIONS = ['verifier', 'scopes', 'approval', 'sign']

/**
 * A plugin that lets through what the verifier accepts, with who has sent it in `request.agent`, and answers everything else
 * with a problem (RFC 9457). It is for all routes of the instance that it is registered with, and of those below it; each route
 * asks for more in `config.agent`. Parsers get the very bytes that were verified. Throws for options that are none.
 *
 * @example
 * ```ts
 * const verifier = new RequestVerifier({ authorities: ['api.example'], trust: [identity.did] })
 * const options: AgentPluginOptions = { verifier, scopes: ['order'] } // await app.register(requireAgent, options)
 * ```
 */
export async function requireAgent(app: FastifyInstance, options: AgentPluginOptions): Promise<void> {
  known(options, 'requireAgent', OPTIONS)
  // Each by its name: `...` would pass over those that are inherited.
  const { verifier, scopes, approval, sign } = options
  const given = { scopes, approval, sign } as RouteOptions
  const gate = new Gate(verifier, given, 'requireAgent')
  const judged = new WeakSet<object>()
  if (!app.hasRequestDecorator('agent')) app.decorateRequest('agent', null as unknown as RequestingAgent)

  app.addHook('onRoute', ({ config }) => {
    if (config?.agent !== undefined) checkDemands(config.agent, 'config.agent')
  })
  app.addHook('preParsing', async (request, reply, payload) => {
    if (payload !== request.raw && !gate.hasAdmitted(request.raw)) {
      throw new TypeError('something else reads the body before it is verified: register requireAgent first')
    }
    const outcome = await gate.admit(request.raw, demandsOf(request))
    judged.add(request.raw)
    if (isProblem(outcome)) {
      await reply.code(outcome.status).headers(headersOf(request.raw, outcome)).send(outcome.body)
      return payload
    }
    const { agent } = outcome
    Object.defineProperty(request, 'agent', { value: agent, enumerable: true, configurable: true })
    const { body } = outcome
    return Object.assign(Readable.from(body.byteLength > 0 ? [Buffer.from(body)] : [], { objectMode: false }), {
      receivedEncodedLength: body.byteLength,
    })
  })
  if (gate.signer === undefined) return
  app.addHook('onSend', async (request, reply, answer) => {
    // What is answered before nobody has asked for: a signature would make it the answer to whatever request was copied.
    if (!judged.has(request.raw)) return answer
    const payload = isAnswer(answer) ? answer.body : answer
    if (isAnswer(answer)) {
      reply.code(answer.status)
      for (const [name, value] of answer.headers) reply.header(name, value)
    }
    const body = await bytesOf(payload)
    const signed = await gate.signed(request.raw, reply.statusCode, reply.getHeaders(), body)
    reply.headers(signed)
    return payload === undefined || payload === null ? payload : Buffer.from(body)
  })
}

function demandsOf({ routeOptions }: FastifyRequest): Pick<RouteOptions, 'scopes' | 'approval'> {
  const { agent = {} } = routeOptions.config as { agent?: Pick<RouteOptions, 'scopes' | 'approval'> }
  return agent
}

/** Fastify takes it apart only afterwards. */
const isAnswer = (payload: unknown): payload is Response =>
  typeof payload === 'object' && payload !== null && isFetchResponse(payload)

/** What is sent, in one piece. */
async function bytesOf(payload: unknown): Promise<Uint8Array> {
  if (payload === undefined || payload === null) return new Uint8Array()
  if (typeof payload === 'string') return Buffer.from(payload)
  if (payload instanceof Uint8Array) return payload
  const chunks: Uint8Array[] = []
  for await (const chunk of payload as AsyncIterable<string | Uint8Array>) chunks.push(Buffer.from(chunk as string))
  return Buffer.concat(chunks)
}

// A plugin of the instance that registers it, as by fastify-plugin.
Object.assign(requireAgent, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@private.me/autogen/fastify',
})

/** Which agents are mounted, and how. */
export interface ServePluginOptions extends Omit<ServeOptions, 'path'> {
  /** Those of a list, which are on one bus, or all of a bus. */
  agents: readonly AutoGenxBindAgent[] | MessageBus
}

/** What Fastify itself is told with `register`. */
const OF_REGISTER = ['prefix', 'logLevel', 'logSerializers']

/**
 * A plugin that mounts agents as `serveAgents` of `./http` does, at its `prefix`. Parsers of the instance leave its bodies alone;
 * a hook that has read or replaced one makes it a TypeError. Throws TypeError, INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const options: ServePluginOptions = { agents: [agent] } // await app.register(serveAgents, { ...options, prefix: '/agents' })
 * ```
 */
export async function serveAgents(app: FastifyInstance, options: ServePluginOptions): Promise<void> {
  known(options, 'serveAgents', ['agents', ...MOUNT_OPTIONS, ...OF_REGISTER])
  const answer = mounted(options.agents, takeOptions(options))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (request, payload, done) => {
    done(payload === request.raw ? null : new TypeError(READ), undefined)
  })
  app.all('/', async (request, reply) => {
    answer(request.raw, reply.raw)
    return reply.hijack()
  })
}
