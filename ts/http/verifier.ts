import type { IncomingMessage } from 'node:http'
import type {
  AuthenticRequest,
  Failure,
  RequestHead,
  RequestRef,
  RequestVerifierRef,
  UsedApproval,
} from '../native/binding'
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
import { Recorder } from '../agent/audit'
import { failure, isFailure, XBindError } from '../errors'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, orThrow, type Result } from '../result'
import type { RevocationSource } from '../tokens/revocation'
import { covers } from '../tokens/scope'
import { systemTime } from '../tokens/seconds'
import { TokenVerifier } from '../tokens/token-verifier'
import { checkApproval, expired, usedBefore, type Approving } from './approval'
import { inTime, PATIENCE_MS, refusal, sourcesIn } from './asking'
import { readBody, readIncoming } from './body'
import {
  OPTIONS,
  type NonceStore,
  type RequestDemands,
  type RequestVerifierOptions,
  type VerifiedRequest,
} from './demands'
import { entryOf } from './entry'
import { checkRequest, headOf, isFetchRequest, isIncoming, type HttpRequest } from './message'
import type { SignatureProfile } from './sign'

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
  readonly #recorder: Recorder | undefined

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
    const { dangerouslyAcceptReplayAfterRestart: acceptReplay = false, audit, dangerouslyContinueUnrecorded } = options
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
    this.#recorder = Recorder.of(audit, dangerouslyContinueUnrecorded)
  }

  /**
   * Verifies a request and reads its body: all checks of docs/http.md, in that order. Takes a `Request`, a request of node:http,
   * or plain data. Rejects with what `now` throws, and with a TypeError for a body that was read already.
   * Errors: MALFORMED_MESSAGE, INVALID_SIGNATURE, WRONG_AUDIENCE, MESSAGE_NOT_YET_VALID, MESSAGE_EXPIRED, INVALID_DID,
   * NOT_ALLOWED, those of tokens, SCOPE_DENIED, REVOKED, REVOCATION_UNKNOWN, PAYLOAD_TOO_LARGE, ABORTED, REPLAYED,
   * REPLAY_WINDOW_FULL (also if the store of nonces does not answer), APPROVAL_REQUIRED, APPROVAL_REFUSED, AUDIT_FAILED.
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
    const head = headOf(request)
    const now = this.#time(head)
    const genuine = native.authenticateRequest(this.#verifier, json(head), now)
    if (isFailure(genuine)) return this.#recorded(fail(genuine), head)
    const [kept, says] = genuine
    const authentic = read(says)
    const verifying = this.#accept({ authentic, kept, head }, demands, request, given, now)
    const verified = await verifying.catch((thrown: unknown) => this.#thrown(head, authentic, thrown))
    return this.#recorded(verified, head, authentic, request)
  }

  /** A function of the program that throws has refused the request. */
  #thrown({ method, target }: RequestHead, authentic: AuthenticRequest | undefined, thrown: unknown): never {
    this.#recorder?.thrown(entryOf(method, target, this.#audience, authentic))
    throw thrown
  }

  /** What was decided is on record, or the request is refused. */
  async #recorded(
    verified: Result<Settled>,
    { method, target }: RequestHead,
    authentic?: AuthenticRequest,
    request?: object,
  ): Promise<Result<VerifiedRequest>> {
    if (!verified.ok) {
      if (verified.error.code !== 'AUDIT_FAILED') {
        this.#recorder?.refused(entryOf(method, target, this.#audience, authentic), verified.error)
      }
      return verified
    }
    const { accepted, token, used, request: settled } = verified.value
    if (this.#recorder) {
      const { from, chain } = settled
      const entry = { ...entryOf(method, target, this.#audience, authentic), from, token, chain }
      const done = await this.#recorder.commit({ ...entry, outcome: 'accepted' })
      if (isFailure(done)) {
        // It may come again as it is. A store of nonces keeps what it has claimed.
        native.forgetRequest(this.#verifier, request && accepted.kept, used?.approver, used?.id)
        return fail(done)
      }
      const still = done ? await this.#still(verified.value) : undefined
      if (still) return this.#recorded(fail(still), accepted.head, authentic)
    }
    if (request) this.#accepted.set(request, accepted)
    return ok(settled)
  }

  async #accept(
    genuine: Omit<Accepted, 'body'>,
    demands: Demands,
    request: Request | IncomingMessage | HttpRequest,
    given: Uint8Array | undefined,
    now: number,
  ): Promise<Result<Settled>> {
    const { authentic, kept } = genuine
    const rights = await this.#rights(authentic, demands.scopes)
    if (!rights.ok) return rights
    const body = await this.#body(request, given, (authentic.until + 1 - now) * 1000)
    if (isFailure(body)) return fail(body)
    const blocked = this.#recorder?.blocked
    if (blocked) return fail(blocked)
    const claim = native.acceptRequest(this.#verifier, kept, body, this.#time())
    if (isFailure(claim)) return fail(claim)
    const taken = await this.#claim(claim, authentic.until, replayed)
    if (taken) return fail(taken)
    return this.#settle({ ...genuine, body }, demands)
  }

  #needed(scopes: readonly string[] | undefined): string[] {
    return [...this.#scopes, ...checkScopes(scopes)]
  }

  /** What remains to be asked of a request that is accepted. */
  async #settle(accepted: Accepted, { scopes, approval }: Demands): Promise<Result<Settled>> {
    const { authentic, body } = accepted
    const used = approval && (await this.#approve(accepted, approval))
    if (isFailure(used)) return fail(used)
    // Body and store took their time, in which a token or its sender may have been revoked.
    const still = await this.#rights(authentic, scopes)
    if (!still.ok) return still
    const { from, nonce, created, covered } = authentic
    const { token, ...granted } = still.value
    return ok({
      accepted,
      token,
      used,
      scopes,
      request: { from, ...granted, body, nonce, createdAt: created, covered },
    })
  }

  /** Why it does not hold any more, if it does not, once its record was waited for. */
  async #still({ accepted, used, scopes }: Settled): Promise<Failure | undefined> {
    const judge = async (): Promise<Failure | undefined> => {
      const rights = await this.#rights(accepted.authentic, scopes)
      if (!rights.ok) return rights.error
      if (used && this.#time() > used.until) return expired
      return used && (await refusal(this.#sources, used.approver, used.issuedAt))
    }
    return judge().catch((thrown: unknown) => this.#thrown(accepted.head, accepted.authentic, thrown))
  }

  async #approve(
    { authentic, kept, head, body }: Accepted,
    { by, when }: Approving,
  ): Promise<Failure | UsedApproval | undefined> {
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
    return taken ?? (await refusal(this.#sources, used.approver, used.issuedAt)) ?? used
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
    if (!verified.ok) return verified
    const { scopes: granted, quota, chain, onBehalfOf, id } = verified.value
    return ok({ scopes: granted, ...(quota && { quota }), chain, token: id, ...(onBehalfOf && { onBehalfOf }) })
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

  /** The time; of a request of which nothing else is known yet it is on record where there is none. */
  #time(head?: RequestHead): number {
    try {
      const now = this.#now()
      return (checkNumber(now, 'now()'), now)
    } catch (thrown) {
      if (head) this.#thrown(head, undefined, thrown)
      throw thrown
    }
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
        if (!accepted) return undefined
        const { head, authentic } = accepted
        const settling = verifier.#settle(accepted, demands)
        const settled = await settling.catch((thrown: unknown) => verifier.#thrown(head, authentic, thrown))
        return verifier.#recorded(settled, accepted.head, accepted.authentic)
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

/** A request of which nothing remains to be asked, with the id of its token. */
interface Settled {
  readonly accepted: Accepted
  readonly token: string | undefined
  readonly used: UsedApproval | undefined
  readonly scopes: readonly string[]
  readonly request: VerifiedRequest
}

interface Demands {
  readonly scopes: readonly string[]
  readonly approval: Approving | undefined
}

const replayed = failure('REPLAYED', 'a request with this nonce was accepted before')

type Rights = Pick<VerifiedRequest, 'scopes' | 'quota' | 'chain' | 'onBehalfOf'> & {
  readonly token: string | undefined
}

const none: Rights = Object.freeze({ scopes: Object.freeze([]), chain: Object.freeze([]), token: undefined })

function checkScopes(scopes: readonly string[] | undefined): string[] {
  const checked = scopes === undefined ? [] : strings(scopes, 'scopes')
  for (const scope of checked) covers(scope, scope) // throws for what is no scope
  return checked
}
