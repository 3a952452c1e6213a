import type { XBindErrorCode } from '../errors'
import { decode } from '../messages/payload'
import { wordIn, type Progress } from './progress'
import type { Answers } from '../native/binding'
import type { OnBehalfOf } from '../tokens/token'

/** A call that a handler answers. */
export interface IncomingCall<P = unknown> {
  /** Unique for its caller. */
  readonly id: string
  /** The caller's DID, proven by its signature. */
  readonly from: string
  /** The method asked for, if the caller named one. */
  readonly method: string | undefined
  /** What the caller sent; of the type that you expect, which nobody has checked unless the method has a schema. */
  readonly payload: P
  /** Where the call belongs in a trace, as the caller says: a `traceparent` of W3C Trace Context. */
  readonly traceparent: string | undefined
  /** When the caller signed it, by its clock, to the second. */
  readonly issuedAt: Date
  /** Aborts when the caller gives up, the deadline passes or the agent closes. */
  readonly signal: AbortSignal
  /**
   * Tells the caller how far the call is: it reaches `onProgress`, and starts the caller's `timeoutMs` anew. Each word is signed.
   * Throws TypeError, XBindError: INVALID_PAYLOAD (a number that is not finite, half of a surrogate pair), PAYLOAD_TOO_LARGE. Once the call is over, it
   * does nothing.
   */
  progress(progress: Progress): void
  /** What the caller's token grants; empty for a handler that trusts nobody's tokens. */
  readonly scopes: readonly string[]
  /** The limits of that token by their names, where anybody in the chain set one: of each name the smallest. */
  readonly quota: Readonly<Record<string, number>> | undefined
  /** On whose behalf the caller acts: from the outermost delegator to the caller, DIDs; empty without a token. */
  readonly chain: readonly string[]
  /** For whom the first of them was given the rights, such as a person who signed in there; the word of the token's issuer. */
  readonly onBehalfOf: OnBehalfOf | undefined
}

export type Answerer = (call: IncomingCall) => unknown

/** Why a call failed, as its caller is told. */
export interface Refusal {
  readonly code: XBindErrorCode
  /** JSON that goes with the code. */
  readonly detail?: string | undefined
}

/** A call at an agent, and its number on the native side. */
export interface Ticket<Agent = unknown> {
  readonly agent: Agent
  readonly number: number
  readonly id: string
  readonly from: string
  readonly method: string | undefined
  readonly traceparent: string | undefined
  /** A thenable may settle more than once. */
  answered: boolean
}

/** What a call reaches beyond itself. */
export interface Ways {
  signal(ticket: Ticket): AbortSignal
  progress(ticket: Ticket, progress: Progress): void
}

/** A call by which something is asked, or somebody. */
export interface Guarded<Agent> {
  readonly ticket: Ticket<Agent>
  readonly call: Incoming
  readonly body: string | Uint8Array
  /**
   * What is asked, and what its token grants; see guard.rs of crates/xbind-binding. Null where nothing is, and only its record is
   * waited for.
   */
  readonly guarded: string | null
  /** Its caller is told that it waits for an approval, until this is called. */
  readonly stopTelling?: () => void
  /** What was found out meanwhile. */
  told?: Answers
}

const none: readonly string[] = Object.freeze([])

/** Its payload is read when somebody may see it; its date, signal and rights are made when they are first asked for. */
export class Incoming implements IncomingCall {
  readonly id: string
  readonly from: string
  readonly method: string | undefined
  payload: unknown = undefined
  readonly traceparent: string | undefined
  #rights: string | undefined
  #scopes: readonly string[] = none
  #quota: Readonly<Record<string, number>> | undefined
  #chain: readonly string[] = none
  #onBehalfOf: OnBehalfOf | undefined
  readonly #ways: Ways
  readonly #ticket: Ticket
  readonly #seconds: number
  /** Until it was read. */
  #body: string | Uint8Array | undefined

  constructor(ways: Ways, ticket: Ticket, body: string | Uint8Array, seconds: number) {
    this.#ways = ways
    this.#ticket = ticket
    this.id = ticket.id
    this.from = ticket.from
    this.method = ticket.method
    this.traceparent = ticket.traceparent
    this.#seconds = seconds
    this.#body = body
  }

  /** False for a body that only claims to be JSON. */
  read(): boolean {
    if (this.#body === undefined) return true
    try {
      this.payload = decode(this.#body)
    } catch {
      return false
    }
    this.#body = undefined
    return true
  }

  /** The token holds: its scopes and, behind a tab, limits in one line, each of its chain in another, and behind an empty one for whom. */
  static grant(call: Incoming, rights: string | null): void {
    call.#rights = rights ?? undefined
  }

  #read(): void {
    if (this.#rights === undefined) return
    const [granted = '', ...chain] = this.#rights.split('\n')
    const [scopes = '', limits] = granted.split('\t')
    const [, issuer, subject] = chain.includes('') ? chain.splice(chain.indexOf('')) : []
    this.#scopes = Object.freeze(scopes === '' ? [] : scopes.split(' '))
    if (limits !== undefined) this.#quota = quotaIn(limits)
    this.#chain = Object.freeze(chain)
    if (issuer !== undefined && subject !== undefined) this.#onBehalfOf = Object.freeze({ issuer, subject })
    this.#rights = undefined
  }

  get scopes(): readonly string[] {
    this.#read()
    return this.#scopes
  }

  get quota(): Readonly<Record<string, number>> | undefined {
    this.#read()
    return this.#quota
  }

  get chain(): readonly string[] {
    this.#read()
    return this.#chain
  }

  get onBehalfOf(): OnBehalfOf | undefined {
    this.#read()
    return this.#onBehalfOf
  }

  get issuedAt(): Date {
    return new Date(this.#seconds * 1000)
  }

  /** Good also when it was taken out of the call. */
  get progress(): (progress: Progress) => void {
    return (progress) => this.#ways.progress(this.#ticket, wordIn(progress))
  }

  get signal(): AbortSignal {
    return this.#ways.signal(this.#ticket)
  }
}

/** Limits as `name=most`, with spaces between. */
function quotaIn(text: string): Readonly<Record<string, number>> {
  const limits = text.split(' ').map((limit) => {
    const [name = '', most] = limit.split('=')
    return [name, Number(most)] as const
  })
  return Object.freeze(Object.fromEntries(limits))
}
