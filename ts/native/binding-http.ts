import type { Failure, KeyRef } from './binding'

/** What src/http.rs exports. Fields are names and values by turns. */
export interface HttpBinding {
  /** The fields to be set. */
  signRequest(key: KeyRef, request: RequestHead, body: Uint8Array, draft: RequestDraft): string[] | Failure
  signResponse(
    key: KeyRef,
    response: ResponseHead,
    body: Uint8Array,
    request: RequestHead,
    now: number,
    ttl: number,
  ): string[] | Failure
  verifyResponse(
    policy: ResponsePolicy,
    response: ResponseHead,
    body: Uint8Array,
    request: RequestHead,
    now: number,
  ): { from: string; created: number } | Failure
  newRequestVerifier(policy: RequestPolicy): RequestVerifierRef | Failure
  authenticateRequest(verifier: RequestVerifierRef, request: RequestHead, now: number): Authentic | Failure
  /** By what a store knows the request. */
  acceptRequest(verifier: RequestVerifierRef, request: RequestRef, body: Uint8Array, now: number): string | Failure
}

export interface RequestHead {
  method: string
  scheme: string
  authority?: string | undefined
  target: string
  fields: string[]
}

export interface ResponseHead {
  status: number
  fields: string[]
}

export interface RequestDraft {
  profile: string
  now: number
  ttl: number
  token: string | undefined
  agent: string | undefined
}

export interface ResponsePolicy {
  from: string | undefined
  clockSkew: number
  maxAge: number
  maxBody: number
}

export interface RequestPolicy {
  profile: string
  authorities: readonly string[]
  clockSkew: number
  maxAge: number
  maxBody: number
  maxTracked: number
  /** When it began, if nobody remembers what was accepted before. */
  started: number | undefined
  allow: readonly string[] | undefined
  keys: readonly string[]
}

/** A genuine request that nobody has accepted yet. */
export interface Authentic {
  request: RequestRef
  from: string
  created: number
  until: number
  nonce: string
  token?: string
  covered: string[]
}

declare const opaque: unique symbol
export interface RequestVerifierRef {
  readonly [opaque]: 'request verifier'
}
export interface RequestRef {
  readonly [opaque]: 'request'
}
