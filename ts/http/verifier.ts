import type { IncomingMessage } from 'node:http'
import type { AuthenticRequest, Failure, RequestHead, RequestRef, RequestVerifierRef } from '../native/binding'
import {
  bounded,
  checkBytes,
  checkFunction,
  checkNumber,
  checkObject,
  checkString,
  known,
  optional,
  strings,
} from '../check'
import { failure, isFailure, XBindError } from '../errors'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, orThrow, type Result } from '../result'
import type { RevocationSource } from '../tokens/revocation'
import { covers } from '../tokens/scope'
import { systemTime } from '../tokens/seconds'
import { TokenVerifier, type TokenVerifierOptions } from '../tokens/token-verifier'
import { checkApproval, type Approving, type RequestApproval } from './approval'
import { inTime, PATIENCE_MS, refusal, sourcesIn } from './asking'
import { readBody, readIncoming } from './body'
import { checkRequest, headOf, isFetchRequest, isIncoming, type HttpRequest } from './message'
import type { SignatureProfile } from './sign'

/** Remembers nonces for all replicas of a server, and beyond a restart. */
export interface NonceStore {
  /**
   * Remembers the text `key` until the second `until`: true if it was not there, false if it was; at once for all who ask, as
   * `SET key 1 NX EXAT until` of Redis does. One that throws, or answers anything else, refuses the request.
   */
  claim(key: string, until: number): boolean | Promise<boolean>
}

/** Whose requests are accepted, for which names of this server, and within which bounds. */
export interface RequestVerifierOptions {
  /** The names by which clients reach this server, as `Host` has them: `api.example`, `localhost:8080`. */
  authorities: readonly string[]
  /** Default `xbind`. */
  profile?: SignatureProfile
  /** Web Bot Auth only: DIDs of the keys that it names by thumbprint. Nothing is fetched, others are NOT_ALLOWED. */
  keys?: readonly string[]
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number
  /** Default 5, at most 300. */
  clockSkewSeconds?: number
  /** How old a signature may be, however long it says that it holds: default 300, at most 86 400. */
  maxAgeSeconds?: number
  /** Default 1 MiB. */
  maxBodyBytes?: number
  /** How many requests of one sender are remembered, and a third more of others; 1 000 000 by default. */
  maxTrackedRequests?: number
  /**
   * Shared by replicas. Without it this process alone remembers, and what was signed before the verifier began, and in the
   * seconds of `clockSkewSeconds` after it, is refused: it may have been accepted before.
   */
  nonces?: NonceStore
  /** Takes also what was signed before the verifier began: whoever has recorded such a request can repeat it after a restart. */
  dangerouslyAcceptReplayAfterRestart?: boolean
  /** DIDs whose requests are taken; everybody's by default. */
  allow?: readonly string[]
  /** Whose tokens are accepted: then each request must present one, issued to its sender. */
  trust?: TokenVerifierOptions['trust']
  /** For whom tokens and approvals are meant; `https://` and the first of the authorities by default. */
  audience?: string
  /** What the token must grant, all of it. */
  scopes?: readonly string[]
  /** Asked about every link of a token, and without `trust` about the sender. None by default. */
  revocations?: RevocationSource | readonly RevocationSource[]
  /** Somebody signs each request, with its very body, before it is accepted. */
  approval?: RequestApproval
}

/** What one request must satisfy, beside the options of its verifier. */
export interface RequestDemands {
  /** Its body, where something else has read it: the bytes as they came. */
  body?: Uint8Array
  /** What the token must grant besides. */
  scopes?: readonly string[]
  /** Who has to approve of it, in place of whom the verifier names. */
  approval?: RequestApproval
}

/** A request that passed every check: genuine, in time, for this server, and accepted for the first time. */
export interface VerifiedRequest {
  /** Proven by the signature. */
  readonly from: string
  /** What the token grants; empty without `trust`. */
  readonly scopes: readonly string[]
  /** On whose behalf the sender acts, outermost first; empty without `trust`. */
  readonly chain: readonly string[]
  /** The very bytes that were verified. */
  readonly body: Uint8Array
  /** Unique for its sender. */
  readonly nonce: string
  /** When it was signed, in seconds since the epoch. */
  readonly createdAt: number
  /**
   * The components that the signature covers, by name; `name;key="member"` where one member of a field is covered and not the
   * rest. All others are nobody's word.
   */
  readonly covered: readonly string[]
}

const OPTIONS = [
  'authorities',
  'profile',
  'keys',
  'now',
  'clockSkewSeconds',
  'maxAgeSeconds',
  'maxBodyBytes',
  'maxTrackedRequests',
  'nonces',
  'dangerouslyAcceptReplayAfterRestart',
  'allow',
  'trust',
  'audience',
  'scopes',
  'revocations',
  'approval',
] as const satisfies readonly (keyof RequestVerifierOptions)[]

/** What a gate needs of a verifier. */
export interface Inside {
  readonly profile: SignatureProfile
  readonly approval: Approving | undefined
  readonly audience: string
  /** Whether this verifier has accepted it. */
  hasAccepted(request: object): boolean
  /** Asks more of a request that this verifier has accepted; undefined if it has not. */
  ask(
    request: object,
    demands: Pick<RequestDemands, 'scopes' | 'approval'>,
  ): Promise<Result<VerifiedRequest> | undefined>
}

/** Set by the class, which alone sees it. */
export let insideOf: (verifier: RequestVerifier) => Inside

/**
 * Verifies requests that are signed with Ed25519 (RFC 9421), offline, each once.
 *
 * @example
 * ```ts
 * const verifier = new RequestVerifier({ authorities: ['api.example'], allow: [friend.did] })
 * const verified = await verifier.verify(new Request('https://api.example/orders'))
 * if (verified.ok) console.log(verified.value.from, verified.value.body)
 * ```
 */
export class RequestVerifier {
  readonly #verifier: RequestVerifierRef
  readonly #now: () => number
  readonly #maxBody: number
  readonly #nonces: NonceStore | undefined
  /** How much longer a store remembers, in seconds: until the last second is over, by its clock, and it has answered. */
  readonly #margin: number
  readonly #tokens: TokenVerifier | undefined
  readonly #scopes: readonly string[]
  readonly #audience: string
  readonly #approval: Approving | undefined
  readonly #accepted = new WeakMap<object, Accepted>()
  readonly #profile: SignatureProfile
  /** Asked about the sender, where no token is, and about who approves. */
  readonly #sources: readonly RevocationSource[]

  /** Throws INVALID_CONFIG, INVALID_DID, INVALID_KEY (a JWK set). */
  constructor(options: RequestVerifierOptions) {
    checkObject(options, 'options')
    known(options, 'RequestVerifier', OPTIONS)
    const {
      profile = 'xbind',
      now = systemTime,
      nonces,
      allow,
      keys = [],
      trust,
      scopes,
      audience,
      revocations,
      approval,
    } = options
    const { dangerouslyAcceptReplayAfterRestart: acceptReplay = false } = options
    const { clockSkewSeconds, maxAgeSeconds, maxBodyBytes, maxTrackedRequests } = options
    const authorities = strings(options.authorities, 'authorities')
    checkString(profile, 'profile')
    checkFunction(now, 'now')
    if (typeof acceptReplay !== 'boolean') throw new TypeError('dangerouslyAcceptReplayAfterRestart must be a boolean')
    if (nonces !== undefined) {
      checkObject(nonces, 'nonces')
      checkFunction(nonces.claim, 'nonces.claim')
    }
    optional(audience, checkString, 'audience')
    this.#now = now
    this.#nonces = nonces
    this.#scopes = checkScopes(scopes)
    this.#approval = checkApproval(approval)
    this.#audience = audience ?? `https://${authorities[0]}`
    this.#profile = profile
    this.#maxBody = bounded(maxBodyBytes, 1 << 20, 'maxBodyBytes', 0, 0x7fff_ffff)
    const clockSkew = bounded(clockSkewSeconds, 5, 'clockSkewSeconds', 0, 300)
    this.#margin = 1 + clockSkew + PATIENCE_MS / 1000
    const started = nonces === undefined && !acceptReplay ? this.#time() : undefined
    const policy = {
      profile,
      authorities,
      clockSkew,
      maxAge: bounded(maxAgeSeconds, 300, 'maxAgeSeconds', 1, 86_400),
      maxBody: this.#maxBody,
      maxTracked: bounded(maxTrackedRequests, 1_000_000, 'maxTrackedRequests', 1, 100_000_000),
      allow: allow === undefined ? undefined : strings(allow, 'allow'),
      keys: strings(keys, 'keys'),
    }
    if (profile === 'xbind' && policy.keys.length > 0) {
      const why = 'keys are of Web Bot Auth; the profile xbind names its keys itself'
      throw new XBindError(failure('INVALID_CONFIG', why, 'say in `allow` whose requests are taken'))
    }
    this.#verifier = orThrow(native.newRequestVerifier(json(policy), started))
    if (trust === undefined) {
      if (this.#scopes.length > 0) {
        throw new XBindError(failure('INVALID_CONFIG', 'scopes are of tokens', 'say in `trust` whose tokens count'))
      }
    } else {
      this.#tokens = new TokenVerifier({
        audience: this.#audience,
        trust,
        now,
        ...(revocations !== undefined && { revocations }),
      })
    }
    this.#sources = sourcesIn(revocations)
  }

  /**
   * Verifies a request and reads its body: all checks of docs/http.md, in that order. Takes a `Request`, a request of node:http,
   * or plain data. Rejects with what `now` throws, and with a TypeError for a body that was read already.
   * Errors: MALFORMED_MESSAGE, INVALID_SIGNATURE, WRONG_AUDIENCE, MESSAGE_NOT_YET_VALID, MESSAGE_EXPIRED, INVALID_DID,
   * NOT_ALLOWED, those of tokens, SCOPE_DENIED, REVOKED, REVOCATION_UNKNOWN, PAYLOAD_TOO_LARGE, ABORTED, REPLAYED,
   * REPLAY_WINDOW_FULL (also if the store of nonces does not answer), APPROVAL_REQUIRED, APPROVAL_REFUSED.
   */
  async verify(
    request: Request | IncomingMessage | HttpRequest,
    options: RequestDemands = {},
  ): Promise<Result<VerifiedRequest>> {
    checkObject(request, 'request')
    checkObject(options, 'options')
    known(options, 'verify()', ['body', 'scopes', 'approval'])
    const { body: given, scopes, approval } = options
    optional(given, checkBytes, 'body')
    const demands = { scopes: this.#needed(scopes), approval: checkApproval(approval) ?? this.#approval }
    const now = this.#time()
    const head = headOf(request)
    const genuine = native.authenticateRequest(this.#verifier, json(head), now)
    if (isFailure(genuine)) return fail(genuine)
    const [kept, says] = genuine
    const authentic = read(says)
    const rights = await this.#rights(authentic, demands.scopes)
    if (!rights.ok) return rights
    const body = await this.#body(request, given, (authentic.until + 1 - now) * 1000)
    if (isFailure(body)) return fail(body)
    const claim = native.acceptRequest(this.#verifier, kept, body, this.#time())
    if (isFailure(claim)) return fail(claim)
    const taken = await this.#claim(claim, authentic.until, replayed)
    if (taken) return fail(taken)
    const accepted = { authentic, kept, head, body }
    const settled = await this.#settle(accepted, demands)
    if (settled.ok) this.#accepted.set(request, accepted)
    return settled
  }

  #needed(scopes: readonly string[] | undefined): string[] {
    return [...this.#scopes, ...checkScopes(scopes)]
  }

  /** What remains to be asked of a request that is accepted. */
  async #settle(accepted: Accepted, { scopes, approval }: Demands): Promise<Result<VerifiedRequest>> {
    const { authentic, body } = accepted
    const refused = approval && (await this.#approve(accepted, approval))
    if (refused) return fail(refused)
    // Body and store took their time, in which a token or its sender may have been revoked.
    const still = await this.#rights(authentic, scopes)
    if (!still.ok) return still
    const { from, nonce, created, covered } = authentic
    return ok({ from, ...still.value, body, nonce, createdAt: created, covered })
  }

  async #approve({ authentic, kept, head, body }: Accepted, { by, when }: Approving): Promise<Failure | undefined> {
    const { method, target } = head
    if (when) {
      const needs: unknown = when(Object.freeze({ from: authentic.from, method, target, body: body.slice() }))
      if (needs === false) return undefined
      if (needs instanceof Promise) needs.catch(() => {}) // neither yes nor no, and nobody waits for it
    }
    const approved = native.approveRequest(this.#verifier, kept, body, by, this.#audience, this.#time())
    if (isFailure(approved)) return approved
    const used = read(approved)
    const taken = await this.#claim(used.claim, used.until, usedBefore)
    return taken ?? (await refusal(this.#sources, used.approver, used.issuedAt))
  }

  async #rights({ from, created, token }: AuthenticRequest, scopes: readonly string[]): Promise<Result<Rights>> {
    if (!this.#tokens) {
      if (scopes.length > 0) return fail(failure('SCOPE_DENIED', 'nobody is trusted to grant scopes here'))
      const refused = await refusal(this.#sources, from, created)
      return refused ? fail(refused) : ok(none)
    }
    if (token === undefined) {
      return fail(failure('SCOPE_DENIED', 'the request presents no token', 'give signRequest or createFetch a token'))
    }
    const verified = await this.#tokens.verify(token, { presenter: from, scopes })
    return verified.ok ? ok({ scopes: verified.value.scopes, chain: verified.value.chain }) : verified
  }

  async #body(
    request: Request | IncomingMessage | HttpRequest,
    given: Uint8Array | undefined,
    milliseconds: number,
  ): Promise<Uint8Array | Failure> {
    if (given !== undefined) return new Uint8Array(given)
    const limits = { most: this.#maxBody, milliseconds }
    if (isIncoming(request)) return readIncoming(request, limits)
    if (isFetchRequest(request)) return readBody(request, limits)
    return new Uint8Array(checkRequest(request).body ?? [])
  }

  async #claim(key: string, until: number, taken: Failure): Promise<Failure | undefined> {
    if (!this.#nonces) return undefined
    const store = this.#nonces
    const answer = await inTime(() => store.claim(key, until + this.#margin))
    if (answer === true) return undefined
    if (answer === false) return taken
    return failure(
      'REPLAY_WINDOW_FULL',
      'the store of nonces did not answer',
      'look at the store; sign the request anew',
      true,
    )
  }

  #time(): number {
    const now = this.#now()
    checkNumber(now, 'now()')
    return now
  }

  static {
    insideOf = (verifier) => ({
      profile: verifier.#profile,
      approval: verifier.#approval,
      audience: verifier.#audience,
      hasAccepted: (request) => verifier.#accepted.has(request),
      ask: async (request, { scopes, approval }) => {
        const accepted = verifier.#accepted.get(request)
        const demands = { scopes: verifier.#needed(scopes), approval: checkApproval(approval) }
        return accepted && (await verifier.#settle(accepted, demands))
      },
    })
  }
}

/** A request that was accepted, for those who ask more of it. */
interface Accepted {
  readonly authentic: AuthenticRequest
  /** The same in native memory. */
  readonly kept: RequestRef
  readonly head: RequestHead
  readonly body: Uint8Array
}

interface Demands {
  readonly scopes: readonly string[]
  readonly approval: Approving | undefined
}

const replayed = failure('REPLAYED', 'a request with this nonce was accepted before')
const usedBefore = failure('APPROVAL_REQUIRED', 'the approval was used before')

interface Rights {
  readonly scopes: readonly string[]
  readonly chain: readonly string[]
}

const none: Rights = Object.freeze({ scopes: Object.freeze([]), chain: Object.freeze([]) })

function checkScopes(scopes: readonly string[] | undefined): string[] {
  const checked = scopes === undefined ? [] : strings(scopes, 'scopes')
  for (const scope of checked) covers(scope, scope) // throws for what is no scope
  return checked
}
