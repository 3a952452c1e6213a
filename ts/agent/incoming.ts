import type { XBindErrorCode } from '../errors'
import type { Answers } from '../native/binding'

/** A call that a handler answers. */
export interface IncomingCall<P = unknown> {
  /** Unique for its caller. */
  readonly id: string
  /** The caller's DID, proven by its signature. */
  readonly from: string
  /** What the caller sent; of the type that you expect, which nobody has checked. */
  readonly payload: P
  /** When the caller signed it, by its clock, to the second. */
  readonly issuedAt: Date
  /** Aborts when the caller gives up, the deadline passes or the agent closes. */
  readonly signal: AbortSignal
  /** What the caller's token grants; empty for a handler that trusts nobody's tokens. */
  readonly scopes: readonly string[]
  /** On whose behalf the caller acts: from the outermost delegator to the caller, DIDs; empty without a token. */
  readonly chain: readonly string[]
}

/** Why a call failed, as its caller is told. */
export interface Refusal {
  readonly code: XBindErrorCode
  /** JSON that goes with the code. */
  readonly detail?: string
}

/** A call at an agent, and its number on the native side. */
export interface Ticket<Agent = unknown> {
  readonly agent: Agent
  readonly number: number
  readonly id: string
  readonly from: string
  /** A thenable may settle more than once. */
  answered: boolean
}

export type SignalOf = (ticket: Ticket) => AbortSignal

/** A call by which something is asked, or somebody. */
export interface Guarded<Agent> {
  readonly ticket: Ticket<Agent>
  readonly call: Incoming
  readonly body: string | Uint8Array
  /** What is asked, and what its token grants; see src/guard.rs. */
  readonly guarded: string
  /** What was found out meanwhile. */
  told?: Answers
}

const none: readonly string[] = Object.freeze([])

/** Its date, signal and rights are made when they are first asked for. */
export class Incoming implements IncomingCall {
  readonly id: string
  readonly from: string
  readonly payload: unknown
  #rights: string | undefined
  #scopes: readonly string[] = none
  #chain: readonly string[] = none
  readonly #signalOf: SignalOf
  readonly #ticket: Ticket
  readonly #seconds: number

  constructor(signalOf: SignalOf, ticket: Ticket, payload: unknown, seconds: number) {
    this.#signalOf = signalOf
    this.#ticket = ticket
    this.id = ticket.id
    this.from = ticket.from
    this.payload = payload
    this.#seconds = seconds
  }

  /** The token holds: its scopes in one line, each of its chain in another. */
  static grant(call: Incoming, rights: string | null): void {
    call.#rights = rights ?? undefined
  }

  #read(): void {
    if (this.#rights === undefined) return
    const [scopes = '', ...chain] = this.#rights.split('\n')
    this.#scopes = Object.freeze(scopes === '' ? [] : scopes.split(' '))
    this.#chain = Object.freeze(chain)
    this.#rights = undefined
  }

  get scopes(): readonly string[] {
    this.#read()
    return this.#scopes
  }

  get chain(): readonly string[] {
    this.#read()
    return this.#chain
  }

  get issuedAt(): Date {
    return new Date(this.#seconds * 1000)
  }

  get signal(): AbortSignal {
    return this.#signalOf(this.#ticket)
  }
}
