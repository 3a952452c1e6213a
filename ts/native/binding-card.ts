import type { Failure } from './binding'

/** What the addon exports for cards (src/card.rs). */
export interface CardBinding {
  /** What the key of that DID is to sign. */
  cardToSign(did: string, draft: CardDraft): string | Failure
  /** As the card of `did`, or of whomever it names. */
  verifyCard(jws: string, did: string | undefined, now: number | undefined, clockSkew: number): Card | Failure
}

export interface CardDraft {
  name?: string | undefined
  methods: readonly Method[]
  addresses: readonly string[]
}

/** Schemas are JSON text. */
export interface Method {
  name: string
  description?: string
  input?: string
  output?: string
  scopes: string[]
}

export interface Card {
  did: string
  name?: string
  methods: Method[]
  addresses: string[]
  expiresAt: number
}
