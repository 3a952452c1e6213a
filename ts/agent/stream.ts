import { failure } from '../errors'
import { decode } from '../messages/payload'
import type { Result } from '../result'
import { errorOf, resultOf, type Calls, type Ended, type Hearing, type Lost } from './calls'

/** The parts of an answer, in order, and what it ends with. */
export type AnswerStream<T = unknown> = AsyncIterableIterator<T> & {
  /**
   * What the answer ends with: what a generator returned, or the whole answer of a handler that answers once. Never rejects. It
   * comes when all parts have come, and they come no further ahead than their reader allows.
   */
  readonly result: Promise<Result<unknown>>
}

/** How many parts come ahead of their reader. */
const WINDOW = 32
/** So many are read before the other side is told. */
const TOLD = WINDOW / 2

type Taken<T> = IteratorResult<T, undefined> | Lost

const over: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined })

/** What has come of an answer in parts, and who waits for more. */
class Reading implements Hearing {
  readonly window = WINDOW
  readonly progress: Hearing['progress']
  readonly #calls: Calls
  #call: number | undefined
  #parts: unknown[] = []
  /** How many of them were taken. */
  #taken = 0
  /** How many were taken and not told. */
  #untold = 0
  #ended: Ended | undefined
  #isOver = false
  readonly #waiting: ((taken: Taken<unknown>) => void)[] = []
  readonly #end: Promise<Ended>
  #tell!: (ended: Ended) => void
  #asked: Promise<Result<unknown>> | undefined

  constructor(calls: Calls, progress: Hearing['progress']) {
    this.#calls = calls
    this.progress = progress
    this.#end = new Promise((resolve) => (this.#tell = resolve))
  }

  begun(call: number): void {
    this.#call = call
  }

  part(body: string | Uint8Array): void {
    if (this.#isOver || this.#ended) return
    try {
      this.#parts.push(decode(body))
    } catch {
      const why = failure('INVALID_PAYLOAD', 'a part of the answer only claims to be JSON')
      return this.#calls.abandon(this.#call, { ...why, handled: 'yes' })
    }
    this.#serve()
  }

  ended(ended: Ended): void {
    if (this.#ended) return
    this.#ended = ended
    // Who has given up wants no more of what came before.
    if (!ended.ok && ended.failure.code === 'ABORTED') this.#drop()
    if (this.#asked) this.#calls.release()
    this.#tell(ended)
    this.#serve()
  }

  next(): Taken<unknown> | Promise<Taken<unknown>> {
    const taken = this.#waiting.length === 0 ? this.#take() : undefined
    if (taken) return taken
    this.#say(false) // from now on it is the other side that is waited for
    this.#calls.hold()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** The reader wants no more. */
  giveUp(): void {
    this.#isOver = true
    this.#drop()
    if (!this.#ended) this.#calls.abandon(this.#call, failure('ABORTED', 'the caller gave up'))
    this.#serve()
  }

  /** Nobody can read it any more. */
  forgotten(): void {
    if (this.#waiting.length === 0 && !this.#asked) this.giveUp()
  }

  get result(): Promise<Result<unknown>> {
    if (!this.#asked && !this.#ended) this.#calls.hold()
    return (this.#asked ??= this.#end.then(resultOf))
  }

  #take(): Taken<unknown> | undefined {
    if (this.#isOver) return over
    if (this.#taken < this.#parts.length) {
      const value = this.#parts[this.#taken]
      this.#parts[this.#taken++] = undefined
      if (this.#taken === this.#parts.length) this.#drop()
      if (++this.#untold >= TOLD) this.#say(true)
      return { done: false, value }
    }
    if (!this.#ended) return undefined
    this.#isOver = true
    return this.#ended.ok ? over : this.#ended
  }

  /** How many parts were read. */
  #say(atOnce: boolean): void {
    if (this.#untold === 0 || this.#ended || this.#call === undefined) return
    this.#calls.took(this.#call, this.#untold, atOnce)
    this.#untold = 0
  }

  #drop(): void {
    this.#parts = []
    this.#taken = 0
  }

  #serve(): void {
    for (let wake = this.#waiting[0]; wake; wake = this.#waiting[0]) {
      const taken = this.#take()
      if (!taken) return
      this.#waiting.shift()
      this.#calls.release()
      wake(taken)
    }
  }
}

/** Streams that were dropped unread: their calls are given up. */
const dropped = new FinalizationRegistry<Reading>((reading) => reading.forgotten())

/** What the reader of an answer has in his hand; nothing else holds it, so that it is seen when he drops it. */
class Stream<T> implements AsyncIterableIterator<T> {
  readonly #reading: Reading

  constructor(reading: Reading) {
    this.#reading = reading
    dropped.register(this, reading)
  }

  get result(): Promise<Result<unknown>> {
    return this.#reading.result
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    const taken = (await this.#reading.next()) as Taken<T>
    if ('failure' in taken) throw errorOf(taken)
    return taken
  }

  async return(value?: unknown): Promise<IteratorResult<T, undefined>> {
    this.#reading.giveUp()
    return { done: true, value: (await value) as undefined }
  }

  async throw(error?: unknown): Promise<IteratorResult<T, undefined>> {
    this.#reading.giveUp()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** Begins a call whose answer is read in parts. */
export function streamOf<T>(
  calls: Calls,
  progress: Hearing['progress'],
  begin: (hearing: Hearing) => Ended | Promise<Ended>,
): AnswerStream<T> {
  const reading = new Reading(calls, progress)
  const ended = begin(reading)
  if (ended instanceof Promise) void ended.then((ended) => reading.ended(ended))
  else reading.ended(ended)
  return new Stream<T>(reading)
}
