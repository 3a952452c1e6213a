import type { Failure, Grant, KeyRef } from '../native/binding'
import type { Evidence, StatusRef } from './evidence'
import { checkNumber, checkObject, checkRecord, checkString, known, strings } from '../check'
import { failure, isFailure } from '../errors'
import { Recorder, type AuditOptions } from '../agent/audit'
import { keyOf, type Identity } from '../agent/identity'
import { native } from '../native'
import { json } from '../native/json'
import { encodeJson } from '../messages/payload'
import { fail, result, type Result } from '../result'
import { notWhole } from './seconds'

/** For whom somebody acts, such as a person who signed in there. */
export interface OnBehalfOf {
  /** Who knows the subject by that name. */
  readonly issuer: string
  /** Its name there. */
  readonly subject: string
}

/** What a verified token says. Frozen, with everything in it. */
export interface TokenClaims {
  /** Who vouches for the rights: a trusted DID, or the name of a trusted issuer. */
  readonly issuer: string
  /** Who may use them; of an exchanged token who acts, not the one on whose behalf. */
  readonly subject: string
  /** Where they may be used, as the issuer wrote it. */
  readonly audience: string
  /** What is granted: no more than every link of the chain grants. */
  readonly scopes: readonly string[]
  /**
   * Limits by their names, where anybody in the chain set one: of each name the smallest. What a name means is for the
   * recipient to say.
   */
  readonly quota?: Readonly<Record<string, number>>
  /** Unique for the issuer of the last link. */
  readonly id: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly expiresAt: number
  /** From the outermost delegator to the subject, DIDs. */
  readonly chain: readonly string[]
  /** For whom the first subject acts; the issuer's word. */
  readonly onBehalfOf?: OnBehalfOf
  /** The first issuer's further claims. */
  readonly claims: Readonly<Record<string, unknown>>
  /**
   * What the answer about revocation rests on: `fresh` if everyone who was to be asked answered, `unchecked` if the verifier
   * has no sources and the token names no status list. Anything else only with `dangerouslyAcceptUnknownRevocation`.
   */
  readonly revocation: Evidence
}

/** What a token is to grant, to whom, where and for how long. */
export interface TokenRequest {
  /** The DID that may use the token. */
  subject: string
  /** Where it may be used: a DID or a URI, compared exactly. */
  audience: string
  /** What it grants, at most 64; none grants nothing. */
  scopes: readonly string[]
  /**
   * Limits that whoever it is handed on to can only lower: 1 to 16 names of 1 to 64 of `a-z 0-9 . _ -`, each with a whole
   * number. The recipient says what a name means.
   */
  quota?: Readonly<Record<string, number>>
  /** Default 3600, at most 86 400. */
  ttlSeconds?: number
  /** Further claims, plain data: none that the format names itself, nothing that JSON would lose. */
  claims?: Record<string, unknown>
  /** Where the issuer publishes whether the token still stands (`StatusList`). */
  status?: {
    /** The place of this token in the list. */
    readonly index: number
    /** Where the list is published. */
    readonly uri: string
  }
  /** Seconds since the epoch, for tests. */
  now?: number
}

/**
 * Grants scopes, offline, with the issuer's own key: an EdDSA JWT of type at+jwt (RFC 9068).
 * Errors: INVALID_DID (the subject), INVALID_CONFIG (anything out of its bounds), SIGN_FAILED (destroyed), AUDIT_FAILED.
 *
 * @example
 * ```ts
 * const issued = issueToken(identity, { subject: friend.did, audience: 'https://billing.example', scopes: ['invoice.*'] })
 * ```
 */
export function issueToken(issuer: Identity, request: TokenRequest, options: AuditOptions = {}): Result<string> {
  const key = keyOf(issuer, 'issuer')
  const recorder = Recorder.in(options, 'issueToken()')
  return recorded(
    recorder,
    'token.issued',
    issuer,
    grantWith(() => key, request),
  )
}

/**
 * Hands narrower rights on, offline: an EdDSA JWT of type agent-deleg+jwt that carries its parent. What is left out is the
 * parent's; nothing wider is ever cut down to fit. A token that no verifier could accept, whoever it trusts, is refused.
 * Errors: INVALID_DELEGATION (wider than the token, not the holder's, too deep, a link not by its issuer), TOKEN_EXPIRED,
 * TOKEN_NOT_YET_VALID, INVALID_TOKEN, INVALID_DID, INVALID_CONFIG, SIGN_FAILED, AUDIT_FAILED.
 *
 * @example
 * ```ts
 * const narrower = delegateToken(friend, token, { subject: agent.getDID(), scopes: ['invoice.read'], ttlSeconds: 60 })
 * ```
 */
export function delegateToken(
  holder: Identity,
  token: string,
  request: Partial<TokenRequest> & {
    /** The DID that may use what is handed on. */
    subject: string
  },
  options: AuditOptions = {},
): Result<string> {
  const key = keyOf(holder, 'holder')
  const recorder = Recorder.in(options, 'delegateToken()')
  return recorded(
    recorder,
    'token.delegated',
    holder,
    delegateWith(() => key, token, request),
  )
}

/** @internal What was signed is on record where there is one to be, or nobody gets it. */
export function recorded(
  recorder: Recorder | undefined,
  event: string,
  { did }: Identity,
  signed: Result<string>,
): Result<string> {
  const failed = signed.ok ? recorder?.signed(event, did, signed.value) : undefined
  return failed ? fail(failed) : signed
}

/** @internal For agents, whose key may be gone, or with a provider. */
export function grantWith(key: () => KeyRef | Failure, request: TokenRequest): Result<string> {
  checkObject(request, 'request')
  const grant = grantOf(request)
  const own = key()
  if (isFailure(own)) return fail(own)
  return isFailure(grant) ? fail(grant) : result(native.issueToken(own, json(grant)))
}

/** @internal The same for a part of the rights in a token. */
export function delegateWith(
  key: () => KeyRef | Failure,
  token: string,
  request: Partial<TokenRequest> & { subject: string },
): Result<string> {
  checkString(token, 'token')
  checkObject(request, 'request')
  const grant = delegationOf(request)
  const own = key()
  if (isFailure(own)) return fail(own)
  return isFailure(grant) ? fail(grant) : result(native.delegateToken(own, token, json(grant)))
}

const REQUEST = ['subject', 'audience', 'scopes', 'quota', 'ttlSeconds', 'claims', 'status', 'now']

/** A quota that is undefined may be a name that was mistyped, and would be no limit. */
function checkRequest(request: object): void {
  known(request, 'request', REQUEST)
  if ('quota' in request && request.quota === undefined) checkRecord(request.quota, 'request.quota')
}

function delegationOf(request: Partial<TokenRequest> & { subject: string }): Grant | Failure {
  checkRequest(request)
  const { subject, audience, scopes, quota, ttlSeconds, claims, status, now } = request
  if (claims !== undefined) {
    return failure('INVALID_CONFIG', 'a delegation has no claims', 'the first issuer puts claims into its token')
  }
  return read({ subject, audience, scopes, quota, ttlSeconds, status, now })
}

function grantOf(request: TokenRequest): Grant | Failure {
  checkRequest(request)
  const { subject, audience, scopes, quota, ttlSeconds, claims, status, now } = request
  checkString(audience, 'request.audience')
  return read({ subject, audience, scopes: strings(scopes, 'request.scopes'), quota, ttlSeconds, claims, status, now })
}

/** Each member of the request was read once. */
function read(request: { [member in keyof TokenRequest]: TokenRequest[member] | undefined }): Grant | Failure {
  const { subject, audience, scopes, quota, ttlSeconds, claims, status, now } = request
  checkString(subject, 'request.subject')
  if (audience !== undefined) checkString(audience, 'request.audience')
  const place = status === undefined ? undefined : statusRef(status)
  const limits = quota === undefined ? undefined : limitsIn(quota)
  if (isFailure(limits)) return limits
  const wrong = notWhole({ ttlSeconds, now, 'status.index': place?.index })
  if (wrong) return wrong
  const text = claims === undefined ? undefined : textOf(claims)
  if (isFailure(text)) return text
  const granted = scopes === undefined ? undefined : strings(scopes, 'request.scopes')
  return { subject, audience, scopes: granted, quota: limits, ttl: ttlSeconds, claims: text, status: place, now }
}

/** A copy. A limit that is undefined is refused, rather than left out. */
function limitsIn(quota: Readonly<Record<string, number>>): Readonly<Record<string, number>> | Failure {
  checkRecord(quota, 'request.quota')
  const limits = Object.entries(quota)
  for (const [name, most] of limits) {
    checkNumber(most, `request.quota['${name}']`)
    const wrong = notWhole({ [`quota['${name}']`]: most })
    if (wrong) return wrong
  }
  return Object.fromEntries(limits)
}

function statusRef(status: { readonly index: number; readonly uri: string }): StatusRef {
  checkObject(status, 'request.status')
  known(status, 'request.status', ['index', 'uri'])
  const { index, uri } = status
  checkNumber(index, 'request.status.index')
  checkString(uri, 'request.status.uri')
  return { index, uri }
}

function textOf(claims: Record<string, unknown>): string | Failure {
  checkObject(claims, 'request.claims')
  const text = encodeJson(claims, 'request.claims')
  // What a claim says is the issuer's word: less than was given is none of it.
  return isFailure(text) ? failure('INVALID_CONFIG', text.message, 'give plain data as a message takes it') : text
}
