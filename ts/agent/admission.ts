import type { AutoGenxBindAgent, CallOptions, Handler } from './agent'
import type { Presented } from '../native/binding'
import { verifyApproval, type ApprovedCall } from '../tokens/approval'
import { bounded, checkFunction, checkObject, known, strings } from '../check'
import { failure, isFailure, XBindError } from '../errors'
import type { Admission, Held, Incoming, Refusal } from './port'
import { native } from '../native'
import { sayingThatItWaits } from './progress'
import { orThrow, type Result } from '../result'
import { covers } from '../tokens/scope'
import type { TokenClaims } from '../tokens/token'
import { TokenVerifier, type TokenVerifierOptions } from '../tokens/token-verifier'

/** Who may call a handler, and with which rights. */
export interface HandleOptions {
  /** DIDs, or a predicate over the proven DID; everyone by default. */
  allow?: readonly string[] | ((from: string) => boolean)
  /** Whose tokens are accepted: DIDs, and issuers with their JWKS. With it, a call must present a token for this agent. */
  trust?: TokenVerifierOptions['trust']
  /** What the token must grant, all of it. */
  scopes?: readonly string[]
  /** Where it is asked whether a token, a link or a DID was revoked. */
  revocations?: TokenVerifierOptions['revocations']
  /** Somebody signs each call, with its very arguments, before the handler runs. */
  approval?: ApprovalPolicy
}

/** Who has to approve of calls, and of which. */
export interface ApprovalPolicy {
  /** DIDs whose approval counts. The first one is asked over the bus when a call brings none along. */
  by: string | readonly string[]
  /** Which calls need one; all by default. */
  when?: (call: {
    /** The caller's DID, proven by its signature. */
    readonly from: string
    /** The arguments of the call. */
    readonly payload: unknown
  }) => boolean
  /** How long the approver may take, default 60 000. */
  timeoutMs?: number
}

/** What an admission needs of its agent. */
export interface Post {
  readonly did: string
  call(to: string, payload: unknown, options: CallOptions): Promise<Result<unknown>>
  /** False for an approval that was used before. */
  useOnce(approver: string, id: string, until: number): boolean
}

/** A handler and the policy it was set with: they decide together, also about calls that were let in before. */
export class Duty {
  readonly #handler: Handler
  readonly #allow: ((from: string) => boolean) | undefined
  /** Who may call, where a list says so. */
  readonly only: string[] | undefined
  readonly #rights: Rights | undefined

  constructor(post: () => Post, handler: Handler, options: HandleOptions) {
    known(options, 'handle()', ['allow', 'trust', 'scopes', 'revocations', 'approval'])
    const { allow, trust, scopes, revocations, approval } = options
    this.#handler = handler
    if (allow === undefined || typeof allow === 'function') {
      this.#allow = allow
    } else {
      this.only = strings(allow, 'allow')
      const listed = new Set(this.only)
      this.#allow = (from) => listed.has(from)
    }
    if (trust === undefined && (scopes !== undefined || revocations !== undefined)) {
      const what = scopes === undefined ? 'revocations' : 'scopes'
      throw new XBindError(failure('INVALID_CONFIG', `${what} without trust`, 'say with trust whose tokens count'))
    }
    if (Array.isArray(trust) && trust.length === 0) {
      throw new XBindError(failure('INVALID_CONFIG', 'trust names nobody', 'name whose tokens count'))
    }
    const policed = trust !== undefined || approval !== undefined
    this.#rights = policed ? new Rights(post(), { trust, scopes, revocations, approval }) : undefined
  }

  /** Whether a list or predicate lets that DID call. */
  allows(from: string): boolean {
    return this.#allow === undefined || said(this.#allow(from)) === true
  }

  /** Whether that is its handler. */
  isOf(handler: unknown): boolean {
    return this.#handler === handler
  }

  /** `current` says whether this policy is still the agent's. */
  admit(
    call: Incoming,
    body: string | Uint8Array,
    token: string | null,
    current: () => boolean,
  ): Admission | Promise<Admission> {
    if (!this.allows(call.from)) return { code: 'NOT_ALLOWED' }
    const presented = token === null ? {} : native.readPresented(token)
    if (isFailure(presented)) return { code: 'INVALID_TOKEN' }
    const refusal = this.#rights?.refuse(call, body, presented)
    if (refusal instanceof Promise) return refusal.then((refusal) => refusal ?? this.#held(call, presented, current))
    // Predicates and sources may have set another policy, though asking them took no time.
    return refusal ?? (current() ? this.#handler : { handler: this.#handler, holds: () => 'again' })
  }

  /** What was true before somebody was asked need not be any more when the handler begins. */
  #held(call: Incoming, presented: Presented, current: () => boolean): Held {
    const holds = (): Refusal | 'again' | undefined => {
      if (!current()) return 'again'
      if (!this.allows(call.from)) return { code: 'NOT_ALLOWED' }
      return this.#rights?.lost(call, presented) ?? (current() ? undefined : 'again')
    }
    return { handler: this.#handler, holds }
  }
}

type Verdict = Refusal | undefined
type Policy = { [option in 'trust' | 'scopes' | 'revocations' | 'approval']: HandleOptions[option] }

class Rights {
  readonly #post: Post
  readonly #verifier: TokenVerifier | undefined
  readonly #scopes: readonly string[]
  /** Claims that grant all of the scopes: frozen, and the same object for the same token. */
  readonly #enough = new WeakSet<TokenClaims>()
  readonly #approval: CheckedApproval | undefined

  constructor(post: Post, { trust, scopes, revocations, approval }: Policy) {
    this.#post = post
    this.#scopes = scopes === undefined ? [] : strings(scopes, 'scopes')
    for (const scope of this.#scopes) covers(scope, scope) // throws for what is no scope
    if (trust !== undefined) {
      const revoked = revocations === undefined ? {} : { revocations }
      this.#verifier = new TokenVerifier({ audience: post.did, trust, ...revoked })
    }
    this.#approval = approval === undefined ? undefined : checkApproval(approval)
  }

  refuse(call: Incoming, body: string | Uint8Array, presented: Presented): Verdict | Promise<Verdict> {
    const { token, approval } = presented
    if (!this.#verifier) return this.#decide(call, body, approval)
    if (token === undefined) return denied(this.#scopes, [])
    const verifier = this.#verifier
    const presenter = call.from
    const verify = async (): Promise<Verdict> => this.#grant(call, await verifier.verify(token, { presenter }))
    const decide = (): Verdict | Promise<Verdict> => {
      const decided = this.#decide(call, body, approval)
      // An approver takes time, in which keys, sources and lists may have come to know better, or nothing any more.
      return decided instanceof Promise ? decided.then((refusal) => refusal ?? verify()) : decided
    }
    // Without I/O where that is enough, so that a call with a known token is as quick as one without.
    const at = verifier.verifySync(token, { presenter })
    if (at.ok || !isToBeAsked(at)) {
      const verdict = this.#grant(call, at) ?? decide()
      // `when` was asked after the token.
      return verdict ?? (this.#approval?.when ? this.lost(call, presented) : undefined)
    }
    return verify().then((refusal) => refusal ?? decide())
  }

  /** Whether the token has been lost meanwhile, as far as it can be told without asking anybody. */
  lost(call: Incoming, { token }: Presented): Verdict {
    if (!this.#verifier || token === undefined) return undefined
    const at = this.#verifier.verifySync(token, { presenter: call.from })
    return at.ok || isToBeAsked(at) ? undefined : { code: at.error.code }
  }

  #grant(call: Incoming, verified: Result<TokenClaims>): Verdict {
    if (!verified.ok) return { code: verified.error.code }
    const { scopes, chain } = verified.value
    if (!this.#enough.has(verified.value)) {
      const missing = this.#scopes.filter((needed) => !scopes.some((scope) => covers(scope, needed)))
      if (missing.length > 0) return denied(missing, scopes)
      this.#enough.add(verified.value)
    }
    call.scopes = scopes
    call.chain = chain
    return undefined
  }

  #decide(call: Incoming, body: string | Uint8Array, approval: string | undefined): Verdict | Promise<Verdict> {
    const policy = this.#approval
    if (!policy) return undefined
    if (policy.when && !call.read()) return { code: 'INVALID_PAYLOAD' }
    if (said(policy.when?.(call)) === false) return undefined
    const contentType = typeof body === 'string' ? 'application/json' : 'application/octet-stream'
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const approved = { caller: call.from, recipient: this.#post.did, body: bytes, contentType }
    return approval === undefined ? this.#ask(call, approved, policy) : this.#check(approved, approval, policy)
  }

  #check(call: ApprovedCall, statement: string, { approvers }: CheckedApproval): Verdict {
    const decided = verifyApproval(statement, { call, approvers })
    if (!decided.ok) return { code: 'APPROVAL_REQUIRED' }
    const { decision, approver, id, expiresAt } = decided.value
    if (decision !== 'approve') return { code: 'APPROVAL_REFUSED' }
    return this.#post.useOnce(approver, id, expiresAt) ? undefined : { code: 'APPROVAL_REQUIRED' }
  }

  async #ask(call: Incoming, approved: Required<ApprovedCall>, policy: CheckedApproval): Promise<Verdict> {
    const { caller, contentType, body } = approved
    const { approvers, timeoutMs } = policy
    const [approver = ''] = approvers
    const approvalRequest: ApprovalRequestBody = {
      caller,
      contentType,
      body: Buffer.from(body).toString('base64url'),
      chain: call.chain,
    }
    const stopSaying = sayingThatItWaits(call.progress)
    const options = { timeoutMs, maxTotalTimeoutMs: timeoutMs, signal: call.signal }
    const answer = await this.#post.call(approver, { approvalRequest }, options).finally(stopSaying)
    if (!answer.ok) return { code: answer.error.code === 'TIMEOUT' ? 'APPROVAL_TIMEOUT' : 'APPROVAL_REQUIRED' }
    const { approval } = (answer.value ?? {}) as { approval?: unknown }
    return typeof approval === 'string' ? this.#check(approved, approval, policy) : { code: 'APPROVAL_REQUIRED' }
  }
}

/** What a predicate says. A promise is neither yes nor no, and nobody waits for it: its failure is not to end the process. */
function said(answer: unknown): unknown {
  if (typeof answer === 'object') Promise.resolve(answer).catch(() => {})
  return answer
}

/** Whether keys or sources that can only be asked with patience may know more. */
function isToBeAsked({ error }: { error: XBindError }): boolean {
  return error.code === 'UNTRUSTED_ISSUER' || error.code === 'REVOCATION_UNKNOWN'
}

interface ApprovalRequestBody {
  caller: string
  contentType: string
  body: string
  chain: readonly string[]
}

/** What an approver decides upon. */
export interface ApprovalRequest {
  /** The agent that was called and asks for the approval. Proven by its signature. */
  readonly agent: string
  /** Who called it, as that agent says. */
  readonly caller: string
  /** The very arguments of the call. */
  readonly payload: unknown
  /** On whose behalf the caller acts, outermost first, as that agent says. */
  readonly chain: readonly string[]
}

/**
 * A handler for an approver: `operator.handle(approvals(operator, (request) => …))`. Each decision is signed for this caller,
 * this agent and these arguments. Calls that ask for no approval go to `otherwise`. Arguments that could be read in more than
 * one way are neither shown nor signed: INVALID_PAYLOAD.
 *
 * @example
 * ```ts
 * agent.handle(approvals(agent, ({ payload }) => (payload as { amount: number }).amount < 1000))
 * ```
 */
export function approvals(
  approver: AutoGenxBindAgent,
  decide: (request: ApprovalRequest) => boolean | Promise<boolean>,
  otherwise?: Handler,
): Handler {
  checkFunction(decide, 'decide')
  if (otherwise !== undefined) checkFunction(otherwise, 'otherwise')
  return async (call) => {
    const request = requestIn(call.payload)
    if (!request) {
      if (otherwise) return otherwise(call)
      throw new TypeError('not a request for an approval')
    }
    const { caller, contentType, chain } = request
    const shown = native.shownBody(contentType, request.body)
    if (isFailure(shown)) throw new XBindError(shown)
    const body = new Uint8Array(typeof shown === 'string' ? Buffer.from(shown) : shown) // payload is the decider's own
    const payload: unknown = typeof shown === 'string' ? JSON.parse(shown) : new Uint8Array(shown)
    const yes = await decide({ agent: call.from, caller, payload, chain })
    const decision = yes === true ? 'approve' : 'deny'
    const signed = await approver.decide({ decision, call: { caller, recipient: call.from, body, contentType } })
    if (!signed.ok) throw signed.error
    return { approval: signed.value }
  }
}

function requestIn(payload: unknown): ApprovalRequestBody | undefined {
  const request = (payload as { approvalRequest?: Partial<ApprovalRequestBody> } | null)?.approvalRequest
  if (typeof request !== 'object' || request === null) return undefined
  const { caller, contentType, body, chain } = request
  const strings = [caller, contentType, body, ...(Array.isArray(chain) ? chain : [undefined])]
  return strings.every((value) => typeof value === 'string') ? (request as ApprovalRequestBody) : undefined
}

interface CheckedApproval {
  readonly approvers: readonly string[]
  readonly when: ApprovalPolicy['when']
  readonly timeoutMs: number
}

/** A copy, so that nobody changes the policy afterwards. */
function checkApproval(policy: ApprovalPolicy): CheckedApproval {
  checkObject(policy, 'approval')
  known(policy, 'approval', ['by', 'when', 'timeoutMs'])
  const { by, when, timeoutMs } = policy
  const approvers = typeof by === 'string' ? [by] : strings(by, 'approval.by')
  for (const did of approvers) orThrow(native.didToPublicKey(did))
  if (when !== undefined) checkFunction(when, 'approval.when')
  if (approvers.length === 0) throw new XBindError(failure('INVALID_CONFIG', 'approval.by names nobody'))
  return { approvers, when, timeoutMs: bounded(timeoutMs, 60_000, 'approval.timeoutMs', 1, 0x7fff_ffff) }
}

function denied(needs: readonly string[], holds: readonly string[]): Refusal {
  return { code: 'SCOPE_DENIED', detail: JSON.stringify({ needs: needs.join(' '), holds: holds.join(' ') }) }
}
