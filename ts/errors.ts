import type { Failure } from './binding'
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
  | 'REPLY_MISMATCH'
  // delivery
  | 'TIMEOUT'
  | 'ABORTED'
  | 'INBOX_FULL'
  | 'NOT_ALLOWED'
  | 'HANDLER_FAILED'
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
  // registry and authority
  | 'REGISTRY_UNAVAILABLE'
  | 'NAME_TAKEN'
  // other
  | 'INVALID_CONFIG'
  | 'INTERNAL'

/** What the other agent's handler chose to tell, by throwing a `HandlerError`. */
export interface RemoteError {
  readonly code: string
  readonly message: string
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
 */
export class XBindError extends Error {
  declare readonly name: 'XBindError'
  readonly code: XBindErrorCode
  /** What to do about it, in one sentence; never holds key material or payload. */
  readonly hint: string | undefined
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean
  /** Id of the message concerned, for the log and the audit trail. */
  readonly messageId: string | undefined
  /** With HANDLER_FAILED: what the other agent's handler chose to tell. */
  readonly remote: RemoteError | undefined

  /** @internal Made by this package only. */
  constructor(failure: Failure, context: { messageId?: string; remote?: RemoteError | undefined } = {}) {
    super(failure.message)
    this.code = failure.code as XBindErrorCode
    this.hint = failure.hint
    this.retryable = failure.retryable
    this.messageId = context.messageId
    this.remote = context.remote
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return branded(value, xbindError)
  }
}
Object.defineProperty(XBindError.prototype, 'name', { value: 'XBindError', configurable: true, writable: true })
Object.defineProperty(XBindError.prototype, xbindError, { value: true })

/** Thrown by a handler to tell the caller something. Any other thrown value stays on the handler's side. */
export class HandlerError extends Error {
  declare readonly name: 'HandlerError'
  readonly code: string
  readonly data: unknown

  constructor(code: string, message: string, options: { data?: unknown; cause?: unknown } = {}) {
    checkString(code, 'code')
    checkString(message, 'message')
    checkObject(options, 'options')
    known(options, 'HandlerError', ['data', 'cause'])
    const { data, cause } = options
    super(message, 'cause' in options ? { cause } : undefined)
    this.code = code
    this.data = data
  }

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

export function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && typeof (value as Failure).code === 'string'
}
