import type { IncomingMessage } from 'node:http'
import type { AutoGenxBindAgent } from '../agent/agent'
import type { Identity } from '../agent/identity'
import { checkObject, known, strings } from '../check'
import { isFailure } from '../errors'
import { covers } from '../tokens/scope'
import type { OnBehalfOf } from '../tokens/token'
import { checkApproval, type RequestApproval } from './approval'
import { problemOf, type Problem } from './problem'
import { recordOf, responseFields, signerOf } from './sign'
import type { RequestVerifierOptions } from './demands'
import { insideOf, RequestVerifier } from './verifier'

/** What the requests of a route must satisfy, beside the options of the verifier, and whether its answers are signed. */
export interface RouteOptions {
  /** What the token must grant besides. */
  scopes?: readonly string[]
  /** Who has to approve of each request, in place of whom the verifier names. */
  approval?: RequestApproval
  /** Signs every answer, refusals too, each for its request. Answers are held back until they are whole. */
  sign?: Identity | AutoGenxBindAgent
}

/** Who has sent a request, as its signature and its token prove it. Frozen. */
export interface RequestingAgent {
  /** The DID of the key that has signed the request. */
  readonly did: string
  /** What its token grants; empty without `trust`. */
  readonly scopes: readonly string[]
  /** The limits of its token by their names, where anybody in the chain set one. */
  readonly quota?: Readonly<Record<string, number>>
  /** On whose behalf it acts, outermost first; empty without `trust`. */
  readonly chain: readonly string[]
  /** For whom the first of them was given the rights; the word of the token's issuer. */
  readonly onBehalfOf?: OnBehalfOf
}

/** A request that may go on, with the bytes of its body, unless they were handed out before. */
export interface Admitted {
  readonly agent: RequestingAgent
  readonly body: Uint8Array
}

const OPTIONS = ['scopes', 'approval', 'sign'] as const

/** What the middlewares of all frameworks have in common. */
export class Gate {
  readonly signer: Identity | AutoGenxBindAgent | undefined
  readonly #verifier: RequestVerifier
  readonly #demands: Pick<RouteOptions, 'scopes' | 'approval'>

  constructor(verifier: RequestVerifier | RequestVerifierOptions, options: RouteOptions, what: string) {
    checkObject(verifier, 'verifier')
    checkObject(options, 'options')
    known(options, what, OPTIONS)
    // Each by its name: `...` would pass over those that are inherited.
    const { sign, scopes, approval } = options
    this.#verifier = verifier instanceof RequestVerifier ? verifier : new RequestVerifier(verifier)
    this.#demands = checkDemands({
      ...(scopes !== undefined && { scopes }),
      ...(approval !== undefined && { approval }),
    })
    if (sign !== undefined) signerOf(sign)
    this.signer = sign
  }

  /** Whether this gate's verifier has let it through before: then a further gate asks for more of it. */
  hasAdmitted(request: object): boolean {
    return insideOf(this.#verifier).hasAccepted(request)
  }

  /** Rejects with what is no refusal: a body that was read before, a clock that fails. */
  async admit(
    request: Request | IncomingMessage,
    route: Pick<RouteOptions, 'scopes' | 'approval'> = {},
  ): Promise<Admitted | Problem> {
    const more = checkDemands(route, 'config.agent')
    const scopes = [...(this.#demands.scopes ?? []), ...(more.scopes ?? [])]
    const approval = more.approval ?? this.#demands.approval
    const demands = { scopes, ...(approval && { approval }) }
    const asked = await insideOf(this.#verifier).ask(request, demands)
    const verified = asked ?? (await this.#verifier.verify(request, demands))
    if (!verified.ok) return problemOf(verified.error, this.#verifier, demands)
    const { from, scopes: granted, quota, chain, onBehalfOf } = verified.value
    const agent = {
      did: from,
      scopes: Object.freeze([...granted]),
      ...(quota && { quota }),
      chain: Object.freeze([...chain]),
      ...(onBehalfOf && { onBehalfOf }),
    }
    return { agent: Object.freeze(agent), body: verified.value.body }
  }

  /** The fields that sign an answer; none where answers are not signed, or the request bears no signature to bind them to. */
  async signed(
    request: Request | IncomingMessage,
    status: number,
    headers: HeadersOfAnswer,
    body: Uint8Array,
  ): Promise<HeaderFields> {
    if (this.signer === undefined) return {}
    const fields: Record<string, string[]> = {}
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) fields[name] = (Array.isArray(value) ? value : [value]).map(String)
    }
    const unseen = request.method === 'HEAD' || status === 204 || status === 304
    const sent = unseen ? new Uint8Array() : body
    const answer = { status, headers: fields, body: sent }
    const signed = await responseFields(signerOf(this.signer), answer, request, {})
    return isFailure(signed) ? {} : recordOf(signed)
  }
}

type HeaderFields = Record<string, string>
type HeadersOfAnswer = Readonly<Record<string, string | number | readonly string[] | undefined>>

/** A copy of what a route demands; throws for what is none. */
export function checkDemands(
  demands: Pick<RouteOptions, 'scopes' | 'approval'>,
  what = 'options',
): Pick<RouteOptions, 'scopes' | 'approval'> {
  checkObject(demands, what)
  known(demands, what, ['scopes', 'approval'])
  const { scopes, approval } = demands
  const approving = checkApproval(approval)
  const needed = scopes === undefined ? [] : strings(scopes, 'scopes')
  for (const scope of needed) covers(scope, scope) // throws for what is no scope
  const { by, when } = approving ?? {}
  return { scopes: needed, ...(by && { approval: { by, ...(when && { when }) } }) }
}

export const isProblem = (outcome: Admitted | Problem): outcome is Problem => 'status' in outcome
