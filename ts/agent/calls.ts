import { onAbort } from './abort'
import type { Failure } from '../native/binding'
import { failure, isFailure, XBindError, type RemoteError } from '../errors'
import { hinted } from '../hints'
import { native } from '../native'
import { decode } from '../messages/payload'
import { Pending } from './pending'
import { told, type Progress } from './progress'
import { ok, type Result } from '../result'
import { clearTimeout, setTimeout } from './timers'

const { uptime } = process
/** Milliseconds, never set back; `performance` would cost a millisecond when it is first touched. */
export const now = (): number => uptime() * 1000

const MAX_TIMER = 0x7fff_ffff

/** How a call ended. Its error is made where its caller waits, so that the stack names him. */
export type Ended =
  | {
      readonly ok: true
      readonly value: unknown
      /** The DID that answered. */
      readonly from: string
    }
  | Lost

export interface Lost {
  readonly ok: false
  readonly failure: Failure
  readonly messageId?: string
  readonly remote?: RemoteError | undefined
}

/** How a call is to be made. */
export interface Asking {
  readonly timeoutMs: number
  /** A word of the other side starts `timeoutMs` anew, within this time. */
  readonly totalMs?: number | undefined
  readonly presented?: string | undefined
  readonly method?: string | undefined
  readonly traceparent?: string | undefined
  /** The messages themselves are wanted. */
  readonly receipt?: boolean
  /** It may run twice. */
  readonly idempotent?: boolean | undefined
}

/** Who hears of a call before its end. */
export interface Hearing {
  /** How many parts of the answer may come ahead of their reader; none for an answer in one. */
  readonly window?: number
  begun?(call: number): void
  part?(body: string | Uint8Array): void
  readonly progress?: ((progress: Progress) => void) | undefined
  receipt?(receipt: CallReceipt): void
  /** At once, before anybody who waits for the end. */
  ended?(ended: Ended): void
}

/** What is to happen when a call has ended. */
export type Settle = (ended: Ended) => void

/** What became of a message for an inbox. */
export interface DeliveryReceipt {
  /**
   * `delivered`: it stands in the inbox of its recipient, which has signed for it. `kept`: the recipient is away, the broker says that it
   * keeps the message in its mailbox, and nobody has signed for anything; only `send` on a bus over NATS gives that.
   */
  readonly status: 'delivered' | 'kept'
  /** The id of the message, as its recipient sees it. */
  readonly messageId: string
  /** The DID of the recipient, which has signed for what was delivered. */
  readonly to: string
}

/**
 * A call and what answered it, which anybody can verify by the two DIDs alone: `verifyReceipt` in `./record`. All of it is
 * shown by whoever shows it; without `request` and `result` it proves their digests.
 */
export interface CallReceipt {
  /** The JWS of the call. */
  readonly call: string
  /** The JWS of the answer, refusal or delivery receipt. */
  readonly answer: string
  /** The body of the call: what was sent. */
  readonly request: Uint8Array
  /** The body of the answer. */
  readonly result: Uint8Array
}

/** What `call` gives with `receipt`: a `Result` with the messages beside it. */
export type Receipted<T> =
  | {
      /** It went well. */
      readonly ok: true
      /** What was asked for. */
      readonly value: T
      /** The messages themselves. */
      readonly receipt: CallReceipt
    }
  | {
      /** It failed. */
      readonly ok: false
      /** Why, with a code to tell one reason from another. */
      readonly error: XBindError
      /** The messages themselves, where the other side has said so; undefined where it has said nothing. */
      readonly receipt: CallReceipt | undefined
    }

/** How a call ended, for its caller. */
export function resultOf<T>(ended: Ended): Result<T> {
  if (ended.ok) return ok(ended.value as T)
  return { ok: false, error: errorOf(ended) }
}

export function errorOf({ failure, messageId, remote }: Lost): XBindError {
  return new XBindError(failure, { ...(messageId && { messageId }), remote })
}

/** The calls that agents of a port have made, and who waits for the end of which. */
export class Calls {
  readonly #port: number
  readonly #schedule: () => void
  readonly #soon: () => void
  readonly #pending = new Pending<Settle>()
  readonly #heard = new Map<number, Hearing>()
  /** How many wait for something: the end of a call, or its next part. */
  #held = 0
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity

  /** `schedule` sees to it that the port is flushed at once, `soon` that it is when the event loop has had its turn. */
  constructor(port: number, schedule: () => void, soon: () => void) {
    this.#port = port
    this.#schedule = schedule
    this.#soon = soon
  }

  get areOver(): boolean {
    return this.#pending.size === 0
  }

  /** Returns the number of the call; undefined if it could not begin, and `settle` was told why. */
  begin(
    agent: number,
    to: string,
    content: string | Uint8Array,
    oneWay: boolean,
    { timeoutMs, totalMs, presented, method, traceparent, receipt = false, idempotent = false }: Asking,
    hearing: Hearing | undefined,
    settle: Settle,
  ): number | undefined {
    const [time, total] = [Math.ceil(timeoutMs), totalMs && Math.ceil(totalMs)]
    const window = hearing?.window
    const port = this.#port
    const isPlain = !oneWay && !hearing && !receipt && !idempotent && (presented ?? method ?? traceparent) === undefined
    const call =
      isPlain && total !== undefined
        ? native.call(port, agent, to, content, time, total)
        : native.callWith(
            port,
            agent,
            to,
            content,
            oneWay,
            time,
            presented,
            method,
            traceparent,
            total,
            window,
            receipt,
            idempotent,
          )
    this.#schedule()
    if (isFailure(call)) {
      settle({ ok: false, failure: hinted(call) })
      return undefined
    }
    if (window === undefined) this.hold()
    this.#pending.add(call, settle)
    if (hearing) this.#heard.set(call, hearing)
    hearing?.begun?.(call)
    this.#arm(totalMs === undefined ? timeoutMs : Math.min(timeoutMs, totalMs))
    return call
  }

  /** A part of the answer has come. */
  part(call: number, body: string | Uint8Array): void {
    this.#heard.get(call)?.part?.(body)
  }

  /** The other side says how far it is. */
  progress(call: number, progress: number | null, total: number | null, message: string | null): void {
    this.#heard.get(call)?.progress?.(told(progress, total, message))
  }

  /** The call and its answer themselves, before its end. */
  receipt(call: number, asked: string, answer: string, request: Uint8Array, result: Uint8Array): void {
    const [own, its] = [new Uint8Array(request), new Uint8Array(result)]
    this.#heard.get(call)?.receipt?.(Object.freeze({ call: asked, answer, request: own, result: its }))
  }

  /** So many parts were read: told at once, or with what comes in the same turn of the event loop. */
  took(call: number, parts: number, atOnce: boolean): void {
    native.took(this.#port, call, parts)
    if (atOnce) this.#schedule()
    else this.#soon()
  }

  /** Somebody waits: that keeps the process alive. */
  hold(): void {
    if (this.#held === 0) this.#timer?.ref()
    this.#held += 1
  }

  /** Nobody waits for that any more; what is flushed next sees it. */
  release(): void {
    this.#held -= 1
  }

  /** The caller gives up. */
  abandon(call: number | undefined, why: Failure): void {
    if (call === undefined || !this.#pending.has(call)) return
    const settle = this.ended(call)
    const handled = native.abandon(this.#port, call)
    this.#schedule()
    settle({ ok: false, failure: handled ? { handled, ...why } : why })
  }

  /** Who waits for that call; nobody if it was given up. */
  ended(call: number): Settle {
    const settle = this.#pending.take(call)
    if (!settle) return nobody
    const hearing = this.#heard.size > 0 ? this.#heard.get(call) : undefined
    if (hearing) this.#heard.delete(call)
    if (hearing?.window === undefined) this.release()
    if (!hearing?.ended) return settle
    return (ended) => {
      hearing.ended?.(ended)
      settle(ended)
    }
  }

  /** The native side has made a call of its own, whose time is to be noticed too. */
  watch(): void {
    this.#timer?.ref()
    this.timed()
  }

  /** The next deadline may be sooner than it was; that alone keeps no process alive. */
  timed(): void {
    const next = native.nextDeadline(this.#port)
    if (next !== null) this.#arm(Math.max(next, 1))
  }

  /** Where nobody waits, the timer keeps the process alive no longer. */
  rest(): void {
    if (this.#held === 0) this.#timer?.unref()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  /** A call that somebody waits for keeps the process alive through this timer, and nothing else does. */
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
    this.timed()
    this.#schedule()
  }
}

/** Gives up when the signal aborts, and leaves it alone once the call has ended. */
export function heeding(signal: AbortSignal, settle: Settle, abandon: () => void): Settle {
  const settled: Settle = (ended) => {
    unheed()
    settle(ended)
  }
  const unheed = onAbort(signal, abandon)
  return settled
}

/** Made here, and therefore signed: a value that only looks like one is none. */
const receipts = new WeakSet<object>()

/**
 * Whether what `call` gave is the recipient's receipt and no answer: it has no handler, and the call stands in its inbox. The
 * message itself says so, not its shape; a copy of a receipt is none.
 *
 * @example
 * ```ts
 * const answer = await agent.call('writer', { topic: 'identity' })
 * if (answer.ok && isReceipt(answer.value)) console.log('it waits in the inbox of', answer.value.to)
 * ```
 */
export function isReceipt(value: unknown): value is DeliveryReceipt {
  return typeof value === 'object' && value !== null && receipts.has(value)
}

function nobody(): void {
  // a call that was given up
}

export function answered(from: string, body: string | Uint8Array): Ended {
  try {
    return { ok: true, value: decode(body), from }
  } catch {
    return {
      ok: false,
      failure: { ...failure('INVALID_PAYLOAD', 'the answer only claims to be JSON'), handled: 'yes' },
    }
  }
}

export function delivered(messageId: string, to: string): Ended {
  const value: DeliveryReceipt = Object.freeze({ status: 'delivered', messageId, to })
  receipts.add(value)
  return { ok: true, value, from: to }
}

export function kept(messageId: string, to: string): Ended {
  const value: DeliveryReceipt = Object.freeze({ status: 'kept', messageId, to })
  return { ok: true, value, from: to }
}

export function failed(messageId: string | null, reason: Failure, remote: string | null): Ended {
  const told = remote === null ? undefined : remoteIn(remote)
  return { ok: false, failure: hinted(reason), ...(messageId && { messageId }), remote: told }
}

function remoteIn(text: string): RemoteError | undefined {
  try {
    return JSON.parse(text) as RemoteError
  } catch {
    return undefined
  }
}
