/// <reference lib="esnext.disposable" preserve="true" />
import type { Result, SealedMessage, VerifiedMessage } from './index'
export type { OutgoingMessage, SealedMessage, VerifiedMessage } from './index'

/** Whose messages are opened, and within which bounds. */
export interface MessageVerifierOptions {
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
  /** Calls this side has made, so that a result or error can be matched; without it they are refused. */
  pending?: (callId: string) => SealedMessage | undefined;
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
   * Opens one message: all checks of docs/wire-format.md, in that order.
   * Errors: MALFORMED_MESSAGE, PAYLOAD_TOO_LARGE, WRONG_AUDIENCE, MESSAGE_EXPIRED, MESSAGE_NOT_YET_VALID,
   * INVALID_SIGNATURE, REPLAYED, REPLAY_WINDOW_FULL, REPLY_MISMATCH.
   */
  open(jws: string, body: Uint8Array, token?: string): Result<VerifiedMessage>;
}

export {};
