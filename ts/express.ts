// Express 5: requests that prove who sends them, and agents that are called by URL.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AutoGenxBindAgent } from './agent/agent'
import type { MessageBus } from './agent/bus'
import { checkObject, known } from './check'
import { refuse, signAnswer } from './http/answer'
import { Gate, isProblem, type RequestingAgent, type RouteOptions } from './http/gate'
import type { RequestVerifierOptions } from './http/demands'
import { MOUNT_OPTIONS, mounted, takeOptions, type ServeOptions } from './http/serve'
import type { RequestVerifier } from './http/verifier'

export type { RequestingAgent, RouteOptions } from './http/gate'

declare global {
  namespace Express {
    /** With who has sent it. */
    interface Request {
      /** Who has sent the request; there behind `requireAgent`. */
      agent: RequestingAgent
    }
  }
}

/** A middleware as Express, and whatever else calls `(request, response, next)`, takes it. */
export type AgentMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>

/**
 * Lets through what the verifier accepts, with who has sent it in `request.agent`, and answers everything else with a problem
 * (RFC 9457). It goes before whatever reads the body: a parser behind it gets the very bytes that were verified. Behind
 * another `requireAgent` of the same verifier it asks for more. Throws for options that are none, like `RequestVerifier`.
 *
 * @example
 * ```ts
 * const verifier = new RequestVerifier({ authorities: ['api.example'], trust: [identity.did] })
 * const mayOrder = requireAgent(verifier, { scopes: ['order'] }) // app.post('/orders', mayOrder, express.json(), …)
 * ```
 */
export function requireAgent(
  verifier: RequestVerifier | RequestVerifierOptions,
  options: RouteOptions = {},
): AgentMiddleware {
  const gate = new Gate(verifier, options, 'requireAgent()')
  return async (request, response, next) => {
    const admitted = gate.hasAdmitted(request)
    if (!admitted && (request as { body?: unknown }).body !== undefined) {
      next(
        new TypeError('request.body is there before the request is verified: requireAgent() goes before body parsers'),
      )
      return
    }
    if (gate.signer !== undefined) signAnswer(gate, request, response)
    try {
      const outcome = await gate.admit(request)
      if (isProblem(outcome)) {
        refuse(request, response, outcome)
        return
      }
      Object.defineProperty(request, 'agent', { value: outcome.agent, enumerable: true, configurable: true })
    } catch (error) {
      next(error) // not everybody who calls a middleware waits for its promise
      return
    }
    next()
  }
}

/**
 * Mounts agents as `serveAgents` of `./http` does, at the path where Express has them. It goes before body parsers that take
 * every media type; a body that was read before is a TypeError for the error handler. Throws TypeError, INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const mounted = serveAgents([agent]) // app.use('/agents', mounted)
 * ```
 */
export function serveAgents(
  agents: readonly AutoGenxBindAgent[] | MessageBus,
  options: Omit<ServeOptions, 'path'> = {},
): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void {
  checkObject(options, 'options')
  known(options, 'serveAgents()', MOUNT_OPTIONS)
  const answer = mounted(agents, takeOptions(options))
  return (request, response, next) => {
    try {
      answer(request, response)
    } catch (error) {
      next(error)
    }
  }
}
