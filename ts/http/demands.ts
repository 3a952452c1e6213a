import type { AuditOptions } from '../agent/audit'
import type { RevocationSource } from '../tokens/revocation'
import type { TokenVerifierOptions } from '../tokens/demands'
import type { OnBehalfOf } from '../tokens/token'
import type { RequestApproval } from './approval'
import type { SignatureProfile } from './sign'

/** Remembers nonces for all replicas of a server, and beyond a restart. */
export interface NonceStore {
  /**
   * Remembers the text `key` until the second `until`: true if it was not there, false if it was; at once for all who ask, as
   * `SET key 1 NX EXAT until` of Redis does. One that throws, or answers anything else, refuses the request.
   */
  claim(key: string, until: number): boolean | Promise<boolean>
}

/** Whose requests are accepted, for which names of this server, and within which bounds. */
export interface RequestVerifierOptions extends AuditOptions {
  /** The names by which clients reach this server, as `Host` has them: `api.example`, `localhost:8080`. */
  authorities: readonly string[]
  /** Default `xbind`. */
  profile?: SignatureProfile
  /** Web Bot Auth only: DIDs of the keys that it names by thumbprint. Nothing is fetched, others are NOT_ALLOWED. */
  keys?: readonly string[]
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number
  /** Default 5, at most 300. */
  clockSkewSeconds?: number
  /** How old a signature may be, however long it says that it holds: default 300, at most 86 400. */
  maxAgeSeconds?: number
  /** Default 1 MiB. */
  maxBodyBytes?: number
  /** How many requests of one sender are remembered, and a third more of others; 1 000 000 by default. */
  maxTrackedRequests?: number
  /**
   * Shared by replicas. Without it this process alone remembers, and what was signed before the verifier began, and in the
   * seconds of `clockSkewSeconds` after it, is refused: it may have been accepted before.
   */
  nonces?: NonceStore
  /** Takes also what was signed before the verifier began: whoever has recorded such a request can repeat it after a restart. */
  dangerouslyAcceptReplayAfterRestart?: boolean
  /** DIDs whose requests are taken; everybody's by default. */
  allow?: readonly string[]
  /** Whose tokens are accepted: then each request must present one, issued to its sender. */
  trust?: TokenVerifierOptions['trust']
  /** For whom tokens and approvals are meant; `https://` and the first of the authorities by default. */
  audience?: string
  /** What the token must grant, all of it. */
  scopes?: readonly string[]
  /** Asked about every link of a token, and without `trust` about the sender. None by default. */
  revocations?: RevocationSource | readonly RevocationSource[]
  /** Somebody signs each request, with its very body, before it is accepted. */
  approval?: RequestApproval
}

/** What one request must satisfy, beside the options of its verifier. */
export interface RequestDemands {
  /** Its body, where something else has read it: the bytes as they came. */
  body?: Uint8Array
  /** What the token must grant besides. */
  scopes?: readonly string[]
  /** Who has to approve of it, in place of whom the verifier names. */
  approval?: RequestApproval
}

/** A request that passed every check: genuine, in time, for this server, and accepted for the first time. */
export interface VerifiedRequest {
  /** Proven by the signature. */
  readonly from: string
  /** What the token grants; empty without `trust`. */
  readonly scopes: readonly string[]
  /** The limits of its token by their names, where anybody in the chain set one. */
  readonly quota?: Readonly<Record<string, number>>
  /** On whose behalf the sender acts, outermost first; empty without `trust`. */
  readonly chain: readonly string[]
  /** For whom the first of them was given the rights; the word of the token's issuer. */
  readonly onBehalfOf?: OnBehalfOf
  /** The very bytes that were verified. */
  readonly body: Uint8Array
  /** Unique for its sender. */
  readonly nonce: string
  /** When it was signed, in seconds since the epoch. */
  readonly createdAt: number
  /**
   * The components that the signature covers, by name; `name;key="member"` where one member of a field is covered and not the
   * rest. All others are nobody's word.
   */
  readonly covered: readonly string[]
}

export const OPTIONS = [
  'authorities',
  'profile',
  'keys',
  'now',
  'clockSkewSeconds',
  'maxAgeSeconds',
  'maxBodyBytes',
  'maxTrackedRequests',
  'nonces',
  'dangerouslyAcceptReplayAfterRestart',
  'allow',
  'trust',
  'audience',
  'scopes',
  'revocations',
  'approval',
  'audit',
  'dangerouslyContinueUnrecorded',
] as const satisfies readonly (keyof RequestVerifierOptions)[]
