import type { XBindError, XBindErrorCode } from '../errors'
import { checkApproval } from './approval'
import type { RequestDemands } from './demands'
import { insideOf, type RequestVerifier } from './verifier'

/** An answer that says why a request was refused (RFC 9457), for servers of any kind. */
export interface Problem {
  /** 400, 401, 403, 409, 413 or 503; 500 for what is no refusal. */
  readonly status: number
  /** `content-type`; with 401 `www-authenticate` and `accept-signature`, with 503 `retry-after`. */
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string
}

/** The status of each code. 401: another signature or token would do; 403: who he is is known, and it does not do. */
const STATUS: { readonly [code in XBindErrorCode]?: number } = {
  MALFORMED_MESSAGE: 400,
  ABORTED: 400,
  INVALID_SIGNATURE: 401,
  INVALID_DID: 401,
  WRONG_AUDIENCE: 401,
  MESSAGE_EXPIRED: 401,
  MESSAGE_NOT_YET_VALID: 401,
  INVALID_TOKEN: 401,
  INVALID_DELEGATION: 401,
  UNTRUSTED_ISSUER: 401,
  TOKEN_EXPIRED: 401,
  TOKEN_NOT_YET_VALID: 401,
  NOT_ALLOWED: 403,
  SCOPE_DENIED: 403,
  REVOKED: 403,
  APPROVAL_REQUIRED: 403,
  APPROVAL_REFUSED: 403,
  REPLAYED: 409,
  PAYLOAD_TOO_LARGE: 413,
  REPLAY_WINDOW_FULL: 503,
  REVOCATION_UNKNOWN: 503,
  AUDIT_FAILED: 503,
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  409: 'Conflict',
  413: 'Content Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** In place of messages that tell what this server has asked of others, and how that went. */
const DISCREET: { readonly [code in XBindErrorCode]?: string } = {
  UNTRUSTED_ISSUER: 'the token is by nobody who is trusted here',
  REVOCATION_UNKNOWN: 'nobody can tell now whether the token or its holder was revoked',
  REPLAY_WINDOW_FULL: 'no more requests can be remembered now',
}

/**
 * What is answered to a request that a verifier has refused with this error, and what the request would need: a signature in
 * which profile, or whose approval. `demands` are those that `verify` was given.
 *
 * @example
 * ```ts
 * const verifier = new RequestVerifier({ authorities: ['api.example'] })
 * const verified = await verifier.verify({ method: 'GET', url: 'https://api.example/' })
 * if (!verified.ok) console.log(problemOf(verified.error, verifier).status)
 * ```
 */
export function problemOf(error: XBindError, verifier: RequestVerifier, demands: RequestDemands = {}): Problem {
  const { profile, approval, audience } = insideOf(verifier)
  const status = STATUS[error.code] ?? 500
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }
  const problem: Record<string, unknown> = { type: 'about:blank', title: TITLES[status], status }
  if (status === 401) {
    headers['www-authenticate'] = `Signature profile="${profile}"`
    headers['accept-signature'] = WANTED[profile]
  }
  if (status === 503) headers['retry-after'] = '1'
  if (status !== 500) {
    problem.code = error.code
    problem.detail = DISCREET[error.code] ?? error.message
  }
  if (error.code === 'APPROVAL_REQUIRED') {
    problem.approvers = (checkApproval(demands.approval) ?? approval)?.by
    problem.recipient = audience
  }
  return { status, headers, body: JSON.stringify(problem) }
}

/** RFC 9421 section 5.1. */
const WANTED = {
  xbind: 'xbind=("@method" "@authority" "@path" "@query");created;expires;alg="ed25519";tag="xbind"',
  wba: 'sig1=("@authority" "signature-agent");created;expires;alg="ed25519";tag="web-bot-auth"',
  'wba-legacy': 'sig1=("@authority");created;expires;alg="ed25519";tag="web-bot-auth"',
} as const
