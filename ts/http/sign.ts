import type { IncomingMessage } from 'node:http'
import type { Failure, KeyRef, RequestHead, SignedHttp, UnsignedRef } from '../native/binding'
import { keyOfAgent, type AutoGenxBindAgent } from '../agent/agent'
import { keyIn, type Identity } from '../agent/identity'
import { RemoteKey } from '../agent/provider'
import { checkObject, checkString, known, optional } from '../check'
import { failure, isFailure } from '../errors'
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
  withoutEmptyQuery,
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
  /** The approval of this very request, by `approveRequest`: it goes into the field `Xbind-Approval`, which is signed. */
  approval?: string
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

export const SIGNING = ['profile', 'token', 'approval', 'signatureAgent', 'ttlSeconds', 'now'] as const
const nothing = new Uint8Array()

/** What signs, wherever it is, or why there is nothing. */
export type Signer = KeyRef | RemoteKey | Failure
/** Header fields to be set: names and values by turns. */
type Fields = readonly string[]

/** An identity's key, or an agent's. */
export function signerOf(signer: Identity | AutoGenxBindAgent): Signer {
  const key = keyIn(signer) ?? keyOfAgent(signer)
  if (key === undefined) throw new TypeError('signer must be an Identity or an agent')
  return key
}

/** The same for those who do not wait. */
function hereOnly(signer: Signer): KeyRef | Failure {
  if (!(signer instanceof RemoteKey)) return signer
  return failure(
    'SIGN_FAILED',
    'the key of this agent is with its identity provider, which takes its time',
    'use signRequest, signResponse or createFetch, which wait for it',
  )
}

/** The key of an identity or an agent, for what is signed at once. */
export function keyOfSigner(signer: Identity | AutoGenxBindAgent): KeyRef | Failure {
  return hereOnly(signerOf(signer))
}

/** The fields that sign a request; at once, unless the key is elsewhere. */
export function signedFields<S extends Signer>(
  signer: S,
  head: RequestHead,
  body: Uint8Array,
  { profile = 'xbind', token, approval, signatureAgent, ttlSeconds = 60, now }: RequestSigning,
): Signed<S> {
  checkString(profile, 'profile')
  optional(token, checkString, 'token')
  optional(approval, checkString, 'approval')
  optional(signatureAgent, checkString, 'signatureAgent')
  const draft = { profile, token, approval, agent: signatureAgent, ttl: ttlSeconds, now: now ?? systemTime() }
  return signed(signer, { ttlSeconds, now }, (key, did) => native.signRequest(key, did, json(head), body, json(draft)))
}

type Signed<S> = Fields | Failure | (Extract<S, RemoteKey> extends never ? never : Promise<Fields | Failure>)

function signed<S extends Signer>(
  signer: S,
  times: { ttlSeconds: number; now: number | undefined },
  prepare: (key: KeyRef | undefined, did: string | undefined) => SignedHttp,
): Signed<S> {
  const wrong = isFailure(signer) ? signer : notWhole(times)
  if (wrong) return wrong
  if (!(signer instanceof RemoteKey)) return prepare(signer as KeyRef, undefined) as Fields | Failure
  const prepared = prepare(undefined, signer.did)
  if (isFailure(prepared)) return prepared
  return finished(signer, prepared as UnsignedRef, times.ttlSeconds) as Signed<S>
}

/** The provider signs the bytes, and the core looks at what came of it. */
async function finished(key: RemoteKey, unsigned: UnsignedRef, ttlSeconds: number): Promise<Fields | Failure> {
  const signature = await key.sign(Buffer.from(native.baseOf(unsigned)), ttlSeconds * 1000)
  return isFailure(signature) ? signature : native.signedFields(unsigned, signature)
}

/**
 * A signed copy of a request (RFC 9421, Ed25519): its body is read, hashed and covered. Send the copy as it is; each is good
 * for one use, and follows no redirects. Errors: INVALID_CONFIG (an option out of bounds, signed already, another Content-Digest), INVALID_TOKEN (token or
 * approval without the form of one), MALFORMED_MESSAGE (what no verifier would read), SIGN_FAILED (destroyed; the agent's
 * identity provider failed), TIMEOUT (that one is slow), AGENT_CLOSED.
 *
 * @example
 * ```ts
 * const signed = await signRequest(identity, new Request('https://api.example/orders', { method: 'POST', body: '{}' }))
 * if (signed.ok) await fetch(signed.value)
 * ```
 */
export async function signRequest(
  signer: Identity | AutoGenxBindAgent,
  request: Request,
  options: RequestSigning = {},
): Promise<Result<Request>> {
  const key = signerOf(signer)
  checkObject(request, 'request')
  if (!isFetchRequest(request)) throw new TypeError('request must be a Request; see signRequestHeaders()')
  checkObject(options, 'options')
  known(options, 'signRequest()', SIGNING)
  const body = request.body ? new Uint8Array(await request.arrayBuffer()) : undefined
  const head = headToSend(request.method, request.url, flat(request.headers))
  const fields = await signedFields(key, head, body ?? nothing, options)
  if (isFailure(fields)) return fail(fields)
  const headers = withFields(request.headers, fields)
  const url = withoutEmptyQuery(request.url)
  const copied = url === request.url ? request : new Request(url, { ...kept(request), method: request.method })
  return ok(new Request(copied, { headers, redirect: unfollowed(request), ...(body && { body }) }))
}

/**
 * The header fields that make a request a signed one, for clients of any kind: set them, each in place of one of its name, and
 * send what was signed. Errors: as for `signRequest`; SIGN_FAILED where the key is with an identity provider, for which
 * `signRequest` waits.
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
  const key = hereOnly(signerOf(signer))
  const { method, url, headers, body = nothing } = checkRequest(request)
  checkObject(options, 'options')
  known(options, 'signRequestHeaders()', SIGNING)
  const fields = signedFields(key, headToSend(method, url, flat(headers)), body, options)
  return isFailure(fields) ? fail(fields) : ok(recordOf(fields))
}

/**
 * A signed copy of a response, bound to the request that it answers: it is a response to no other. The whole body is read.
 * Errors: INVALID_CONFIG, MALFORMED_MESSAGE (also for a request that is not signed in the profile xbind), SIGN_FAILED, TIMEOUT,
 * AGENT_CLOSED.
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
  const fields = await responseFields(signerOf(signer), plain, request, options)
  if (isFailure(fields)) return fail(fields)
  return ok(new Response(body, { status, statusText, headers: withFields(response.headers, fields) }))
}

/** The header fields that make a response a signed one, for servers of any kind. Errors: as for `signRequestHeaders`. */
export function signResponseHeaders(
  signer: Identity | AutoGenxBindAgent,
  response: HttpResponse,
  request: Request | IncomingMessage | HttpRequest,
  options: ResponseSigning = {},
): Result<Record<string, string>> {
  const fields = responseFields(hereOnly(signerOf(signer)), response, request, options)
  return isFailure(fields) ? fail(fields) : ok(recordOf(fields))
}

/** The fields that sign a response; at once, unless the key is elsewhere. */
export function responseFields<S extends Signer>(
  signer: S,
  response: HttpResponse,
  request: Request | IncomingMessage | HttpRequest,
  options: ResponseSigning,
): Signed<S> {
  const { body, ...head } = checkResponse(response)
  checkObject(request, 'request')
  checkObject(options, 'options')
  known(options, 'signResponse()', ['ttlSeconds', 'now'])
  const { ttlSeconds = 60, now } = options
  const answered = headOf(request)
  return signed(signer, { ttlSeconds, now }, (key, did) =>
    native.signResponse(key, did, json(head), body, json(answered), now ?? systemTime(), ttlSeconds),
  )
}

/** A signature, and a token with it, goes to the address that was signed and to no other. */
export function unfollowed({ redirect }: Request): 'manual' | 'error' {
  return redirect === 'manual' ? 'manual' : 'error'
}

/** What a Request says beside what is signed. */
export function kept({
  credentials,
  integrity,
  keepalive,
  mode,
  referrer,
  referrerPolicy,
  signal,
}: Request): RequestInit {
  return { credentials, integrity, keepalive, mode, referrer, referrerPolicy, signal }
}

/** A copy of the fields, with these set. */
export function withFields(headers: Headers, fields: readonly string[]): Headers {
  const all = new Headers(headers)
  for (let i = 0; i + 1 < fields.length; i += 2) all.set(fields[i] ?? '', fields[i + 1] ?? '')
  return all
}

export function recordOf(fields: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {}
  for (let i = 0; i + 1 < fields.length; i += 2) record[fields[i] ?? ''] = fields[i + 1] ?? ''
  return record
}
