/// <reference lib="esnext.disposable" preserve="true" />
import type { AutoGenxBindAgent, Identity, MessageBus, OnBehalfOf } from './index'
import type { RequestApproval, RequestVerifier, RequestVerifierOptions, ServeOptions } from './http'

import { FastifyInstance } from 'fastify';
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
declare module "fastify" {
  /** With who has sent it. */
  interface FastifyRequest {
    /** Who has sent the request; there from `preParsing` on. */
    agent: RequestingAgent;
  }
  /** With what requests of the route must satisfy. */
  interface FastifyContextConfig {
    /** What requests of this route must satisfy besides. */
    agent?: Pick<RouteOptions, "scopes" | "approval">;
  }
}
/** Whose requests are let through, and what all of them must satisfy. */
export interface AgentPluginOptions extends RouteOptions {
  /** Who verifies them, or its options. */
  verifier: RequestVerifier | RequestVerifierOptions;
}
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
export declare function requireAgent(app: FastifyInstance, options: AgentPluginOptions): Promise<void>;
/** Which agents are mounted, and how. */
export interface ServePluginOptions extends Omit<ServeOptions, "path"> {
  /** Those of a list, which are on one bus, or all of a bus. */
  agents: readonly AutoGenxBindAgent[] | MessageBus;
}
/**
 * A plugin that mounts agents as `serveAgents` of `./http` does, at its `prefix`. Parsers of the instance leave its bodies alone;
 * a hook that has read or replaced one makes it a TypeError. Throws TypeError, INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const options: ServePluginOptions = { agents: [agent] } // await app.register(serveAgents, { ...options, prefix: '/agents' })
 * ```
 */
export declare function serveAgents(app: FastifyInstance, options: ServePluginOptions): Promise<void>;

export {};
