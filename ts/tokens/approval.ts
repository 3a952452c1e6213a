import type { Call, KeyRef } from '../native/binding'
import { bounded, checkBytes, checkObject, checkString, known, optional, strings } from '../check'
import { isFailure } from '../errors'
import { Recorder, type AuditOptions } from '../agent/audit'
import { keyOf, type Identity } from '../agent/identity'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, result, type Result } from '../result'
import { notWhole } from './seconds'
import { recorded } from './token'

/** The call that is decided upon: these two, this method, and these very bytes. */
export interface ApprovedCall {
  /** The DID that makes it. */
  caller: string
  /** The DID that is asked. */
  recipient: string
  /** Which of the other agent's methods is asked for; left out for a call that names none. */
  method?: string
  /** The session of the recipient, for a call from another process: what the recipient's own request says. */
  session?: string
  /** The arguments of the call, byte for byte. */
  body: Uint8Array
  /** Default application/json. */
  contentType?: string
}

/** A yes or no to one call, before it is signed. */
export interface CallDecision {
  /** `approve` lets the call run; `deny` refuses it, signed as well. */
  decision: 'approve' | 'deny'
  /** The call that is decided upon. */
  call: ApprovedCall
  /** Default 300, at most 3600. */
  ttlSeconds?: number
  /** Seconds since the epoch, for tests. */
  now?: number
}

/** A decision that is genuine, in time, and about the very call that it was held against. */
export interface Approval {
  /** `approve` or `deny`. */
  readonly decision: 'approve' | 'deny'
  /** Who decided, proven by the signature. */
  readonly approver: string
  /** Unique for its approver: an approval is for one call, which whoever relies on it has to see to. */
  readonly id: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly expiresAt: number
}

/**
 * Signs a yes or no to one call: a JWT of type agent-approval+jwt. Errors: INVALID_CONFIG (anything out of its bounds, or an
 * approver who is the caller), INVALID_DID, SIGN_FAILED, AUDIT_FAILED.
 *
 * @example
 * ```ts
 * const statement = approveCall(identity, { decision: 'approve', call })
 * ```
 */
export function approveCall(approver: Identity, request: CallDecision, options: AuditOptions = {}): Result<string> {
  const key = keyOf(approver, 'approver')
  const recorder = Recorder.in(options, 'approveCall()')
  return recorded(recorder, 'approval.signed', approver, approveWith(key, request))
}

/** @internal For agents, whose keys are elsewhere. */
export function approveWith(key: KeyRef, request: CallDecision): Result<string> {
  checkObject(request, 'request')
  known(request, 'request', ['decision', 'call', 'ttlSeconds', 'now'])
  const { decision, call, ttlSeconds = 300, now } = request
  checkString(decision, 'request.decision')
  const { body, ...decided } = decidedCall(call)
  const wrong = notWhole({ ttlSeconds, now })
  return wrong ? fail(wrong) : result(native.approveCall(key, decision, json(decided), body, ttlSeconds, now))
}

/**
 * Verifies a decision about a call by one of these approvers, DIDs. A no verifies too: look at `decision`.
 * Errors: INVALID_TOKEN (no approval, or about another caller), UNTRUSTED_ISSUER (by none of these, or by the caller),
 * WRONG_AUDIENCE (another recipient), TOKEN_NOT_YET_VALID, TOKEN_EXPIRED, INVALID_SIGNATURE (another body), INVALID_DID,
 * INVALID_CONFIG (a time). Throws INVALID_CONFIG for a skew of more than 300 s.
 */
export function verifyApproval(
  statement: string,
  options: {
    /** The call that is about to run. */
    call: ApprovedCall
    /** DIDs whose word counts. */
    approvers: readonly string[]
    /** Seconds since the epoch; the system clock by default. */
    now?: number
    /** Default 30, at most 300. */
    clockSkewSeconds?: number
  },
): Result<Approval> {
  checkString(statement, 'statement')
  checkObject(options, 'options')
  known(options, 'options', ['call', 'approvers', 'now', 'clockSkewSeconds'])
  const { call, approvers, now, clockSkewSeconds } = options
  const { body, ...decided } = decidedCall(call)
  const by = strings(approvers, 'approvers')
  const skew = bounded(clockSkewSeconds, 30, 'clockSkewSeconds', 0, 300)
  const wrong = notWhole({ now })
  if (wrong) return fail(wrong)
  const approval = native.verifyApproval(statement, json(decided), body, json({ approvers: by, now, clockSkew: skew }))
  return isFailure(approval) ? fail(approval) : ok(Object.freeze(read(approval)))
}

function decidedCall(call: ApprovedCall): Call & { body: Uint8Array } {
  checkObject(call, 'call')
  known(call, 'call', ['caller', 'recipient', 'method', 'session', 'body', 'contentType'])
  const { caller, recipient, method, session, body, contentType = 'application/json' } = call
  checkString(caller, 'call.caller')
  checkString(recipient, 'call.recipient')
  optional(method, checkString, 'call.method')
  optional(session, checkString, 'call.session')
  checkBytes(body, 'call.body')
  checkString(contentType, 'call.contentType')
  return { caller, recipient, method, session, contentType, body }
}
