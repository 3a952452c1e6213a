import type { AutoGenxBindAgent } from '../agent/agent'
import type { Identity } from '../agent/identity'
import { checkFunction, checkObject, checkString, known, optional } from '../check'
import { isFailure, XBindError } from '../errors'
import { flat, headToSend, withoutEmptyQuery } from './message'
import { verifyResponse } from './response'
import {
  kept,
  signedFields,
  signerOf,
  unfollowed,
  withFields,
  type RequestSigning,
  type SignatureProfile,
} from './sign'

/** What a signing `fetch` adds to each request. */
export interface FetchOptions {
  /** What sends; the global `fetch` by default. */
  fetch?: typeof fetch
  /** A token to present, or who gives one for each request. */
  token?: string | (() => string | Promise<string>)
  /** The approval of the one request that this `fetch` is to send, by `approveRequest`. */
  approval?: string
  /** Default `xbind`. */
  profile?: SignatureProfile
  /** Where the key is published: an https URL. Web Bot Auth only. */
  signatureAgent?: string
  /** Default 60, at most 300. */
  ttlSeconds?: number
  /** The DID that must sign the responses, each for its request; anything else rejects. Their bodies are read whole. */
  responder?: string
}

const OPTIONS = ['fetch', 'token', 'approval', 'profile', 'signatureAgent', 'ttlSeconds', 'responder'] as const
const NO_BODY = [204, 205, 304]

/**
 * A `fetch` that signs every request, for any library that takes one. It rejects with an `XBindError` what it cannot sign, and
 * follows no redirects: a signature is for one address. Bodies are read whole before they are sent. Each call is a signature of
 * its own: what tries again belongs around it, not into `fetch`. Throws TypeError.
 *
 * @example
 * ```ts
 * const signing = createFetch(identity, { token })
 * const response = await signing('https://api.example/orders', { method: 'POST', body: '{}' })
 * ```
 */
export function createFetch(signer: Identity | AutoGenxBindAgent, options: FetchOptions = {}): typeof fetch {
  signerOf(signer)
  checkObject(options, 'options')
  known(options, 'createFetch()', OPTIONS)
  const { fetch: send = (...request) => fetch(...request), token, responder, ...signing } = readOptions(options)

  return async (input, init) => {
    const request = new Request(input, init)
    const { method, signal } = request
    const url = withoutEmptyQuery(request.url)
    signal.throwIfAborted()
    const presented = typeof token === 'function' ? await unlessAborted(signal, token()) : token
    // Who gives no token has failed: without one the request would be another.
    if (token !== undefined) checkString(presented, 'token()')
    const body = request.body ? new Uint8Array(await unlessAborted(signal, request.arrayBuffer())) : undefined
    const headers = new Headers(request.headers)
    // What was compressed on the way is not what was signed.
    if (responder !== undefined && !headers.has('accept-encoding')) headers.set('accept-encoding', 'identity')
    const draft: RequestSigning = presented === undefined ? signing : { ...signing, token: presented }
    const head = headToSend(method, url, flat(headers))
    const made = signedFields(signerOf(signer), head, body ?? new Uint8Array(), draft)
    const fields = made instanceof Promise ? await unlessAborted(signal, made) : made
    if (isFailure(fields)) throw new XBindError(fields)
    const signed = withFields(headers, fields)
    const own = typeof input === 'string' || input instanceof URL ? undefined : kept(request)
    const given = {
      ...init,
      ...own,
      method,
      headers: signed,
      redirect: unfollowed(request),
      signal,
      ...(body && { body }),
    }
    const response = await send(url, given)
    if (responder === undefined) return response
    const sent = { method, url, headers: signed }
    const verified = await unlessAborted(signal, verifyResponse(response, sent, { from: responder }))
    if (!verified.ok) throw verified.error
    const { status, statusText, headers: fieldsBack } = response
    const verifiedBody = NO_BODY.includes(status) ? null : verified.value.body
    const copy = new Response(verifiedBody, { status, statusText, headers: fieldsBack })
    return Object.defineProperty(copy, 'url', { value: response.url })
  }
}

/** What comes of it, unless the caller gives up first. */
async function unlessAborted<T>(signal: AbortSignal, work: T | Promise<T>): Promise<T> {
  let giveUp: () => void = () => {}
  const aborted = new Promise<undefined>((resolve) => (giveUp = () => resolve(undefined)))
  if (signal.aborted) giveUp()
  signal.addEventListener('abort', giveUp)
  try {
    const done = await Promise.race([Promise.resolve(work).then((value) => ({ value })), aborted])
    signal.throwIfAborted()
    return (done as { value: T }).value
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

/** Each read once. */
function readOptions({
  fetch: send,
  token,
  approval,
  profile,
  signatureAgent,
  ttlSeconds,
  responder,
}: FetchOptions): FetchOptions {
  optional(send, checkFunction, 'fetch')
  if (typeof token !== 'function') optional(token, checkString, 'token')
  optional(approval, checkString, 'approval')
  optional(profile, checkString, 'profile')
  optional(signatureAgent, checkString, 'signatureAgent')
  optional(responder, checkString, 'responder')
  return {
    ...(send && { fetch: send }),
    ...(token !== undefined && { token }),
    ...(approval !== undefined && { approval }),
    ...(profile !== undefined && { profile }),
    ...(signatureAgent !== undefined && { signatureAgent }),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    ...(responder !== undefined && { responder }),
  }
}
