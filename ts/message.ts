import type { VerifierRef } from './binding'
import { bounded, checkBytes, checkFunction, checkNumber, checkObject, checkString, optional } from './check'
import { isFailure } from './errors'
import { native } from './native'
import { fail, ok, orThrow, type Result } from './result'

/** What is to be sealed: one message to one DID. */
export interface OutgoingMessage {
  /** What the message is: a `call` wants an answer, `send` none; `result` and `error` answer a call. */
  op: 'call' | 'send' | 'result' | 'error'
  /** The recipient's DID. */
  to: string
  /** What is said. It travels beside the JWS, and its digest is signed. */
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

/** A signed message. What has to travel: `jws`, `body`, and `token` if there is one. */
export interface SealedMessage {
  /** The signed claims, in JWS compact form (RFC 7515). */
  readonly jws: string
  /** The bytes whose digest the JWS signs. */
  readonly body: Uint8Array
  /** The token presented with it; undefined without one. */
  readonly token: string | undefined
  /** Unique for its sender; the answer names it. */
  readonly id: string
}

/** A message that passed every check: genuine, in time, for this audience, and opened for the first time. */
export interface VerifiedMessage {
  /** Unique for its sender. */
  readonly id: string
  /** What the message is: `call`, `send`, or the `result` or `error` that answers a call. */
  readonly op: 'call' | 'send' | 'result' | 'error'
  /** Proven by the signature. */
  readonly from: string
  /** The DID whose verifier opened it. */
  readonly to: string
  /** The very bytes that were verified. */
  readonly body: Uint8Array
  /** The media type of the body. */
  readonly contentType: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly expiresAt: number
  /** The id of the call that it answers; undefined for calls and sends. */
  readonly inReplyTo: string | undefined
  /** The signed claims as they came, to be kept as proof. */
  readonly jws: string
}

/** Whose messages are opened, and within which bounds. */
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

/**
 * Verifies messages addressed to one DID, and remembers what it has accepted so that nothing is accepted twice.
 *
 * @example
 * ```ts
 * const verifier = new MessageVerifier({ audience: identity.did })
 * const opened = verifier.open(sealed.jws, sealed.body)
 * if (opened.ok) console.log(opened.value.from, opened.value.body)
 * ```
 */
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
