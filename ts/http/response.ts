import type { IncomingMessage } from 'node:http'
import { bounded, checkObject, checkString, known, optional } from '../check'
import { isFailure } from '../errors'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, type Result } from '../result'
import { notWhole, systemTime } from '../tokens/seconds'
import { readBody } from './body'
import { checkResponse, flat, headOf, isFetchResponse, type HttpRequest, type HttpResponse } from './message'

/** What is accepted as the response to a request. */
export interface ResponseDemands {
  /** The DID that must have signed it; anybody without: then look at `from`. */
  from?: string
  /** Seconds since the epoch, for tests. */
  now?: number
  /** Default 5, at most 300. */
  clockSkewSeconds?: number
  /** Default 300, at most 86 400. */
  maxAgeSeconds?: number
  /** Default 1 MiB. */
  maxBodyBytes?: number
}

/** A response that was signed for the request, with the body that was verified. */
export interface VerifiedResponse {
  /** Proven by the signature. */
  readonly from: string
  /** The very bytes that were verified. */
  readonly body: Uint8Array
  /** When it was signed, in seconds since the epoch. */
  readonly createdAt: number
}

const DEMANDS = ['from', 'now', 'clockSkewSeconds', 'maxAgeSeconds', 'maxBodyBytes'] as const

/**
 * Verifies the response to a request that this side has signed, and reads its body. `request` is what was sent, signature and
 * all; its body is not looked at. Errors: MALFORMED_MESSAGE, INVALID_SIGNATURE, REPLY_MISMATCH (not bound to this request, or
 * signed by somebody else), MESSAGE_NOT_YET_VALID, MESSAGE_EXPIRED, INVALID_DID, PAYLOAD_TOO_LARGE, ABORTED.
 */
export async function verifyResponse(
  response: Response | HttpResponse,
  request: Request | IncomingMessage | HttpRequest,
  options: ResponseDemands = {},
): Promise<Result<VerifiedResponse>> {
  checkObject(response, 'response')
  checkObject(request, 'request')
  checkObject(options, 'options')
  known(options, 'verifyResponse()', DEMANDS)
  const { from, now, clockSkewSeconds, maxAgeSeconds, maxBodyBytes } = options
  optional(from, checkString, 'from')
  const wrong = notWhole({ now })
  if (wrong) return fail(wrong)
  const policy = {
    from,
    clockSkew: bounded(clockSkewSeconds, 5, 'clockSkewSeconds', 0, 300),
    maxAge: bounded(maxAgeSeconds, 300, 'maxAgeSeconds', 1, 86_400),
    maxBody: bounded(maxBodyBytes, 1 << 20, 'maxBodyBytes', 0, 0x7fff_ffff),
  }
  const sent = headOf(request)
  const plain = isFetchResponse(response) ? undefined : checkResponse(response)
  const limits = { most: policy.maxBody, milliseconds: policy.maxAge * 1000 }
  const body = plain?.body ?? (await readBody(response as Response, limits))
  if (isFailure(body)) return fail(body)
  const head = plain ?? { status: response.status, fields: flat(response.headers) }
  const verified = native.verifyResponse(
    json(policy),
    json({ status: head.status, fields: head.fields }),
    body,
    json(sent),
    now ?? systemTime(),
  )
  if (isFailure(verified)) return fail(verified)
  const { from: signer, created } = read(verified)
  return ok({ from: signer, body, createdAt: created })
}
