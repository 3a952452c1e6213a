import { AsyncLocalStorage } from 'node:async_hooks'
import { types } from 'node:util'
import { answered, Calls, delivered, failed, kept, now } from './calls'
import { refuseChannel } from './channels'
import { isFailure } from '../errors'
import type { Failure, NodeRef } from '../native/binding'
import { Events } from '../native/events'
import { Handled, isThenable, unsent } from './handled'
import type { Guard } from './guard'
import type { Answerer } from './incoming'
import { native } from '../native'
import type { Signing } from './provider'
import { setImmediate } from './timers'

export type { IncomingCall } from './incoming'
export type { DeliveryReceipt } from './calls'

/** Cheaper than queueMicrotask, which makes an async resource of every task. */
const microtask = Promise.resolve()

/** Handlers see no caller's AsyncLocalStorage: calls of several callers are worked off together. */
const outside = AsyncLocalStorage.snapshot()

/** Events taken from the native side at once. */
const BATCH = 256
/** How long the port may work before the event loop gets its turn, in milliseconds. */
const SLICE = 1

const NEWER =
  'a newer agent of the same DID has come: calls by the DID reach that one until it closes, calls by a name the agent of that name'

/** A call whose handler failed. */
export interface FailedCall {
  readonly id: string
  readonly from: string
  readonly method?: string | undefined
}

/** What the port asks of its agents. */
export interface Members<Agent> {
  /** The handler, and what there is to be said before it begins; nothing for an agent that has no handler any more. */
  guard(agent: Agent, method: string | undefined): Guard | undefined
  /** What answers a call that may begin. */
  handler(agent: Agent, method: string | undefined): Answerer | undefined
  did(agent: Agent): string
  /** The inbox has a message. */
  arrived(agent: Agent): void
  sign(agent: Agent, bytes: Uint8Array): unknown
  /** For an agent whose key is elsewhere. */
  signing(agent: Agent): Signing | undefined
  /** The most bytes of a body. */
  longest(agent: Agent): number
  /** The bus was closed. */
  closed(agent: Agent): void
  /** It was to close when its handlers have ended, and they have. */
  idle(agent: Agent): void
  /** A handler failed, or what judges its calls. */
  failed(agent: Agent, error: unknown, call: FailedCall): void
  /** For the log. */
  warn(agent: Agent, line: string, error?: { readonly thrown: unknown }): void
  /** For the log of an agent that wants a line for each message; without `outcome`, the message came in. */
  trace(agent: Agent, from: string, kind: 'call' | 'message', id: string, outcome?: string): void
}

/**
 * Where the agents of this module instance meet the native side. Commands of one turn are collected and worked off
 * together in a microtask: a lone call takes no detour, many are signed together.
 */
export class Port<Agent extends object = object> {
  readonly number: number
  /** What the agents have asked of others. */
  readonly calls: Calls
  readonly #handled: Handled<Agent>
  readonly #ask: Members<Agent>
  readonly #agents = new Map<number, Agent>()
  readonly #events = new Events()
  readonly #flush = (): void => outside(() => this.#work())
  #scheduled = false
  /** It is scheduled when the event loop has had its turn. */
  #awaited = false
  /** When the work since the event loop last had its turn began; 0 before any. */
  #turnBegan = 0

  constructor(ask: Members<Agent>) {
    this.#ask = ask
    const schedule = (): void => this.schedule()
    this.number = native.openPort(schedule)
    const soon = (): void => this.#soon()
    this.calls = new Calls(this.number, schedule, soon)
    const watch = (): void => this.calls.watch()
    this.#handled = new Handled(this.number, ask, schedule, soon, watch)
  }

  agent(number: number): Agent | undefined {
    return this.#agents.get(number)
  }

  add(number: number, agent: Agent): void {
    this.#agents.set(number, agent)
    this.schedule() // a key that is elsewhere is asked to show itself
  }

  /** Lets nothing new in at an agent, and tells it when it is idle. */
  retire(number: number): void {
    native.retireAgent(this.number, number)
    this.schedule()
  }

  close(number: number): void {
    this.#agents.delete(number)
    native.closeAgent(this.number, number)
    this.schedule()
  }

  /** Works in a microtask or, after a long stretch of work, when the event loop has had its turn. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    if (this.#turnBegan !== 0 && now() - this.#turnBegan > SLICE) setImmediate(this.#flush)
    else void microtask.then(this.#flush)
  }

  /** Works when the event loop has had its turn: what comes in the same turn is signed together. */
  #soon(): void {
    if (this.#awaited) return
    this.#awaited = true
    setImmediate(() => {
      this.#awaited = false
      this.schedule()
    })
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

  /** Kinds and fields as events.rs of crates/xbind-binding writes them. */
  #dispatch(events: Events): void {
    switch (events.next<number>()) {
      case 0:
        return this.#run(events)
      case 1:
        return this.#handled.cancel(events.next())
      case 2:
        return this.calls.ended(events.next())(answered(events.sender(), events.next()))
      case 3:
        return this.calls.ended(events.next())(delivered(events.next(), events.next()))
      case 4:
        return this.calls.ended(events.next())(failed(events.next(), events.next(), events.next()))
      case 5: {
        const agent = this.#agents.get(events.next())
        return agent && this.#ask.arrived(agent)
      }
      case 6:
        return this.#sign(events.next(), events.next(), events.next())
      case 7:
        return this.#closed(events.next())
      case 8: {
        const agent = this.#agents.get(events.next())
        const [id, from] = [events.next<string>(), events.next<string>()]
        const error = unsent(events.next<Failure>())
        return agent && this.#ask.failed(agent, error, { id, from })
      }
      case 9: {
        const agent = this.#agents.get(events.next())
        return agent && this.#ask.idle(agent)
      }
      case 10: {
        const agent = this.#agents.get(events.next())
        return agent && this.#ask.warn(agent, NEWER)
      }
      case 11: {
        const agent = this.#agents.get(events.next())
        const [id, from, code] = [events.next<string>(), events.next<string>(), events.next<string | null>()]
        if (!agent) return
        this.#ask.trace(agent, from, 'message', id, code === null ? 'in the inbox' : `refused ${code}`)
        if (code !== null && refuseChannel.hasSubscribers) {
          refuseChannel.publish({ agent: this.#ask.did(agent), from, id, code })
        }
        return
      }
      case 20:
        return this.#handled.resumed(events.next())
      case 21: {
        const agent = this.#agents.get(events.next())
        const line = events.next<string>()
        return agent && this.#ask.warn(agent, line)
      }
      case 12:
        return this.calls.part(events.next(), events.next())
      case 13:
        return this.calls.progress(events.next(), events.next(), events.next(), events.next())
      case 14:
        return this.#handled.goOn(events.next())
      case 15:
        return this.calls.receipt(events.next(), events.next(), events.next(), events.next(), events.next())
      case 23:
        events.next()
        return this.calls.timed()
      case 22:
        return this.calls.ended(events.next())(kept(events.next(), events.next()))
    }
  }

  #run(events: Events): void {
    const agent = this.#agents.get(events.next())
    const number = events.next<number>()
    const id = events.next<string>()
    const from = events.sender()
    const seconds = events.next<number>()
    const guarded = events.next<string | null>()
    const method = events.next<string | null>() ?? undefined
    const traceparent = events.next<string | null>() ?? undefined
    const body = events.next<string | Uint8Array>()
    if (agent) this.#handled.run(agent, number, id, from, seconds, guarded, method, traceparent, body)
  }

  #sign(number: number, round: number, bytes: Uint8Array): void {
    const agent = this.#agents.get(number)
    const signing = agent && this.#ask.signing(agent)
    const begun = signing?.begin() ?? 0
    const warn = (line: string, error?: { thrown: unknown }): void => {
      if (agent) this.#ask.warn(agent, `the identity provider ${line}`, error)
    }
    const signed = (signature: unknown): void => {
      let isValid = false
      try {
        isValid = native.signed(this.number, number, round, isSignature(signature) ? signature : undefined)
      } catch {
        native.signed(this.number, number, round, undefined) // it cannot be looked at
      }
      if (isValid) signing?.signed(begun)
      else signing?.failed()
      if (!isValid) warn('gave no signature of 64 bytes by the key of its DID')
      this.schedule()
    }
    const threw = (thrown: unknown): void => {
      warn('failed to sign', { thrown })
      signing?.failed({ thrown })
      native.signed(this.number, number, round, undefined)
      this.schedule()
    }
    try {
      const signature = agent && this.#ask.sign(agent, bytes)
      if (isThenable(signature)) signature.then(signed, threw)
      else signed(signature)
    } catch (error) {
      threw(error)
    }
  }

  #closed(number: number): void {
    const agent = this.#agents.get(number)
    this.#agents.delete(number)
    if (agent) this.#ask.closed(agent)
  }

  /** What is left to do once all events are through. */
  #rest(): void {
    if (this.#handled.asks) return
    this.calls.rest()
    if (!this.calls.areOver) return
    if (this.#agents.size > 0 || !this.#handled.areOver || this.#scheduled) return
    this.calls.close()
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

/** The agent of that name or DID on a bus, of those of this thread. */
export function agentHere<Agent extends object>(node: NodeRef, id: string): Agent | Failure {
  const number = native.agentOf(current?.number ?? 0, node, id)
  return isFailure(number) ? number : (current?.agent(number) as Agent)
}

/** Lets agents of this thread hear what happened to them, if there are any. */
export function wakePort(): void {
  current?.schedule()
}

/** A panic in the native code ends what it worked on, not the process. */
function flushed(port: number): readonly unknown[] | undefined {
  try {
    return native.flush(port, BATCH, refuseChannel.hasSubscribers)
  } catch {
    return undefined
  }
}

function isSignature(value: unknown): value is Uint8Array {
  return types.isUint8Array(value) && value.length === 64
}
