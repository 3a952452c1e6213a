import { channel, type Channel } from 'node:diagnostics_channel'

// What can be seen from outside, by node:diagnostics_channel: never a payload, a token or a key. docs/guides/tracing.md.

/** What is published about a call or message that this process makes. */
export interface CallSeen {
  /** The DID that calls. */
  readonly agent: string
  /** The name or DID that is called. */
  readonly to: string
  /** `send` for what is one-way, `stream` for what is answered in parts. */
  readonly kind: 'call' | 'send' | 'stream'
  /** The method asked for. */
  readonly method: string | undefined
  /** The W3C `traceparent` that travels with it. A subscriber of `start` may set it. */
  traceparent: string | undefined
  /** When it ended well: true. */
  result?: true
  /** When it failed: with the `code`. */
  error?: unknown
}

/** What is published about a call that a handler of this process answers. */
export interface HandleSeen {
  /** The DID that is called. */
  readonly agent: string
  /** The caller's DID, proven by its signature. */
  readonly from: string
  /** The id of the call, unique for its caller. */
  readonly id: string
  /** The method asked for. */
  readonly method: string | undefined
  /** The W3C `traceparent` that came along, which proves nothing. */
  readonly traceparent: string | undefined
  /** When the handler gave an answer: true. */
  result?: true
  /** What the handler threw. */
  error?: unknown
}

/** The five channels of a TracingChannel. Node.js 20 has no `hasSubscribers` for all of them together. */
class Traced<Seen extends object> {
  readonly #start: Channel
  readonly #end: Channel
  readonly #asyncStart: Channel
  readonly #asyncEnd: Channel
  readonly #error: Channel

  constructor(name: string) {
    const of = (event: string): Channel => channel(`tracing:@private.me/autogen:${name}:${event}`)
    this.#start = of('start')
    this.#end = of('end')
    this.#asyncStart = of('asyncStart')
    this.#asyncEnd = of('asyncEnd')
    this.#error = of('error')
  }

  get isSeen(): boolean {
    return (
      this.#start.hasSubscribers ||
      this.#end.hasSubscribers ||
      this.#asyncStart.hasSubscribers ||
      this.#asyncEnd.hasSubscribers ||
      this.#error.hasSubscribers
    )
  }

  /** Runs what may be awaited, as `tracePromise` of a TracingChannel does. */
  run<T>(seen: Seen & { result?: true; error?: unknown }, work: () => T, failed: (value: unknown) => unknown): T {
    return this.#start.runStores(seen, () => {
      let value: T
      try {
        value = work()
      } catch (error) {
        this.#fails(seen, error)
        this.#end.publish(seen)
        throw error
      }
      if (!isThenable(value)) {
        this.#settles(seen, failed(value))
        this.#end.publish(seen)
        return value
      }
      this.#end.publish(seen)
      const after = (error: unknown): void => {
        this.#settles(seen, error)
        this.#asyncStart.publish(seen)
        this.#asyncEnd.publish(seen)
      }
      const promise = Promise.resolve(value) // whose `then` may be asked twice, unlike that of a thenable
      promise.then(
        (settled) => after(failed(settled)),
        (error: unknown) => after(error ?? new Error('rejected with nothing')),
      )
      return promise as T
    })
  }

  #settles(seen: { result?: true; error?: unknown }, error: unknown): void {
    if (error === undefined) seen.result = true
    else this.#fails(seen, error)
  }

  #fails(seen: { error?: unknown }, error: unknown): void {
    seen.error = error
    this.#error.publish(seen)
  }
}

/** Calls and messages that leave. */
export const callChannel = new Traced<CallSeen>('call')
/** Calls that handlers answer. */
export const handleChannel = new Traced<HandleSeen>('handle')

const plain = (name: string): Channel => channel(`@private.me/autogen:${name}`)
/** Calls that an agent of this process refuses: `{ agent, from, id, method, code }`. */
export const refuseChannel = plain('refuse')
/** Agents that come: `{ agent, name }`. */
export const joinChannel = plain('join')
/** Agents that go: `{ agent, name }`. */
export const leaveChannel = plain('leave')

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
