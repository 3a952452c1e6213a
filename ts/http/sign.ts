import type { IncomingMessage } from 'node:http'
import type { Failure, KeyRef, RequestHead } from '../native/binding'
import { keyOfAgent, type AutoGenxBindAgent } from '../agent/agent'
import { keyIn, type Identity } from '../agent/identity'
import { checkObject, checkString, known, optional } from '../check'
import { isFailure } from '../errors'
import { native } from '../native'
import { json } from '../native/json'
import { fail, ok, type Result } from '../result'
import { notWhole, systemTime } from '../tokens/seconds'
import {
  checkRequest,
  checkResponse,
  flat,
  headOf,
  headToSend,
  isFetchRequest,
  isFetchResponse,
  type HttpRequest,
  type HttpResponse,
} from './message'

/**
 * The rules of a signature: `xbind` names the key by its DID and covers method, authority, path, query, body and token; `wba`
 * and `wba-legacy` are Web Bot Auth in its newer and its older form (docs/http.md).
 */
export type SignatureProfile = 'xbind' | 'wba' | 'wba-legacy'

/** How a request is signed. */
export interface RequestSigning {
  /** Default `xbind`. */
  profile?: SignatureProfile
  /** A token to present: it goes into the field `Xbind-Token`, which is signed. */
  token?: string
  /** Where the key is published: an https URL. Web Bot Auth only; `wba` must have it. */
  signatureAgent?: string
  /** Default 60, at most 300. */
  ttlSeconds?: number
  /** Seconds since the epoch, for tests. */
  now?: number
}

/** How a response is signed. */
export interface ResponseSigning {
  /** Default 60, at most 300. */
  ttlSeconds?: number
  /** Seconds since the epoch, for tests. */
  now?: number
}

export const SIGNING = ['profile', 'token', 'signatureAgent', 'ttlSeconds', 'now'] as const
const nothing = new Uint8Array()

/** @internal What signs: an identity's key, an agent's, or why there is none. */
export function keyOfSigner(signer: Identity | AutoGenxBindAgent): KeyRef | Failure {
  const key = keyIn(signer) ?? keyOfAgent(signer)
  if (key === undefined) throw new TypeError('signer must be an Identity or an agent')
  return key
}

/** @internal The fields to be set. */
export function signedFields(
  key: KeyRef | Failure,
  head: RequestHead,
  body: Uint8Array,
  { profile = 'xbind', token, signatureAgent, ttlSeconds = 60, now }: RequestSigning,
): readonly string[] | Failure {
  if (isFailure(key)) return key
  checkString(profile, 'profile')
  optional(token, checkString, 'token')
  optional(signatureAgent, checkString, 'signatureAgent')
  const wrong = notWhole({ ttlSeconds, now })
  if (wrong) return wrong
  const draft = { profile, token, agent: signatureAgent, ttl: ttlSeconds, now: now ?? systemTime() }
  return native.signRequest(key, json(head), body, json(draft))
}

/**
 * A signed copy of a request (RFC 9421, Ed25519): its body is read, hashed and covered. Send the copy as it is; each is good
 * for one use. Errors: INVALID_CONFIG (an option out of bounds, signed already, another Content-Digest), INVALID_TOKEN (no
 * form of one), MALFORMED_MESSAGE (what no verifier would read), SIGN_FAILED (destroyed, or the key is with a provider).
 *
 * @example
 * ```ts
 * const signed = await signRequest(identity, new Request('https://api.example/orders', { method: 'POST', body: '{}' }))
 * if (signed.ok) await fetch(signed.value, { redirect: 'error' })
 * ```
 */
export async function signRequest(
  signer: Identity | AutoGenxBindAgent,
  request: Request,
  options: RequestSigning = {},
): Promise<Result<Request>> {
  const key = keyOfSigner(signer)
  checkObject(request, 'request')
  if (!isFetchRequest(request)) throw new TypeError('request must be a Request; see signRequestHeaders()')
  checkObject(options, 'options')
  known(options, 'signRequest()', SIGNING)
  const body = request.body ? new Uint8Array(await request.arrayBuffer()) : undefined
  const fields = signedFields(
    key,
    headToSend(request.method, request.url, flat(request.headers)),
    body ?? nothing,
    options,
  )
  if (isFailure(fields)) return fail(fields)
  return ok(new Request(request, { headers: withFields(request.headers, fields), ...(body && { body }) }))
}

/**
 * The header fields that make a request a signed one, for clients of any kind: set them, each in place of one of its name, and
 * send what was signed. Errors: as for `signRequest`.
 *
 * @example
 * ```ts
 * const signed = signRequestHeaders(identity, { method: 'GET', url: 'https://api.example/orders?open=1' })
 * if (signed.ok) console.log(signed.value['signature-input'])
 * ```
 */
export function signRequestHeaders(
  signer: Identity | AutoGenxBindAgent,
  request: HttpRequest,
  options: RequestSigning = {},
): Result<Record<string, string>> {
  const key = keyOfSigner(signer)
  const { method, url, headers, body = nothing } = checkRequest(request)
  checkObject(options, 'options')
  known(options, 'signRequestHeaders()', SIGNING)
  const fields = signedFields(key, headToSend(method, url, flat(headers)), body, options)
  return isFailure(fields) ? fail(fields) : ok(recordOf(fields))
}

/**
 * A signed copy of a response, bound to the request that it answers: it is a response to no other. The whole body is read.
 * Errors: INVALID_CONFIG, MALFORMED_MESSAGE (also for a request that is not signed in the profile xbind), SIGN_FAILED.
 */
export async function signResponse(
  signer: Identity | AutoGenxBindAgent,
  response: Response,
  request: Request | IncomingMessage | HttpRequest,
  options: ResponseSigning = {},
): Promise<Result<Response>> {
  checkObject(response, 'response')
  if (!isFetchResponse(response)) throw new TypeError('response must be a Response; see signResponseHeaders()')
  const { status, statusText } = response
  const body = response.body ? new Uint8Array(await response.arrayBuffer()) : undefined
  const plain: HttpResponse = { status, headers: response.headers, body: body ?? nothing }
  const fields = responseFields(signer, plain, request, options)
  if (isFailure(fields)) return fail(fields)
  return ok(new Response(body, { status, statusText, headers: withFields(response.headers, fields) }))
}

/** The header fields that make a response a signed one, for servers of any kind. Errors: as for `signResponse`. */
export function signResponseHeaders(
  signer: Identity | AutoGenxBindAgent,
  response: HttpResponse,
  request: Request | IncomingMessage | HttpRequest,
  options: ResponseSigning = {},
): Result<Record<string, string>> {
  const fields = responseFields(signer, response, request, options)
  return isFailure(fields) ? fail(fields) : ok(recordOf(fields))
}

function responseFields(
  signer: Identity | AutoGenxBindAgent,
  response: HttpResponse,
  request: Request | IncomingMessage | HttpRequest,
  options: ResponseSigning,
): readonly string[] | Failure {
  const key = keyOfSigner(signer)
  const { body, ...head } = checkResponse(response)
  checkObject(request, 'request')
  checkObject(options, 'options')
  known(options, 'signResponse()', ['ttlSeconds', 'now'])
  const { ttlSeconds = 60, now } = options
  const wrong = notWhole({ ttlSeconds, now })
  if (isFailure(key) || wrong) return wrong ?? (key as Failure)
  return native.signResponse(key, json(head), body, json(headOf(request)), now ?? systemTime(), ttlSeconds)
}

/** @internal A copy of the fields, with these set. */
export function withFields(headers: Headers, fields: readonly string[]): Headers {
  const all = new Headers(headers)
  for (let i = 0; i + 1 < fields.length; i += 2) all.set(fields[i] ?? '', fields[i + 1] ?? '')
  return all
}

function recordOf(fields: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {}
  for (let i = 0; i + 1 < fields.length; i += 2) record[fields[i] ?? ''] = fields[i + 1] ?? ''
  return record
}
