/// <reference lib="esnext.disposable" preserve="true" />
import type { AutoGenxBindAgent, Identity, MessageBus, OnBehalfOf } from './index'
import type { RequestApproval, RequestVerifier, RequestVerifierOptions, ServeOptions } from './http'

import { IncomingMessage, ServerResponse } from 'node:http';
/** What the requests of a route must satisfy, beside the options of the verifier, and whether its answers are signed. */
export interface RouteOptions {
  /** What the token must grant besides. */
  scopes?: readonly string[];
  /** Who has to approve of each request, in place of whom the verifier names. */
  approval?: RequestApproval;
  /** Signs every answer, refusals too, each for its request. Answers are held back until they are whole. */
  sign?: Identity | AutoGenxBindAgent;
}
/** Who has sent a request, as its signature and its token prove it. Frozen. */
export interface RequestingAgent {
  /** The DID of the key that has signed the request. */
  readonly did: string;
  /** What its token grants; empty without `trust`. */
  readonly scopes: readonly string[];
  /** The limits of its token by their names, where anybody in the chain set one. */
  readonly quota?: Readonly<Record<string, number>>;
  /** On whose behalf it acts, outermost first; empty without `trust`. */
  readonly chain: readonly string[];
  /** For whom the first of them was given the rights; the word of the token's issuer. */
  readonly onBehalfOf?: OnBehalfOf;
}
declare global {
  namespace Express {
    /** With who has sent it. */
    interface Request {
      /** Who has sent the request; there behind `requireAgent`. */
      agent: RequestingAgent;
    }
  }
}
/** A middleware as Express, and whatever else calls `(request, response, next)`, takes it. */
export type AgentMiddleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => Promise<void>;
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
export declare function requireAgent(verifier: RequestVerifier | RequestVerifierOptions, options?: RouteOptions): AgentMiddleware;
/**
 * Mounts agents as `serveAgents` of `./http` does, at the path where Express has them. It goes before body parsers that take
 * every media type; a body that was read before is a TypeError for the error handler. Throws TypeError, INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const mounted = serveAgents([agent]) // app.use('/agents', mounted)
 * ```
 */
export declare function serveAgents(agents: readonly AutoGenxBindAgent[] | MessageBus, options?: Omit<ServeOptions, "path">): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

export {};
