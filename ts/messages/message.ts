import { createHash } from 'node:crypto'
import { types } from 'node:util'
import type { Claim, Failure, Json, Message, VerifierRef } from '../native/binding'
import { Recorder, type AuditOptions } from '../agent/audit'
import {
  bounded,
  checkBytes,
  checkFunction,
  checkNumber,
  checkObject,
  checkString,
  known,
  optional,
  strings,
} from '../check'
import { failure, isFailure } from '../errors'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, orThrow, type Result } from '../result'
import type { RevocationSource } from '../tokens/revocation'
import { systemTime } from '../tokens/seconds'

/**
 * What a message is: a `call` wants an answer, a `send` none. From the one asked come `result` or `error`, which end the call,
 * `receipt` (it stands in an inbox), `part` of the answer, and `progress`; from the caller `cancel` and `more`, when he
 * waits no longer or takes further parts.
 */
export type MessageOp = 'call' | 'send' | 'result' | 'error' | 'receipt' | 'part' | 'progress' | 'cancel' | 'more'

/** What is to be sealed: one message to one DID. */
export interface OutgoingMessage {
  /** What the message is. */
  op: MessageOp
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
  /** Required for all but calls and sends: the call that is answered, or that more is said of. */
  inReplyTo?: SealedMessage | VerifiedMessage
  /** The method that a call or send asks for: 1 to 128 of `A-Z a-z 0-9 _ . -`. */
  method?: string
  /** How long the caller waits, in milliseconds, 1 to 2 147 483 647; on calls. */
  deadlineMs?: number
  /** Where the message belongs in a trace, by W3C Trace Context; proves nothing. */
  traceparent?: string
  /** Which part of the answer it is, from 0, or which word of progress; on a result or error after parts, how many there were. */
  seq?: number
  /** How many parts the caller takes, counted from the first; on calls and `more`. */
  window?: number
  /** The session of the recipient that is meant, as it says itself: 16 bytes in base64url; on calls and sends. */
  session?: string
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
  /** What the message is. */
  readonly op: MessageOp
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
  /** The id of the call that it answers or says more of; undefined for calls and sends. */
  readonly inReplyTo: string | undefined
  /** The method asked for. */
  readonly method: string | undefined
  /** How long the caller of a call waits, in milliseconds. */
  readonly deadlineMs: number | undefined
  /** Where the message belongs in a trace, by W3C Trace Context; proves nothing. */
  readonly traceparent: string | undefined
  /** Which part of an answer it is, from 0, or which word of progress; on a result or error, how many parts there were. */
  readonly seq: number | undefined
  /** How many parts the caller takes, counted from the first. */
  readonly window: number | undefined
  /** The session of its recipient that a call or send is meant for. */
  readonly session: string | undefined
  /** The signed claims as they came, to be kept as proof. */
  readonly jws: string
}

/** Whose messages are opened, and within which bounds. */
export interface MessageVerifierOptions extends AuditOptions {
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
  /**
   * The name of the replay window, 16 random bytes in base64url, which calls and sends must name: a new one for each verifier
   * that begins without the memory of an earlier one, or STALE_SESSION. Without it they must name none.
   */
  session?: string
  /**
   * Calls this side has made, so that what answers them can be matched; without it they are refused. It is asked about every
   * reply that is genuine, before the reply takes a place in the replay window: what it throws, `open` throws, and the same
   * reply can be opened again. So it looks a call up and changes nothing; whoever keeps a list takes the call off it when
   * `open` has returned the reply.
   */
  pending?: (callId: string) => SealedMessage | undefined
  /**
   * Calls this side works on, so that a `cancel` or `more` of their caller can be matched; without it they are refused. Ids
   * are unique for a sender only, so it is asked by both. Otherwise it is like `pending`.
   */
  running?: (callId: string, from: string) => VerifiedMessage | undefined
  /** DIDs whose messages are taken; of all others nothing is remembered, and they get NOT_ALLOWED. Everybody by default. */
  allow?: readonly string[]
  /**
   * Asked about every sender, by `did` and `issuedAt`, before anything of the message is remembered. One that throws, or
   * answers anything but a boolean (a promise too), does not know: REVOCATION_UNKNOWN. None by default.
   */
  revocations?: RevocationSource | readonly RevocationSource[]
}

const OPTIONS = [
  'audience',
  'now',
  'clockSkewSeconds',
  'maxLifetimeSeconds',
  'maxBodyBytes',
  'maxTrackedMessages',
  'session',
  'pending',
  'running',
  'allow',
  'revocations',
  'audit',
  'dangerouslyContinueUnrecorded',
] as const satisfies readonly (keyof MessageVerifierOptions)[]

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
  readonly #running: MessageVerifierOptions['running']
  readonly #sources: readonly RevocationSource[]
  readonly #recorder: Recorder | undefined
  readonly #audience: string

  /** Throws INVALID_DID, INVALID_CONFIG. */
  constructor(options: MessageVerifierOptions) {
    checkObject(options, 'options')
    known(options, 'MessageVerifier', OPTIONS)
    const { audience, now = systemTime, pending, running, allow, revocations } = options
    const { clockSkewSeconds, maxLifetimeSeconds, maxBodyBytes, maxTrackedMessages, session } = options
    const { audit, dangerouslyContinueUnrecorded } = options
    checkString(audience, 'audience')
    optional(session, checkString, 'session')
    checkFunction(now, 'now')
    optional(pending, checkFunction, 'pending')
    optional(running, checkFunction, 'running')
    this.#now = now
    this.#pending = pending
    this.#running = running
    this.#sources = sourcesIn(revocations)
    this.#recorder = Recorder.of(audit, dangerouslyContinueUnrecorded)
    this.#audience = audience
    this.#verifier = orThrow(
      native.newVerifier(
        json({
          audience,
          clockSkew: bounded(clockSkewSeconds, 30, 'clockSkewSeconds', 0, 300),
          maxLifetime: bounded(maxLifetimeSeconds, 300, 'maxLifetimeSeconds', 1, 300),
          maxBody: bounded(maxBodyBytes, 1 << 20, 'maxBodyBytes', 0, 0x7fff_ffff),
          maxTracked: bounded(maxTrackedMessages, 1_000_000, 'maxTrackedMessages', 1, 100_000_000),
          session,
          allow: allow === undefined ? undefined : strings(allow, 'allow'),
          asks: this.#sources.length > 0 || this.#recorder !== undefined,
        }),
      ),
    )
  }

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
  open(jws: string, body: Uint8Array, token?: string): Result<VerifiedMessage> {
    checkString(jws, 'jws')
    checkBytes(body, 'body')
    optional(token, checkString, 'token')
    const own = new Uint8Array(body) // what was verified must stay what it was
    const seen: Seen = {}
    const opened = this.#tried(jws, own, token, seen)
    const entry = this.#recorder && this.#entry(jws, seen)
    if (isFailure(opened)) {
      if (entry && opened.code !== 'AUDIT_FAILED') this.#recorder?.refused(entry, opened)
      return fail(opened)
    }
    const message = read(opened)
    const { id: messageId, method } = message
    const failed = entry && this.#recorder?.put({ ...entry, outcome: 'accepted', messageId, method })
    if (failed) {
      native.forgetMessage(this.#verifier, message.from, messageId) // it may come again as it is
      return fail(failed)
    }
    return ok({
      ...message,
      inReplyTo: message.inReplyTo,
      method: message.method,
      deadlineMs: message.deadlineMs,
      traceparent: message.traceparent,
      seq: message.seq,
      window: message.window,
      session: message.session,
      body: own,
      jws,
    })
  }

  #entry(jws: string, { from }: Seen): { event: string; by: string; digest: string; from: string | undefined } {
    return { event: 'message', by: this.#audience, digest: digestOf(jws), from }
  }

  #tried(jws: string, body: Uint8Array, token: string | undefined, seen: Seen): Json<Message> | Failure {
    try {
      return this.#opened(jws, body, token, seen)
    } catch (thrown) {
      this.#recorder?.thrown(this.#entry(jws, seen))
      throw thrown
    }
  }

  #opened(jws: string, body: Uint8Array, token: string | undefined, seen: Seen): Json<Message> | Failure {
    const now = this.#now()
    checkNumber(now, 'now()')
    const opened = native.open(this.#verifier, now, jws, body, token)
    if (typeof opened === 'string' || isFailure(opened)) return opened
    const claim = read(native.claim(opened))
    seen.from = claim.from
    const refused = this.#refused(claim) ?? this.#recorder?.blocked
    return refused ?? native.accept(this.#verifier, opened, now, body, token, this.#callOf(claim))
  }

  #refused({ from, issuedAt }: Claim): Failure | undefined {
    let isUnknown = false
    for (const source of this.#sources) {
      let answer: unknown
      try {
        answer = source.isRevoked({ did: from, issuedAt })
        if (types.isPromise(answer)) answer.catch(() => undefined) // too late to matter, also if it rejects
      } catch {
        // it does not know
      }
      if (answer === true) return failure('REVOKED', `${from} was revoked`)
      if (answer !== false) isUnknown = true
    }
    if (!isUnknown) return undefined
    return failure('REVOCATION_UNKNOWN', `no source knows at once whether ${from} was revoked`, 'open it again', true)
  }

  /** The JWS of the call that a message is about, by what the user of this class knows. */
  #callOf({ about, isReply, from }: Claim): string | undefined {
    if (about === undefined) return undefined
    const call: unknown = isReply ? this.#pending?.(about) : this.#running?.(about, from)
    const jws = typeof call === 'object' && call !== null ? (call as Partial<SealedMessage>).jws : undefined
    return typeof jws === 'string' ? jws : undefined
  }
}

/** What was proven of a message before anything was asked about it. */
interface Seen {
  from?: string
}

const digestOf = (jws: string): string => createHash('sha256').update(jws).digest('base64url')

function sourcesIn(revocations: MessageVerifierOptions['revocations']): RevocationSource[] {
  if (revocations === undefined) return []
  const sources: RevocationSource[] = Array.isArray(revocations) ? [...revocations] : [revocations]
  for (const source of sources) {
    checkObject(source, 'revocations')
    checkFunction(source.isRevoked, 'revocations.isRevoked')
  }
  return sources
}
