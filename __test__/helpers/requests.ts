// Requests to one server of the examples, and a verifier there.
import { Identity } from '@private.me/autogen'
import {
  RequestVerifier,
  signRequestHeaders,
  type HttpRequest,
  type RequestVerifierOptions,
} from '@private.me/autogen/http'
import { valueOf } from './result.ts'

export const [identity, other] = [Identity.generate(), Identity.generate()]
export const url = 'https://api.example/orders?draft=1'
export const body = Buffer.from('{"amount":12}')

export function verifierOf(options: Partial<RequestVerifierOptions> = {}): RequestVerifier {
  return new RequestVerifier({ authorities: ['api.example'], dangerouslyAcceptReplayAfterRestart: true, ...options })
}

export const posted = (): Request =>
  new Request(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })

export function signedRequest(options: Parameters<typeof signRequestHeaders>[2] = {}, signer = identity): HttpRequest {
  return { method: 'GET', url, headers: valueOf(signRequestHeaders(signer, { method: 'GET', url }, options)) }
}
