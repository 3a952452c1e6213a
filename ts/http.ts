// HTTP requests and responses that prove who sends them: signed, verified, and a fetch that signs.
export { createFetch, type FetchOptions } from './http/fetch'
export {
  signRequest,
  signRequestHeaders,
  signResponse,
  signResponseHeaders,
  type RequestSigning,
  type ResponseSigning,
  type SignatureProfile,
} from './http/sign'
export { verifyResponse, type ResponseDemands, type VerifiedResponse } from './http/response'
export type { NonceStore, RequestDemands, RequestVerifierOptions, VerifiedRequest } from './http/demands'
export { RequestVerifier } from './http/verifier'
export { approveRequest, type RequestApproval, type RequestDecision } from './http/approval'
export { problemOf, type Problem } from './http/problem'
export { serveAgents, type ServeOptions } from './http/serve'
export type { WindowStore } from './http/store'
export type { HttpHeaders, HttpRequest, HttpResponse } from './http/message'
