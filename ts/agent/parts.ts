import { failure, HandlerError, isFailure, XBindError } from '../errors'
import { encode } from '../messages/payload'
import { native } from '../native'
import type { Failure } from '../native/binding'
import { now } from './calls'
import { setImmediate } from './timers'

/** What native.part and native.flow say. */
const OPEN = 0
const WAIT = 1

/** How long one answer may make parts before the event loop gets its turn, in milliseconds. */
const SLICE = 1

/** An answer in parts, whatever it was written as. */
interface Source {
  next(): unknown
  /** The rest is not wanted. */
  stop(): unknown
}

/** Whether a handler's value is an answer in parts: an async generator, an AsyncIterable or a ReadableStream. May throw. */
export function isParts(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function' || isReadable(value)
}

/** A web stream, of whichever realm: its reader can be cancelled while it waits, which its iterator cannot. */
function isReadable(value: object): value is ReadableStream {
  const { getReader, cancel } = value as Partial<ReadableStream>
  return typeof getReader === 'function' && typeof cancel === 'function'
}

function isNodeStream(value: object): value is { destroy(): void } {
  const { pipe, destroy } = value as Partial<NodeJS.ReadStream>
  return typeof pipe === 'function' && typeof destroy === 'function'
}

/** Begins to read. May throw. */
function sourceOf(parts: object): Source {
  if (isReadable(parts)) {
    const reader = parts.getReader()
    return { next: () => reader.read(), stop: () => reader.cancel(givenUp()) }
  }
  const iterator = (parts as AsyncIterable<unknown>)[Symbol.asyncIterator]()
  const { next } = iterator as Partial<AsyncIterator<unknown>>
  if (typeof next !== 'function') throw new TypeError('an AsyncIterable gave no iterator')
  return {
    next: () => next.call(iterator),
    stop: () => {
      if (isNodeStream(parts)) parts.destroy() // which its iterator, while it waits, would not do
      return iterator.return?.()
    },
  }
}

/** An answer in parts each of which `check` makes another of; what it ends with stays as it is. */
export function checkedParts(parts: object, check: (part: unknown) => unknown): AsyncIterable<unknown> {
  const iterate = (): AsyncIterator<unknown> => {
    const source = sourceOf(parts)
    return {
      async next() {
        const { done, value } = (await source.next()) as IteratorResult<unknown>
        if (done === true) return { done, value }
        try {
          return { done: false, value: await check(value) }
        } catch (error) {
          void stopUnheard(source) // the caller does not wait for an end that may never come
          throw error
        }
      },
      async return() {
        await source.stop()
        return { done: true, value: undefined }
      },
    }
  }
  return { [Symbol.asyncIterator]: iterate }
}

/** What its owner is told is why a part was refused, and not what came of it. */
async function stopUnheard(source: Source): Promise<void> {
  try {
    await source.stop()
  } catch {
    // the part was refused before that
  }
}

/** How an answer in parts has ended: whole, stopped because nobody takes more, or failed because a part cannot be sent. */
export class Ending {
  readonly how: 'whole' | 'stopped' | 'failed'
  /** What it ends with, or the failure. */
  readonly value: unknown

  constructor(how: Ending['how'], value?: unknown) {
    this.how = how
    this.value = value
  }
}

/** What happens around an answer in parts. */
interface Around {
  /** Sees to it that what was sent leaves: at once, or with what comes in the same turn of the event loop. */
  leave(atOnce: boolean): void
  /** A part cannot be sent; at times the owner was told already. */
  unsent(why: Failure, wasTold: boolean): void
  /** The source failed when nobody waited for it any more. */
  late(error: unknown): void
}

/** Sends an answer in parts, no faster than its caller reads it. */
export class Parts {
  readonly #port: number
  readonly #ticket: number
  readonly #longest: number
  readonly #around: Around
  #over = false
  /** Wakes what waits for room. */
  #wake: (value?: unknown) => void = nothing
  /** Ends what waits for the next part. A race of promises would keep something of each part. */
  #leave: (value?: unknown) => void = nothing
  #began = now()

  constructor(port: number, ticket: number, longest: number, around: Around) {
    this.#port = port
    this.#ticket = ticket
    this.#longest = longest
    this.#around = around
  }

  /** There is room again. */
  goOn(): void {
    this.#wake()
  }

  /** Nobody takes any more. */
  stop(): void {
    this.#over = true
    this.#wake()
    this.#leave()
  }

  /** Rejects with what the source throws. */
  async send(parts: object): Promise<Ending> {
    const source = sourceOf(parts)
    for (;;) {
      let flow = native.flow(this.#port, this.#ticket)
      for (; flow === WAIT && !this.#over; flow = native.flow(this.#port, this.#ticket)) await this.#room()
      if (flow !== OPEN) break
      if (now() - this.#began > SLICE) await this.#turn()
      if (this.#over) break
      const step = await this.#next(source)
      if (this.#over) break
      if (typeof step !== 'object' || step === null) throw new TypeError('an iterator gave no object')
      const { done, value } = step as IteratorResult<unknown>
      if (done) return new Ending('whole', value)
      const failed = this.#part(value)
      if (failed) {
        await this.#stop(source)
        return new Ending('failed', failed)
      }
    }
    await this.#stop(source)
    return new Ending('stopped')
  }

  /** Sends one part; why not, if it cannot be. */
  #part(value: unknown): Failure | undefined {
    const content = encode(value, this.#longest)
    if (this.#over) return undefined // encoding runs the part's own code
    const sent = isFailure(content) ? content : native.part(this.#port, this.#ticket, content)
    if (typeof sent === 'object') {
      this.#around.unsent(sent, sent !== content)
      return sent
    }
    if (sent === OPEN || sent === WAIT) this.#around.leave(sent === WAIT)
    else this.#over = true
    return undefined
  }

  #room(): Promise<unknown> {
    return new Promise((resolve) => (this.#wake = resolve)).then(() => (this.#began = now()))
  }

  /** A source that always has more is not to hold up everything else. */
  #turn(): Promise<unknown> {
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => (this.#began = now()))
  }

  #next(source: Source): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#leave = resolve
      const failed = (error: unknown): void => {
        if (this.#over) this.#late(error)
        else reject(error)
      }
      const step = source.next()
      if (isThenable(step)) step.then(resolve, failed)
      else resolve(step)
    })
  }

  async #stop(source: Source): Promise<void> {
    try {
      await source.stop()
    } catch (error) {
      this.#late(error)
    }
  }

  /** What was given up may say so. */
  #late(error: unknown): void {
    if (!isAbort(error)) this.#around.late(error)
  }
}

function isAbort(error: unknown): boolean {
  try {
    if (error instanceof HandlerError) return true // nobody is left to be told
    if (error instanceof XBindError) return error.code === 'ABORTED'
    if (!(error instanceof Error)) return false
    return error.name === 'AbortError' || (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE'
  } catch {
    return false
  }
}

function givenUp(): XBindError {
  return new XBindError(failure('ABORTED', 'the caller gave up, or the agent closed'))
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}

function nothing(): void {
  // nobody waits
}
