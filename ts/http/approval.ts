import type { Identity } from '../agent/identity'
import type { AutoGenxBindAgent } from '../agent/agent'
import { RemoteKey } from '../agent/provider'
import { checkDID, checkFunction, checkObject, checkString, known, strings } from '../check'
import { failure, isFailure, XBindError } from '../errors'
import { native } from '../native'
import { json } from '../native/json'
import { fail, ok, type Result } from '../result'
import { notWhole, systemTime } from '../tokens/seconds'
import { checkRequest, flat, headToSend, isFetchRequest, type HttpRequest } from './message'
import { signerOf } from './sign'

/** Who has to approve of requests, and of which. */
export interface RequestApproval {
  /** DIDs whose approval counts. */
  by: string | readonly string[]
  /** Which requests need one; all by default. Whatever it answers but `false` is a yes. */
  when?: (request: {
    /** Who signed it. */
    readonly from: string
    /** `GET`, `POST`, … */
    readonly method: string
    /** Path and query, as they stand in the request line. */
    readonly target: string
    /** A copy of the bytes that were verified. */
    readonly body: Uint8Array
  }) => boolean
}

/** A yes or no to one request, before it is signed. */
export interface RequestDecision {
  /** `approve` lets the request through, once; `deny` refuses it, signed as well. */
  decision: 'approve' | 'deny'
  /** The DID that signs the request. */
  caller: string
  /** For whom the server takes approvals: its `audience`, which an answer with APPROVAL_REQUIRED names. */
  recipient: string
  /** The request that is decided upon, with all that says how its body is to be read. */
  request: Request | HttpRequest
  /** Default 300, at most 3600. */
  ttlSeconds?: number
  /** Seconds since the epoch, for tests. */
  now?: number
}

/**
 * Signs a yes or no to one request: its method, authority, path, query and body. The sender gives it to `signRequest`
 * or `createFetch` as `approval`. A `Request` is read as a copy. Errors: INVALID_CONFIG (anything out of its bounds, or an approver who is the
 * caller), INVALID_DID, MALFORMED_MESSAGE (what no verifier would read), SIGN_FAILED.
 *
 * @example
 * ```ts
 * const order = { method: 'POST', url: 'https://api.example/orders', body: new Uint8Array([1]) }
 * const recipient = 'https://api.example'
 * const approval = await approveRequest(identity, { decision: 'approve', caller: friend.did, recipient, request: order })
 * ```
 */
export async function approveRequest(
  approver: Identity | AutoGenxBindAgent,
  decided: RequestDecision,
): Promise<Result<string>> {
  const key = signerOf(approver)
  checkObject(decided, 'decided')
  known(decided, 'approveRequest()', ['decision', 'caller', 'recipient', 'request', 'ttlSeconds', 'now'])
  const { decision, caller, recipient, request, ttlSeconds = 300, now } = decided
  checkString(decision, 'decision')
  checkString(caller, 'caller')
  checkString(recipient, 'recipient')
  checkObject(request, 'request')
  const wrong = notWhole({ ttlSeconds, now })
  if (wrong) return fail(wrong)
  if (isFailure(key)) return fail(key)
  if (key instanceof RemoteKey) return fail(elsewhere)
  const { method, url, headers, body } = isFetchRequest(request) ? await plain(request) : checkRequest(request)
  const head = headToSend(method, url, flat(headers))
  const draft = { decision, caller, recipient, ttl: ttlSeconds, now: now ?? systemTime() }
  const statement = native.decideRequest(key, json(head), body ?? new Uint8Array(), json(draft))
  return isFailure(statement) ? fail(statement) : ok(statement)
}

const elsewhere = failure(
  'SIGN_FAILED',
  'the key of this agent is with its identity provider',
  'approve with an Identity',
)

async function plain(request: Request): Promise<HttpRequest> {
  const { method, url, headers } = request
  return { method, url, headers, body: new Uint8Array(await request.clone().arrayBuffer()) }
}

/** @internal */
export const usedBefore = failure('APPROVAL_REQUIRED', 'the approval was used before')
/** @internal */
export const expired = failure('APPROVAL_REQUIRED', 'the approval has expired')

/** @internal A copy of the option, so that nobody changes it afterwards. */
export interface Approving {
  readonly by: string[]
  readonly when: RequestApproval['when']
}

/** @internal Throws for what is none. */
export function checkApproval(approval: RequestApproval | undefined): Approving | undefined {
  if (approval === undefined) return undefined
  checkObject(approval, 'approval')
  known(approval, 'approval', ['by', 'when'])
  const { by, when } = approval
  const approvers = typeof by === 'string' ? [by] : strings(by, 'approval.by', ' of DIDs or one DID')
  if (approvers.length === 0) throw new XBindError(failure('INVALID_CONFIG', 'approval.by names nobody'))
  for (const did of approvers) checkDID(did, 'approval.by')
  if (when !== undefined) checkFunction(when, 'approval.when')
  return { by: approvers, when }
}
