/// <reference lib="esnext.disposable" preserve="true" />
import type { AuditOptions, Result, RevocationSource, SealedMessage, VerifiedMessage } from './index'
export type { MessageOp, OutgoingMessage, SealedMessage, VerifiedMessage } from './index'

/** Whose messages are opened, and within which bounds. */
export interface MessageVerifierOptions extends AuditOptions {
  /** The DID whose messages are opened. */
  audience: string;
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number;
  /** Default 30. */
  clockSkewSeconds?: number;
  /** Default 300, which is also the most. */
  maxLifetimeSeconds?: number;
  /** Default 1 MiB. */
  maxBodyBytes?: number;
  /** Bound of the replay window, 1 000 000 by default; when full, messages are refused with REPLAY_WINDOW_FULL, nothing is forgotten. */
  maxTrackedMessages?: number;
  /**
   * The name of the replay window, 16 random bytes in base64url, which calls and sends must name: a new one for each verifier
   * that begins without the memory of an earlier one, or STALE_SESSION. Without it they must name none.
   */
  session?: string;
  /**
   * Calls this side has made, so that what answers them can be matched; without it they are refused. It is asked about every
   * reply that is genuine, before the reply takes a place in the replay window: what it throws, `open` throws, and the same
   * reply can be opened again. So it looks a call up and changes nothing; whoever keeps a list takes the call off it when
   * `open` has returned the reply.
   */
  pending?: (callId: string) => SealedMessage | undefined;
  /**
   * Calls this side works on, so that a `cancel` or `more` of their caller can be matched; without it they are refused. Ids
   * are unique for a sender only, so it is asked by both. Otherwise it is like `pending`.
   */
  running?: (callId: string, from: string) => VerifiedMessage | undefined;
  /** DIDs whose messages are taken; of all others nothing is remembered, and they get NOT_ALLOWED. Everybody by default. */
  allow?: readonly string[];
  /**
   * Asked about every sender, by `did` and `issuedAt`, before anything of the message is remembered. One that throws, or
   * answers anything but a boolean (a promise too), does not know: REVOCATION_UNKNOWN. None by default.
   */
  revocations?: RevocationSource | readonly RevocationSource[];
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
export declare class MessageVerifier {
  #private;
  /** Throws INVALID_DID, INVALID_CONFIG. */
  constructor(options: MessageVerifierOptions);
  /**
   * Opens one message: all checks of docs/wire-format.md, in that order. Throws what `now`, `pending` and `running` throw.
   * Errors: MALFORMED_MESSAGE, PAYLOAD_TOO_LARGE, WRONG_AUDIENCE, MESSAGE_EXPIRED, MESSAGE_NOT_YET_VALID,
   * INVALID_SIGNATURE, NOT_ALLOWED, REVOKED, REVOCATION_UNKNOWN, STALE_SESSION, DECRYPTION_FAILED, REPLY_MISMATCH, REPLAYED, REPLAY_WINDOW_FULL,
   * AUDIT_FAILED.
   *
   * @example
   * ```ts
   * const opened = new MessageVerifier({ audience: friend.did }).open(sealed.jws, sealed.body)
   * if (opened.ok) console.log(opened.value.from, JSON.parse(new TextDecoder().decode(opened.value.body)))
   * ```
   */
  open(jws: string, body: Uint8Array, token?: string): Result<VerifiedMessage>;
}

export {};
