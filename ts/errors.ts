import type { Failure } from './native/binding'
import { checkObject, checkString, known } from './check'

/** Stable for ever: codes are added, never renamed. Each has a heading in docs/errors.md. */
export type XBindErrorCode =
  // identity
  | 'INVALID_DID'
  | 'INVALID_KEY'
  | 'IMPORT_FAILED'
  | 'EXPORT_FAILED'
  | 'WRONG_PASSPHRASE'
  | 'SIGN_FAILED'
  // addressing
  | 'INVALID_NAME'
  | 'AGENT_NOT_FOUND'
  | 'AMBIGUOUS_NAME'
  | 'AGENT_CLOSED'
  // message
  | 'INVALID_PAYLOAD'
  | 'PAYLOAD_TOO_LARGE'
  | 'MALFORMED_MESSAGE'
  | 'INVALID_SIGNATURE'
  | 'WRONG_AUDIENCE'
  | 'MESSAGE_EXPIRED'
  | 'MESSAGE_NOT_YET_VALID'
  | 'REPLAYED'
  | 'REPLAY_WINDOW_FULL'
  | 'STALE_SESSION'
  | 'ENCRYPTION_REQUIRED'
  | 'DECRYPTION_FAILED'
  | 'REPLY_MISMATCH'
  // delivery
  | 'TIMEOUT'
  | 'ABORTED'
  | 'INBOX_FULL'
  | 'NOT_ALLOWED'
  | 'HANDLER_FAILED'
  | 'METHOD_NOT_FOUND'
  | 'INVALID_INPUT'
  // authorization
  | 'INVALID_TOKEN'
  | 'TOKEN_EXPIRED'
  | 'TOKEN_NOT_YET_VALID'
  | 'UNTRUSTED_ISSUER'
  | 'SCOPE_DENIED'
  | 'INVALID_DELEGATION'
  | 'REVOKED'
  | 'REVOCATION_UNKNOWN'
  | 'APPROVAL_REQUIRED'
  | 'APPROVAL_REFUSED'
  | 'APPROVAL_TIMEOUT'
  | 'APPROVAL_FAILED'
  // on record
  | 'AUDIT_FAILED'
  | 'INVALID_AUDIT'
  // registry and authority
  | 'REGISTRY_UNAVAILABLE'
  | 'BROKER_UNAVAILABLE'
  | 'NAME_TAKEN'
  // other
  | 'INVALID_CONFIG'
  | 'INTERNAL'

/** What the other agent's handler chose to tell, by throwing a `HandlerError`. */
export interface RemoteError {
  /** The code that the handler chose; its own words, none of `XBindErrorCode`. */
  readonly code: string
  /** What the handler says went wrong. */
  readonly message: string
  /** What the handler added, as JSON carried it. */
  readonly data?: unknown
}

const xbindError = Symbol.for('@private.me/autogen.XBindError')
const handlerError = Symbol.for('@private.me/autogen.HandlerError')

function branded(value: unknown, brand: symbol): boolean {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true
}

/**
 * The error of every failed `Result`. Recognised across realms and copies of this package:
 * `error instanceof XBindError` tests a brand, not a prototype.
 *
 * @example
 * ```ts
 * const answer = await agent.call('nobody', null)
 * if (!answer.ok) console.log(answer.error.code, answer.error.hint, JSON.stringify(answer.error))
 * ```
 */
export class XBindError extends Error {
  /** Always `XBindError`. */
  declare readonly name: 'XBindError'
  /** What went wrong, for programs; each code has a heading in docs/errors.md. */
  readonly code: XBindErrorCode
  /** What to do about it, in one sentence; never holds key material or payload. */
  readonly hint: string | undefined
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean
  /** Id of the message concerned, for the log and the audit trail. */
  readonly messageId: string | undefined
  /** With HANDLER_FAILED: what the other agent's handler chose to tell. */
  readonly remote: RemoteError | undefined
  /**
   * Whether the other side ran the call: `yes` and `no` are known, because it said so, signed, or because nothing left. Only
   * after `no` is it safe to make the call again.
   */
  readonly handled: 'yes' | 'no' | 'unknown'

  /** @internal Made by this package only. */
  constructor(failure: Failure, context: { messageId?: string; remote?: RemoteError | undefined } = {}) {
    super(failure.message, 'cause' in failure ? { cause: (failure as Caused).cause } : undefined)
    this.code = failure.code as XBindErrorCode
    this.hint = failure.hint
    this.retryable = failure.retryable
    this.messageId = context.messageId
    this.remote = context.remote
    this.handled = failure.handled ?? 'no'
  }

  /** What `JSON.stringify` writes: all that the error says, and no stack. */
  toJSON(): Pick<XBindError, 'name' | 'code' | 'message' | 'hint' | 'retryable' | 'messageId' | 'remote' | 'handled'> {
    const { name, code, message, hint, retryable, messageId, remote, handled } = this
    return { name, code, message, hint, retryable, messageId, remote, handled }
  }

  /** Tests a brand, so that errors of another realm or copy of this package count too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return branded(value, xbindError)
  }
}
Object.defineProperty(XBindError.prototype, 'name', { value: 'XBindError', configurable: true, writable: true })
Object.defineProperty(XBindError.prototype, xbindError, { value: true })

/**
 * Thrown by a handler to tell the caller something. Any other thrown value stays on the handler's side.
 *
 * @example
 * ```ts
 * agent.handle(() => {
 *   throw new HandlerError('OFF_TOPIC', 'ask about something else', { data: { try: ['identity'] } })
 * })
 * ```
 */
export class HandlerError extends Error {
  /** Always `HandlerError`. */
  declare readonly name: 'HandlerError'
  /** A code of your own; the caller reads it in `error.remote.code`. */
  readonly code: string
  /** Anything that JSON can hold; the caller reads it in `error.remote.data`. */
  readonly data: unknown

  /** The caller is told `code`, `message` and `data`; the `cause` stays here. */
  constructor(
    code: string,
    message: string,
    options: {
      /** Told to the caller. */
      data?: unknown
      /** Stays on this side. */
      cause?: unknown
    } = {},
  ) {
    checkString(code, 'code')
    checkString(message, 'message')
    if (code === '') throw new TypeError('code must not be empty: it tells the caller what went wrong')
    checkObject(options, 'options')
    known(options, 'HandlerError', ['data', 'cause'])
    const { data, cause } = options
    super(message, 'cause' in options ? { cause } : undefined)
    this.code = code
    this.data = data
  }

  /** What `JSON.stringify` writes: what the caller is told. */
  toJSON(): Pick<HandlerError, 'name' | 'code' | 'message' | 'data'> {
    const { name, code, message, data } = this
    return { name, code, message, data }
  }

  /** Tests a brand, so that errors of another realm or copy of this package count too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return branded(value, handlerError)
  }
}
Object.defineProperty(HandlerError.prototype, 'name', { value: 'HandlerError', configurable: true, writable: true })
Object.defineProperty(HandlerError.prototype, handlerError, { value: true })

/** A failure that only this side of the border can see. */
export function failure(code: XBindErrorCode, message: string, hint?: string, retryable = false): Failure {
  return hint === undefined ? { code, message, retryable } : { code, message, hint, retryable }
}

interface Caused extends Failure {
  readonly cause: unknown
}

/** A failure of which this side knows the cause, for the error that is made of it. */
export function caused(failure: Failure, cause: unknown): Caused {
  return { ...failure, cause }
}

export function isFailure(value: unknown): value is Failure {
  // Bytes may bear any members.
  return (
    typeof value === 'object' &&
    value !== null &&
    !ArrayBuffer.isView(value) &&
    typeof (value as Failure).code === 'string'
  )
}
