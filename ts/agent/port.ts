import { AsyncLocalStorage } from 'node:async_hooks'
import { types } from 'node:util'
import type { Answers, Failure } from '../native/binding'
import { Events } from '../native/events'
import { failure, HandlerError, isFailure, XBindError, type RemoteError, type XBindErrorCode } from '../errors'
import { hinted } from '../hints'
import { IS_TO_BE_GIVEN_BACK, MAY_BEGIN, WAITS, type Guard } from './guard'
import { short } from './log'
import { native } from '../native'
import { decode, encode, encodeJson } from '../messages/payload'
import { fail, ok, type Result } from '../result'
import { clearTimeout, setImmediate, setTimeout } from './timers'

/** Cheaper than queueMicrotask, which makes an async resource of every task. */
const microtask = Promise.resolve()
const { uptime } = process
/** Milliseconds, never set back; `performance` would cost a millisecond when it is first touched. */
const now = (): number => uptime() * 1000

/** Handlers see no caller's AsyncLocalStorage: calls of several callers are worked off together. */
const outside = AsyncLocalStorage.snapshot()

/** Events taken from the native side at once. */
const BATCH = 256
/** How long the port may work before the event loop gets its turn, in milliseconds. */
const SLICE = 1
const MAX_TIMER = 0x7fff_ffff

/** What the port asks of its agents. */
export interface Members<Agent> {
  /** A call has come. */
  called(agent: Agent, from: string, id: string): void
  /** The handler, and what there is to be said before it begins; nothing for an agent that has no handler any more. */
  guard(agent: Agent): Guard | undefined
  /** The inbox has a message. */
  arrived(agent: Agent): void
  sign(agent: Agent, bytes: Uint8Array): unknown
  /** The most bytes of a body. */
  longest(agent: Agent): number
  /** The bus was closed. */
  closed(agent: Agent): void
  note(agent: Agent, line: string): void
}

/** Why a call failed, as its caller is told. */
interface Refusal {
  readonly code: XBindErrorCode
  /** JSON that goes with the code. */
  readonly detail?: string
}

/** What is to happen when a call has ended. */
export type Settle = (result: Result<unknown>) => void

/** What a recipient signs for a message that stands in its inbox. */
export interface DeliveryReceipt {
  /** Always `delivered`. */
  readonly status: 'delivered'
  /** The id of the message, as its recipient sees it. */
  readonly messageId: string
  /** The DID that signed for it. */
  readonly to: string
}

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

const aborted = failure('ABORTED', 'the caller gave up')
const none: readonly string[] = Object.freeze([])

/** A running call: its agent, and its number on the native side. */
interface Ticket<Agent = unknown> {
  readonly agent: Agent
  readonly number: number
  /** A thenable may settle more than once. */
  answered: boolean
}

type SignalOf = (ticket: Ticket) => AbortSignal

/** A call of which somebody was asked, or is to be. */
interface Guarded<Agent> {
  readonly ticket: Ticket<Agent>
  readonly call: Incoming
  readonly body: string | Uint8Array
  /** What is asked, and what its token grants; see src/guard.rs. */
  readonly guarded: string
  /** What was found out meanwhile. */
  told?: Answers
}

/** Its date, signal and rights are made when they are first asked for. */
class Incoming implements IncomingCall {
  readonly id: string
  readonly from: string
  readonly payload: unknown
  #rights: string | undefined
  #scopes: readonly string[] = none
  #chain: readonly string[] = none
  readonly #signalOf: SignalOf
  readonly #ticket: Ticket
  readonly #seconds: number

  constructor(signalOf: SignalOf, ticket: Ticket, id: string, from: string, payload: unknown, seconds: number) {
    this.#signalOf = signalOf
    this.#ticket = ticket
    this.id = id
    this.from = from
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

/**
 * Where the agents of this module instance meet the native side. Commands of one turn are collected and worked off
 * together in a microtask: a lone call takes no detour, many are signed together.
 */
export class Port<Agent extends object = object> {
  readonly number: number
  readonly #ask: Members<Agent>
  readonly #agents = new Map<number, Agent>()
  /** Who waits for the end of which call. */
  readonly #pending = new Map<number, Settle>()
  /** How many calls handlers work on. */
  #running = 0
  /** Of those, the ones that somebody is asked about. */
  readonly #asked = new Map<number, Guarded<Agent>>()
  /** Of those, the ones whose handler has looked at the signal. */
  readonly #watched = new Map<number, AbortController>()
  readonly #events = new Events()
  readonly #flush = (): void => outside(() => this.#work())
  #scheduled = false
  /** When the work since the event loop last had its turn began; 0 before any. */
  #turnBegan = 0
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity

  constructor(ask: Members<Agent>) {
    this.#ask = ask
    this.number = native.openPort(() => this.schedule())
  }

  add(number: number, agent: Agent): void {
    this.#agents.set(number, agent)
    this.schedule() // a key that is elsewhere is asked to show itself
  }

  /** Returns the number of the call; undefined if it could not begin, and `settle` was told why. */
  begin(
    agent: number,
    to: string,
    content: string | Uint8Array,
    oneWay: boolean,
    timeoutMs: number,
    token: string | undefined,
    settle: Settle,
  ): number | undefined {
    const call = native.call(this.number, agent, to, content, oneWay, Math.ceil(timeoutMs), token)
    this.schedule()
    if (isFailure(call)) {
      settle(fail(hinted(call)))
      return undefined
    }
    if (this.#pending.size === 0) this.#timer?.ref()
    this.#pending.set(call, settle)
    this.#arm(timeoutMs)
    return call
  }

  /** The caller gives up. */
  abandon(call: number | undefined): void {
    const settle = call === undefined ? undefined : this.#pending.get(call)
    if (call === undefined || settle === undefined) return
    this.#pending.delete(call)
    native.abandon(this.number, call)
    this.schedule()
    settle(fail(aborted))
  }

  close(number: number): void {
    this.#agents.delete(number)
    native.closeAgent(this.number, number)
    this.schedule()
  }

  readonly #signalOf: SignalOf = ({ number, answered }) => {
    const watched = this.#watched.get(number)
    if (watched) return watched.signal
    const controller = new AbortController()
    if (!answered) this.#watched.set(number, controller)
    if (answered || native.isCancelled(this.number, number)) controller.abort(cancelled())
    return controller.signal
  }

  /** Works in a microtask or, after a long stretch of work, when the event loop has had its turn. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    if (this.#turnBegan !== 0 && now() - this.#turnBegan > SLICE) setImmediate(this.#flush)
    else void microtask.then(this.#flush)
  }

  #work(): void {
    this.#scheduled = false
    if (this.#turnBegan === 0) {
      this.#turnBegan = now()
      setImmediate(() => (this.#turnBegan = 0))
    }
    const events = this.#events
    const flushes = events.done
    if (flushes && events.begin(flushed(this.number))) this.schedule()
    for (let read = 1; !events.done; read++) {
      try {
        this.#dispatch(events)
      } catch {
        // It was read whole before anybody's code ran: the others are not to be lost with it.
      }
      if (read % 16 === 0 && now() - this.#turnBegan > SLICE) return this.schedule()
    }
    // Commands or a wake that came while older events were left over still wait to be flushed.
    if (flushes) this.#rest()
    else this.schedule()
  }

  /** Kinds and fields as src/events.rs writes them. */
  #dispatch(events: Events): void {
    switch (events.next<number>()) {
      case 0:
        return this.#run(events)
      case 1:
        return this.#watched.get(events.next())?.abort(cancelled())
      case 2:
        return this.#ended(events.next())(answered(events.next()))
      case 3:
        return this.#ended(events.next())(delivered(events.next(), events.next()))
      case 4:
        return this.#ended(events.next())(failed(events.next(), events.next(), events.next()))
      case 5: {
        const agent = this.#agents.get(events.next())
        return agent && this.#ask.arrived(agent)
      }
      case 6:
        return this.#sign(events.next(), events.next(), events.next())
      case 7:
        return this.#closed(events.next())
      case 20: {
        const asked = events.next<number>()
        const call = this.#asked.get(asked)
        this.#asked.delete(asked)
        return call && this.#judge(call)
      }
      case 21: {
        const agent = this.#agents.get(events.next())
        const line = events.next<string>()
        return agent && this.#ask.note(agent, line)
      }
      case 8: {
        const agent = this.#agents.get(events.next())
        const { message } = events.next<Failure>()
        return agent && this.#ask.note(agent, `the handler's value was not sent: ${message}`)
      }
    }
  }

  #run(events: Events): void {
    const agent = this.#agents.get(events.next())
    const number = events.next<number>()
    const id = events.next<string>()
    const from = events.sender()
    const seconds = events.next<number>()
    const guarded = events.next<string | null>()
    const body = events.next<string | Uint8Array>()
    if (!agent) return
    this.#ask.called(agent, from, id)
    const ticket = { agent, number, answered: false }
    this.#running += 1
    let payload: unknown
    try {
      payload = decode(body)
    } catch {
      return this.#refuse(ticket, { code: 'INVALID_PAYLOAD' })
    }
    const call = new Incoming(this.#signalOf, ticket, id, from, payload, seconds)
    if (guarded === null) this.#start(ticket, call, body, native.start(this.number, number))
    else this.#judge({ ticket, call, body, guarded })
  }

  /** Says what is asked of a call that more than its caller's DID decides about; whoever has to be asked is waited for. */
  #judge(asked: Guarded<Agent>): void {
    const { ticket, call, body, guarded, told } = asked
    const { number } = ticket
    try {
      const guard = this.#ask.guard(ticket.agent)
      const question = { port: this.number, ticket: number, from: call.from, body, guarded }
      const judged = guard ? guard.judge(question, told) : native.start(this.number, number)
      if (typeof judged !== 'number') return this.#wait(asked, judged)
      if (judged === WAITS) return this.#keep({ ticket, call, body, guarded })
      if (judged === MAY_BEGIN) {
        const rights = guarded.indexOf('\n')
        Incoming.grant(call, rights < 0 ? native.rights(this.number, number) : guarded.slice(rights + 1))
      }
      this.#start(ticket, call, body, judged)
    } catch (error) {
      this.#threw(ticket, error)
    }
  }

  #wait({ ticket, call, body, guarded }: Guarded<Agent>, answers: Promise<Answers>): void {
    if (!native.wait(this.number, ticket.number)) return void this.#finish(ticket)
    const asked: Guarded<Agent> = { ticket, call, body, guarded }
    this.#keep(asked)
    const resume = (): void => {
      native.resume(this.number, ticket.number)
      this.schedule()
    }
    answers.then((told) => (asked.told = told), nobody).then(resume, nobody)
  }

  /** Until somebody has answered. The approver is called by the native side: its time is watched here. */
  #keep(asked: Guarded<Agent>): void {
    this.#asked.set(asked.ticket.number, asked)
    this.#timer?.ref()
    const next = native.nextDeadline(this.number)
    if (next !== null) this.#arm(Math.max(next, 1))
    this.schedule()
  }

  /** Much may have happened since the call came; what does not hold any more does not begin. */
  #start(ticket: Ticket<Agent>, call: Incoming, body: string | Uint8Array, start: number): void {
    if (start === IS_TO_BE_GIVEN_BACK) native.giveBack(this.number, ticket.number, body)
    if (start !== MAY_BEGIN) return void this.#finish(ticket)
    const handler = this.#ask.guard(ticket.agent)?.handler
    if (!handler) return this.#refuse(ticket, { code: 'AGENT_CLOSED' })
    try {
      const answer: unknown = handler(call)
      if (!isThenable(answer)) return this.#answer(ticket, answer)
      answer.then(
        (value) => this.#answer(ticket, value),
        (error: unknown) => this.#threw(ticket, error),
      )
    } catch (error) {
      this.#threw(ticket, error)
    }
  }

  /** False if it was answered before. */
  #finish(ticket: Ticket): boolean {
    if (ticket.answered) return false
    ticket.answered = true
    this.#running -= 1
    if (this.#watched.size > 0) this.#watched.delete(ticket.number)
    this.schedule()
    return true
  }

  #answer(ticket: Ticket<Agent>, value: unknown): void {
    if (ticket.answered) return
    const content = encode(value, this.#ask.longest(ticket.agent))
    if (isFailure(content)) {
      this.#ask.note(ticket.agent, `the handler's value was not sent: ${content.message}`)
      return this.#refuse(ticket, { code: 'HANDLER_FAILED' })
    }
    // Encoding runs the value's own code, which may have settled it.
    if (!this.#finish(ticket)) return
    try {
      native.answer(this.number, ticket.number, content)
    } catch {
      // Nothing may be thrown from here, where nobody waits: there is no memory for a copy.
      native.refuse(this.number, ticket.number, 'HANDLER_FAILED', undefined)
    }
  }

  #threw(ticket: Ticket<Agent>, error: unknown): void {
    const { agent } = ticket
    let detail: string | undefined
    try {
      if (error instanceof HandlerError) detail = this.#told(agent, error)
      else this.#ask.note(agent, `the handler threw: ${nameOf(error)}`)
    } catch {
      this.#ask.note(agent, 'the handler threw a value that cannot be looked at')
    }
    this.#refuse(ticket, detail === undefined ? { code: 'HANDLER_FAILED' } : { code: 'HANDLER_FAILED', detail })
  }

  /** What a HandlerError tells, as JSON: as much of it as may go into a body. */
  #told(agent: Agent, error: HandlerError): string | undefined {
    const { code, message, data } = error
    const plain = `"code":${JSON.stringify(String(code))},"message":${JSON.stringify(String(message))}`
    const longest = this.#ask.longest(agent)
    const json = data === undefined ? undefined : encodeJson(data, 'data')
    const lost = isFailure(json) ? json : json === undefined ? undefined : misfit(`{${plain},"data":${json}}`, longest)
    if (json !== undefined && !lost) return `{${plain},"data":${json as string}}`
    if (lost) this.#ask.note(agent, `the data of a HandlerError were not sent: ${lost.message}`)
    const whole = misfit(`{${plain}}`, longest)
    if (!whole) return `{${plain}}`
    this.#ask.note(agent, `a HandlerError was not sent: ${whole.message}`)
    return undefined
  }

  #refuse(ticket: Ticket, { code, detail }: Refusal): void {
    if (this.#finish(ticket)) native.refuse(this.number, ticket.number, code, detail)
  }

  #sign(number: number, round: number, bytes: Uint8Array): void {
    const signed = (signature: unknown): void => {
      try {
        native.signed(this.number, number, round, isSignature(signature) ? signature : undefined)
      } catch {
        native.signed(this.number, number, round, undefined) // it cannot be looked at
      }
      this.schedule()
    }
    try {
      const agent = this.#agents.get(number)
      const signature = agent && this.#ask.sign(agent, bytes)
      if (isThenable(signature)) signature.then(signed, () => signed(undefined))
      else signed(signature)
    } catch {
      signed(undefined)
    }
  }

  /** Who waits for that call; nobody if it was given up. */
  #ended(call: number): Settle {
    const settle = this.#pending.get(call)
    this.#pending.delete(call)
    return settle ?? nobody
  }

  #closed(number: number): void {
    const agent = this.#agents.get(number)
    this.#agents.delete(number)
    if (agent) this.#ask.closed(agent)
  }

  /** A pending call keeps the process alive through this timer, and nothing else does. */
  #arm(timeoutMs: number): void {
    const at = now() + timeoutMs
    if (at >= this.#timerAt) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(() => this.#due(), Math.min(timeoutMs, MAX_TIMER))
  }

  #due(): void {
    this.#timer = undefined
    this.#timerAt = Infinity
    const next = native.nextDeadline(this.number)
    if (next !== null) this.#arm(Math.max(next, 1))
    this.schedule()
  }

  /** What is left to do once all events are through. */
  #rest(): void {
    if (this.#pending.size > 0 || this.#asked.size > 0) return
    this.#timer?.unref()
    if (this.#agents.size > 0 || this.#running > 0 || this.#scheduled) return
    if (this.#timer) clearTimeout(this.#timer)
    native.closePort(this.number)
    if (current === this) current = undefined
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- whatever the agents of this module instance are
let current: Port<any> | undefined

/** The port of this module instance; it closes when its last agent has. */
export function openPort<Agent extends object>(ask: Members<Agent>): Port<Agent> {
  return (current ??= new Port(ask))
}

/** Lets agents of this thread hear what happened to them, if there are any. */
export function wakePort(): void {
  current?.schedule()
}

/** A panic in the native code ends what it worked on, not the process. */
function flushed(port: number): readonly unknown[] | undefined {
  try {
    return native.flush(port, BATCH)
  } catch {
    return undefined
  }
}

function nobody(): void {
  // a call that was given up
}

function answered(body: string | Uint8Array): Result<unknown> {
  try {
    return ok(decode(body))
  } catch {
    return fail(failure('INVALID_PAYLOAD', 'the answer only claims to be JSON'))
  }
}

function delivered(messageId: string, to: string): Result<DeliveryReceipt> {
  return ok({ status: 'delivered', messageId, to })
}

function failed(messageId: string | null, reason: Failure, remote: string | null): Result<never> {
  const told = remote === null ? undefined : remoteIn(remote)
  const context = { ...(messageId && { messageId }), ...(told && { remote: told }) }
  return { ok: false, error: new XBindError(hinted(reason), context) }
}

function remoteIn(text: string): RemoteError | undefined {
  try {
    return JSON.parse(text) as RemoteError
  } catch {
    return undefined
  }
}

function cancelled(): XBindError {
  return new XBindError(failure('ABORTED', 'the caller gave up, or the agent closed'))
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}

function isSignature(value: unknown): value is Uint8Array {
  return types.isUint8Array(value) && value.length === 64
}

/** Why the detail of a refusal may not go into a body, if it may not. */
function misfit(detail: string, longest: number): Failure | undefined {
  const body = `{"code":"HANDLER_FAILED","detail":${detail}}`
  const bytes = Buffer.byteLength(body)
  if (bytes > longest) return failure('PAYLOAD_TOO_LARGE', `the answer has ${bytes} bytes, the limit is ${longest}`)
  return native.checkJson(body) ?? undefined
}

/** The kind of a thrown value; its message may hold what nobody should read in a log. */
function nameOf(error: unknown): string {
  return error instanceof Error ? short(String(error.name)) : typeof error
}
