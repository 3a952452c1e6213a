import type { AutoGenxBindAgent, CallOptions, Handler } from './agent'
import { verifyApproval, type ApprovedCall } from './approval'
import { checkFunction, checkNumber, checkString, optional } from './check'
import { failure, XBindError } from './errors'
import type { Admission, Incoming, Refusal } from './port'
import { native } from './native'
import { orThrow, type Result } from './result'
import { covers } from './scope'
import type { TokenClaims } from './token'
import { TokenVerifier, type TokenVerifierOptions } from './token-verifier'

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

/** A mistyped policy must not read as none. */
const known = new Set(['allow', 'trust', 'scopes', 'revocations', 'approval'])

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
  readonly #rights: Rights | undefined

  constructor(post: () => Post, handler: Handler, options: HandleOptions) {
    const { allow, trust, scopes, approval } = options
    this.#handler = handler
    this.#allow = predicate(allow)
    for (const option of Object.keys(options)) {
      if (!known.has(option)) throw new TypeError(`handle() has no option ${option}`)
    }
    if (trust === undefined && (scopes ?? options.revocations) !== undefined) {
      const what = scopes === undefined ? 'revocations' : 'scopes'
      throw new XBindError(failure('INVALID_CONFIG', `${what} without trust`, 'say with trust whose tokens count'))
    }
    if (Array.isArray(trust) && trust.length === 0) {
      throw new XBindError(failure('INVALID_CONFIG', 'trust names nobody', 'name whose tokens count'))
    }
    this.#rights = trust !== undefined || approval !== undefined ? new Rights(post(), options) : undefined
  }

  admit(call: Incoming, body: string | Uint8Array, token: string | null): Admission | Promise<Admission> {
    if (this.#allow !== undefined && this.#allow(call.from) !== true) return { code: 'NOT_ALLOWED' }
    const refusal = this.#rights?.refuse(call, body, token)
    if (refusal instanceof Promise) return refusal.then((refusal) => refusal ?? this.#handler)
    return refusal ?? this.#handler
  }
}

type Verdict = Refusal | undefined

class Rights {
  readonly #post: Post
  readonly #verifier: TokenVerifier | undefined
  readonly #scopes: readonly string[]
  /** Claims that grant all of the scopes: frozen, and the same object for the same token. */
  readonly #enough = new WeakSet<TokenClaims>()
  readonly #approvers: readonly string[]
  readonly #approval: ApprovalPolicy | undefined

  constructor(post: Post, { trust, scopes = [], revocations, approval }: HandleOptions) {
    this.#post = post
    if (!Array.isArray(scopes)) throw new TypeError('scopes must be a list of scopes')
    for (const scope of scopes as unknown[]) {
      checkString(scope, 'scopes')
      covers(scope, scope) // throws for what is no scope
    }
    this.#scopes = [...scopes]
    this.#verifier = trust && new TokenVerifier({ audience: post.did, trust, ...(revocations && { revocations }) })
    this.#approval = approval
    this.#approvers = approval ? checkApproval(approval) : []
  }

  refuse(call: Incoming, body: string | Uint8Array, presented: string | null): Verdict | Promise<Verdict> {
    const [token = '', approval] = (presented ?? '').split('~')
    if (!this.#verifier) return this.#decide(call, body, approval)
    if (token === '') return denied(this.#scopes, [])
    // Without I/O where that is enough, so that a call with a known token is as quick as one without.
    const presenter = call.from
    const known = this.#verifier.verifySync(token, { presenter })
    if (known.ok || (known.error.code !== 'UNTRUSTED_ISSUER' && known.error.code !== 'REVOCATION_UNKNOWN')) {
      return this.#grant(call, known) ?? this.#decide(call, body, approval)
    }
    const asked = this.#verifier.verify(token, { presenter })
    return asked.then((claims) => this.#grant(call, claims) ?? this.#decide(call, body, approval))
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
    if (!this.#approval || this.#approval.when?.(call) === false) return undefined
    const contentType = typeof body === 'string' ? 'application/json' : 'application/octet-stream'
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const approved = { caller: call.from, recipient: this.#post.did, body: bytes, contentType }
    return approval === undefined ? this.#ask(call, approved) : this.#check(approved, approval)
  }

  #check(call: ApprovedCall, statement: string): Verdict {
    const decided = verifyApproval(statement, { call, approvers: this.#approvers })
    if (!decided.ok) return { code: 'APPROVAL_REQUIRED' }
    const { decision, approver, id, expiresAt } = decided.value
    if (decision !== 'approve') return { code: 'APPROVAL_REFUSED' }
    return this.#post.useOnce(approver, id, expiresAt) ? undefined : { code: 'APPROVAL_REQUIRED' }
  }

  async #ask(call: Incoming, approved: Required<ApprovedCall>): Promise<Verdict> {
    const { caller, contentType, body } = approved
    const [approver = ''] = this.#approvers
    const { timeoutMs = 60_000 } = this.#approval ?? {}
    const approvalRequest: ApprovalRequestBody = {
      caller,
      contentType,
      body: Buffer.from(body).toString('base64url'),
      chain: call.chain,
    }
    const answer = await this.#post.call(approver, { approvalRequest }, { timeoutMs, signal: call.signal })
    if (!answer.ok) return { code: answer.error.code === 'TIMEOUT' ? 'APPROVAL_TIMEOUT' : 'APPROVAL_REQUIRED' }
    const { approval } = (answer.value ?? {}) as { approval?: unknown }
    return typeof approval === 'string' ? this.#check(approved, approval) : { code: 'APPROVAL_REQUIRED' }
  }
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
 * this agent and these arguments. Calls that ask for no approval go to `otherwise`.
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
  optional(otherwise, checkFunction, 'otherwise')
  return async (call) => {
    const request = requestIn(call.payload)
    if (!request) {
      if (otherwise) return otherwise(call)
      throw new TypeError('not a request for an approval')
    }
    const body = Buffer.from(request.body, 'base64url')
    const { caller, contentType, chain } = request
    const payload: unknown = contentType === 'application/json' ? JSON.parse(body.toString()) : new Uint8Array(body)
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

function predicate(allow: HandleOptions['allow']): ((from: string) => boolean) | undefined {
  if (allow === undefined || typeof allow === 'function') return allow
  if (!Array.isArray(allow)) throw new TypeError('allow must be a list of DIDs or a function')
  for (const did of allow as unknown[]) checkString(did, 'allow')
  const listed = new Set(allow as readonly string[])
  return (from) => listed.has(from)
}

function checkApproval({ by, when, timeoutMs }: ApprovalPolicy): readonly string[] {
  const approvers = typeof by === 'string' ? [by] : by
  if (!Array.isArray(approvers)) throw new TypeError('approval.by must be a DID or a list of DIDs')
  for (const did of approvers as unknown[]) {
    checkString(did, 'approval.by')
    orThrow(native.didToPublicKey(did))
  }
  optional(when, checkFunction, 'approval.when')
  optional(timeoutMs, checkNumber, 'approval.timeoutMs')
  if (approvers.length === 0) throw new XBindError(failure('INVALID_CONFIG', 'approval.by names nobody'))
  return approvers as readonly string[]
}

function denied(needs: readonly string[], holds: readonly string[]): Refusal {
  return { code: 'SCOPE_DENIED', detail: JSON.stringify({ needs: needs.join(' '), holds: holds.join(' ') }) }
}
