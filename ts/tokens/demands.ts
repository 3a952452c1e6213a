import type { AuditOptions } from '../agent/audit'
import type { FetchDocument } from './fetch'
import type { RevocationSource } from './revocation'

/** An issuer that is known by an address, and its keys: a JWK set, or the https URL (on this machine, http) it is fetched from. */
export interface TrustedIssuer {
  /** Exactly as its tokens name it in `iss`. */
  issuer: string
  /** Its public keys (RFC 7517), or the https URL where it publishes them. */
  jwks:
    | {
        /** JWKs; those that are no Ed25519 keys are passed over. */
        keys: readonly object[]
      }
    | string
}

/**
 * An authority whose key changes: it is followed from a DID that it has, or had, and tokens count that are by one of its keys
 * now. It is asked by the built-in client, and what it says counts for 300 s.
 */
export interface TrustedAuthority {
  /** A DID of the authority, of whichever of its keys. */
  did: string
  /** Where it is: https, or http on this machine; nothing behind host and port. */
  url: string
}

/** For whom tokens are verified, whose are accepted, and where revocations are asked. */
export interface TokenVerifierOptions extends AuditOptions {
  /** The recipient, exactly as tokens name it. */
  audience: string
  /**
   * Whose tokens are accepted: DIDs, each for as long as this verifier lives, authorities whose DID changes, and issuers known by
   * their JWKS.
   */
  trust: readonly (string | TrustedAuthority | TrustedIssuer)[]
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number
  /** Default 30. */
  clockSkewSeconds?: number
  /** Default 86 400. */
  maxLifetimeSeconds?: number
  /** All of them are asked about every link of a chain. None by default. */
  revocations?: RevocationSource | readonly RevocationSource[]
  /** How long a source may take, default 5000; then it does not know. */
  revocationTimeoutMs?: number
  /**
   * Accepts tokens of which nobody can tell whether they were revoked: whoever can cut this verifier off from its sources
   * brings revoked tokens back to life. Look at `revocation` in the claims.
   */
  dangerouslyAcceptUnknownRevocation?: boolean
  /** A client of your own for JWK sets, as behind a proxy. */
  fetch?: FetchDocument
}

/** What one presentation of a token must satisfy. */
export interface TokenDemands {
  /** What it must grant, all of it. */
  scopes?: readonly string[]
  /** Who presents it, proven by other means: it must be the subject. Without, a token that is bound to no key is taken from anybody. */
  presenter?: string
}

export const OPTIONS = [
  'audience',
  'trust',
  'now',
  'clockSkewSeconds',
  'maxLifetimeSeconds',
  'revocations',
  'revocationTimeoutMs',
  'dangerouslyAcceptUnknownRevocation',
  'fetch',
  'audit',
  'dangerouslyContinueUnrecorded',
]
