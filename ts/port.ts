import { AsyncLocalStorage } from 'node:async_hooks'
import { types } from 'node:util'
import type { Failure } from './binding'
import { failure, HandlerError, isFailure, XBindError, type RemoteError, type XBindErrorCode } from './errors'
import { short } from './log'
import { native } from './native'
import { decode, encode } from './payload'

// Taken when the module loads: fake timers of a test framework must not stop the bus.
const { setTimeout, clearTimeout, setImmediate } = globalThis
/** Cheaper than queueMicrotask, which makes an async resource of every task. */
const microtask = Promise.resolve()
const now = performance.now.bind(performance)

/** Handlers see no caller's AsyncLocalStorage: calls of several callers are worked off together. */
const outside = AsyncLocalStorage.snapshot()

/** Events taken from the native side at once. */
const BATCH = 256
/** How long the port may work before the event loop gets its turn, in milliseconds. */
const SLICE = 5
const MAX_TIMER = 0x7fff_ffff

/** What the port asks of its agents. */
export interface Members<Agent> {
  /** Lets a call in to a handler, or says why not. `token` is what the caller presents, and has signed for. */
  admit(agent: Agent, call: Incoming, body: string | Uint8Array, token: string | null): Admission | Promise<Admission>
  /** The inbox has a message. */
  arrived(agent: Agent): void
  sign(agent: Agent, bytes: Uint8Array): unknown
  /** The bus was closed. */
  closed(agent: Agent): void
  note(agent: Agent, line: string): void
}

/** The handler that is to answer a call, or why none does. */
export type Admission = ((call: IncomingCall) => unknown) | Refusal

/** Why a call may not run, as its caller is told. */
export interface Refusal {
  readonly code: XBindErrorCode
  /** JSON that goes with the code. */
  readonly detail?: string
}

/** Who waits for the end of a call. */
export interface Caller {
  answered(body: string | Uint8Array): void
  delivered(messageId: string, to: string): void
  failed(error: XBindError): void
}

/** A call that a handler answers. */
export interface IncomingCall<P = unknown> {
  readonly id: string
  /** The caller's DID, proven by its signature. */
  readonly from: string
  readonly payload: P
  readonly issuedAt: Date
  /** Aborts when the caller gives up, the deadline passes or the agent closes. */
  readonly signal: AbortSignal
  /** What the caller's token grants; empty for a handler that trusts nobody's tokens. */
  readonly scopes: readonly string[]
  /** On whose behalf the caller acts: from the outermost delegator to the caller, DIDs; empty without a token. */
  readonly chain: readonly string[]
}

const none: readonly string[] = Object.freeze([])

/** Its date and signal are made when they are first asked for. */
export class Incoming implements IncomingCall {
  readonly id: string
  readonly from: string
  readonly payload: unknown
  scopes = none
  chain = none
  readonly #port: { signalOf(ticket: number): AbortSignal }
  readonly #ticket: number
  readonly #seconds: number

  constructor(
    port: { signalOf(ticket: number): AbortSignal },
    ticket: number,
    id: string,
    from: string,
    payload: unknown,
    seconds: number,
  ) {
    this.#port = port
    this.#ticket = ticket
    this.id = id
    this.from = from
    this.payload = payload
    this.#seconds = seconds
  }

  get issuedAt(): Date {
    return new Date(this.#seconds * 1000)
  }

  get signal(): AbortSignal {
    return this.#port.signalOf(this.#ticket)
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
  readonly #callers = new Map<number, Caller>()
  /** Running calls; those whose handler has looked at the signal have a controller. */
  readonly #running = new Map<number, AbortController | undefined>()
  readonly #flush = (): void => outside(() => this.#work())
  #scheduled = false
  /** When the work since the event loop last had its turn began; 0 before any. */
  #turnBegan = 0
  #events: unknown[] = []
  #next = 0
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity

  constructor(ask: Members<Agent>) {
    this.#ask = ask
    this.number = native.openPort(() => this.schedule())
  }

  add(number: number, agent: Agent): void {
    this.#agents.set(number, agent)
  }

  /** Returns the number of the call, or why it cannot begin. */
  begin(
    agent: number,
    to: string,
    content: string | Uint8Array,
    oneWay: boolean,
    timeoutMs: number,
    token: string | undefined,
    caller: Caller,
  ): number | Failure {
    const call = guarded(() => native.call(this.number, agent, to, content, oneWay, timeoutMs, token))
    if (typeof call !== 'number') return call
    if (this.#callers.size === 0) this.#timer?.ref()
    this.#callers.set(call, caller)
    this.#arm(timeoutMs)
    this.schedule()
    return call
  }

  abandon(call: number): void {
    if (this.#ended(call)) native.abandon(this.number, call)
    this.schedule()
  }

  close(number: number): void {
    this.#agents.delete(number)
    native.closeAgent(this.number, number)
    this.schedule()
  }

  signalOf(ticket: number): AbortSignal {
    const known = this.#running.get(ticket)
    if (known) return known.signal
    const controller = new AbortController()
    if (this.#running.has(ticket)) this.#running.set(ticket, controller)
    if (native.isCancelled(this.number, ticket)) controller.abort(cancelled())
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
    const flushes = this.#next >= this.#events.length
    if (flushes) {
      const events = guarded(() => native.flush(this.number, BATCH))
      this.#events = isFailure(events) ? [] : events
      this.#next = 0
    }
    for (let done = 1; this.#next < this.#events.length; done++) {
      this.#dispatch(this.#field())
      if (done % 16 === 0 && now() - this.#turnBegan > SLICE) return this.schedule()
    }
    // Commands or a wake that came while older events were left over still wait to be flushed.
    if (flushes) this.#rest()
    else this.schedule()
  }

  #field<T>(): T {
    return this.#events[this.#next++] as T
  }

  /** Kinds and fields as src/port.rs pushes them. */
  #dispatch(kind: number | true): void {
    switch (kind) {
      case 0:
        this.#run(
          this.#field(),
          this.#field(),
          this.#field(),
          this.#field(),
          this.#field(),
          this.#field(),
          this.#field(),
        )
        break
      case 1:
        this.#running.get(this.#field())?.abort(cancelled())
        break
      case 2:
        this.#answered(this.#field(), this.#field())
        break
      case 3:
        this.#delivered(this.#field(), this.#field(), this.#field())
        break
      case 4:
        this.#failed(this.#field(), this.#field(), this.#field(), this.#field())
        break
      case 5:
        this.#arrived(this.#field())
        break
      case 6:
        this.#sign(this.#field(), this.#field(), this.#field())
        break
      case 7:
        this.#closed(this.#field())
        break
      case true:
        this.schedule()
    }
  }

  #run(
    number: number,
    ticket: number,
    id: string,
    from: string,
    seconds: number,
    body: string | Uint8Array,
    token: string | null,
  ): void {
    const agent = this.#agents.get(number)
    if (!agent) return
    this.#running.set(ticket, undefined)
    let payload: unknown
    try {
      payload = decode(body)
    } catch {
      return this.#refuse(agent, ticket, { code: 'INVALID_PAYLOAD' })
    }
    try {
      const call = new Incoming(this, ticket, id, from, payload, seconds)
      const admission = this.#ask.admit(agent, call, body, token)
      if (!isThenable(admission)) return this.#start(agent, ticket, call, admission)
      admission.then(
        (admission) => this.#start(agent, ticket, call, admission),
        (error: unknown) => this.#threw(agent, ticket, error),
      )
    } catch (error) {
      this.#threw(agent, ticket, error)
    }
  }

  #start(agent: Agent, ticket: number, call: Incoming, admission: Admission): void {
    if (typeof admission !== 'function') return this.#refuse(agent, ticket, admission)
    try {
      const answer = admission(call)
      if (!isThenable(answer)) return this.#answer(agent, ticket, answer)
      answer.then(
        (value) => this.#answer(agent, ticket, value),
        (error: unknown) => this.#threw(agent, ticket, error),
      )
    } catch (error) {
      this.#threw(agent, ticket, error)
    }
  }

  #answer(agent: Agent, ticket: number, value: unknown): void {
    if (!this.#running.delete(ticket)) return
    const content = encode(value)
    if (isFailure(content)) {
      this.#ask.note(agent, `the handler's value was not sent: ${content.message}`)
      native.refuse(this.number, ticket, 'HANDLER_FAILED')
    } else {
      const failed = native.answer(this.number, ticket, content)
      if (failed) this.#ask.note(agent, `the handler's value was not sent: ${failed.message}`)
    }
    this.schedule()
  }

  #threw(agent: Agent, ticket: number, error: unknown): void {
    let detail: string | undefined
    try {
      if (error instanceof HandlerError) detail = told(error)
      else this.#ask.note(agent, `the handler threw: ${nameOf(error)}`)
    } catch {
      this.#ask.note(agent, 'the handler threw a value that cannot be looked at')
    }
    this.#refuse(agent, ticket, detail === undefined ? { code: 'HANDLER_FAILED' } : { code: 'HANDLER_FAILED', detail })
  }

  #refuse(agent: Agent, ticket: number, { code, detail }: Refusal): void {
    if (!this.#running.delete(ticket)) return
    const failed = native.refuse(this.number, ticket, code, detail)
    if (failed) this.#ask.note(agent, `a refusal was not sent: ${failed.message}`)
    this.schedule()
  }

  #sign(number: number, time: number, bytes: Uint8Array): void {
    const signed = (signature: unknown): void => {
      native.signed(this.number, number, time, isSignature(signature) ? signature : undefined)
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

  #answered(call: number, body: string | Uint8Array): void {
    this.#ended(call)?.answered(body)
  }

  #delivered(call: number, messageId: string, to: string): void {
    this.#ended(call)?.delivered(messageId, to)
  }

  #failed(call: number, messageId: string, failed: Failure, remote: string | null | undefined): void {
    const caller = this.#ended(call)
    if (!caller) return
    const context = remote ? { messageId, remote: JSON.parse(remote) as RemoteError } : { messageId }
    caller.failed(new XBindError(failed, context))
  }

  #ended(call: number): Caller | undefined {
    const caller = this.#callers.get(call)
    this.#callers.delete(call)
    return caller
  }

  #arrived(number: number): void {
    const agent = this.#agents.get(number)
    if (agent) this.#ask.arrived(agent)
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
    if (this.#callers.size > 0) return
    this.#timer?.unref()
    if (this.#agents.size > 0 || this.#running.size > 0 || this.#scheduled) return
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

/** A panic in the native code ends what it was asked for, not the process. */
function guarded<T>(ask: () => T): T | Failure {
  try {
    return ask()
  } catch {
    return failure('INTERNAL', 'an internal fault ended this call', 'report it with the steps that led here')
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

/** What a HandlerError tells, as JSON; its data only if JSON can hold them. */
function told(error: HandlerError): string {
  const { code, message, data } = error
  const plain = { code: String(code), message: String(message) }
  const whole = encode({ ...plain, data })
  return typeof whole === 'string' ? whole : JSON.stringify(plain)
}

/** The kind of a thrown value; its message may hold what nobody should read in a log. */
function nameOf(error: unknown): string {
  return error instanceof Error ? short(String(error.name)) : typeof error
}
