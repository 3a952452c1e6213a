import type { VerifierRef } from './binding'
import { bounded, checkBytes, checkFunction, checkNumber, checkObject, checkString, optional } from './check'
import { isFailure } from './errors'
import { native } from './native'
import { fail, ok, orThrow, type Result } from './result'

export interface OutgoingMessage {
  op: 'call' | 'send' | 'result' | 'error'
  /** The recipient's DID. */
  to: string
  body: Uint8Array
  /** Default application/json. */
  contentType?: string
  /** Default 30, at most 300. */
  ttlSeconds?: number
  /** A token to present; it travels beside the message and its digest is signed. */
  token?: string
  /** Required for result and error: the call being answered. */
  inReplyTo?: SealedMessage | VerifiedMessage
  /** Seconds since the epoch, for tests and replays of recorded traffic. */
  now?: number
}

export interface SealedMessage {
  readonly jws: string
  readonly body: Uint8Array
  readonly token: string | undefined
  readonly id: string
}

export interface VerifiedMessage {
  readonly id: string
  readonly op: 'call' | 'send' | 'result' | 'error'
  /** Proven by the signature. */
  readonly from: string
  readonly to: string
  readonly body: Uint8Array
  readonly contentType: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly expiresAt: number
  readonly inReplyTo: string | undefined
  readonly jws: string
}

export interface MessageVerifierOptions {
  /** The DID whose messages are opened. */
  audience: string
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number
  /** Default 30. */
  clockSkewSeconds?: number
  /** Default 300, which is also the most. */
  maxLifetimeSeconds?: number
  /** Default 1 MiB. */
  maxBodyBytes?: number
  /** Bound of the replay window, 1 000 000 by default; when full, messages are refused with REPLAY_WINDOW_FULL, nothing is forgotten. */
  maxTrackedMessages?: number
  /** Calls this side has made, so that a result or error can be matched; without it they are refused. */
  pending?: (callId: string) => SealedMessage | undefined
}

/** Verifies messages addressed to one DID, and remembers what it has accepted so that nothing is accepted twice. */
export class MessageVerifier {
  readonly #verifier: VerifierRef
  readonly #now: () => number
  readonly #pending: MessageVerifierOptions['pending']

  /** Throws INVALID_DID, INVALID_CONFIG. */
  constructor(options: MessageVerifierOptions) {
    checkObject(options, 'options')
    checkString(options.audience, 'audience')
    optional(options.now, checkFunction, 'now')
    optional(options.pending, checkFunction, 'pending')
    this.#now = options.now ?? (() => Math.floor(Date.now() / 1000))
    this.#pending = options.pending
    this.#verifier = orThrow(
      native.newVerifier({
        audience: options.audience,
        clockSkew: bounded(options.clockSkewSeconds, 30, 'clockSkewSeconds', 0, 300),
        maxLifetime: bounded(options.maxLifetimeSeconds, 300, 'maxLifetimeSeconds', 1, 300),
        maxBody: bounded(options.maxBodyBytes, 1 << 20, 'maxBodyBytes', 0, 0x7fff_ffff),
        maxTracked: bounded(options.maxTrackedMessages, 1_000_000, 'maxTrackedMessages', 1, 100_000_000),
      }),
    )
  }

  /**
   * Opens one message: all checks of docs/wire-format.md, in that order.
   * Errors: MALFORMED_MESSAGE, PAYLOAD_TOO_LARGE, WRONG_AUDIENCE, MESSAGE_EXPIRED, MESSAGE_NOT_YET_VALID,
   * INVALID_SIGNATURE, REPLAYED, REPLAY_WINDOW_FULL, REPLY_MISMATCH.
   */
  open(jws: string, body: Uint8Array, token?: string): Result<VerifiedMessage> {
    checkString(jws, 'jws')
    checkBytes(body, 'body')
    optional(token, checkString, 'token')
    const now = this.#now()
    checkNumber(now, 'now()')
    const own = new Uint8Array(body) // what was verified must stay what it was
    const opened = native.open(this.#verifier, now, jws, own, token, (id) => this.#pending?.(id)?.jws)
    if (isFailure(opened)) return fail(opened)
    return ok({ ...opened, inReplyTo: opened.inReplyTo ?? undefined, body: own, jws })
  }
}
