/// <reference lib="esnext.disposable" preserve="true" />
import type { AutoGenxBindAgent, Identity, MessageBus, OnBehalfOf } from './index'
import type { RequestApproval, RequestVerifier, RequestVerifierOptions, ServeOptions } from './http'

import { Context, MiddlewareHandler } from 'hono';
import { IncomingMessage } from 'node:http';
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
declare module "hono" {
  /** With who has sent the request. */
  interface ContextVariableMap {
    /** Who has sent the request; there behind `requireAgent`. */
    agent: RequestingAgent;
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
export declare function requireAgent(verifier: RequestVerifier | RequestVerifierOptions, options?: RouteOptions): MiddlewareHandler;
/**
 * Mounts agents as `serveAgents` of `./http` does, under @hono/node-server, at the path where Hono has them. A body that was read
 * before is a TypeError. Throws TypeError, INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const mounted = serveAgents([agent]) // app.all('/agents', mounted)
 * ```
 */
export declare function serveAgents(agents: readonly AutoGenxBindAgent[] | MessageBus, options?: Omit<ServeOptions, "path">): (c: Context) => Promise<Response>;

export {};
