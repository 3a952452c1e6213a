import type { Failure } from '../native/binding'
import { onAbort } from './abort'
import { failure } from '../errors'
import { fail, ok, type Result } from '../result'
import { clearTimeout, setTimeout } from './timers'

const MAX_TIMER = 0x7fff_ffff

type Take<M> = (max: number, listen: boolean) => Result<M[]>

interface Waiter<M> {
  max: number
  done: (result: Result<M[]>) => void
}

/** Those who wait for an agent's inbox: served one after the other, in the order in which they came. */
export class Receivers<M> {
  readonly #take: Take<M>
  readonly #queue: Waiter<M>[] = []

  constructor(take: Take<M>) {
    this.#take = take
  }

  receive(max: number, waitMs: number, signal: AbortSignal | undefined): Promise<Result<M[]>> {
    if (this.#queue.length === 0) {
      const taken = this.#take(max, waitMs > 0)
      if (!taken.ok || taken.value.length > 0) return Promise.resolve(taken)
    }
    if (waitMs === 0) return Promise.resolve(ok([]))
    let resolve!: (result: Result<M[]>) => void
    const received = new Promise<Result<M[]>>((settle) => (resolve = settle))
    const giveUp = (result: Result<M[]>): void => {
      this.#leave(waiter)
      done(result)
    }
    const done = (result: Result<M[]>): void => {
      clearTimeout(timer)
      unheed?.()
      resolve(result)
    }
    const waiter: Waiter<M> = { max, done }
    const unheed = signal && onAbort(signal, () => giveUp(fail(failure('ABORTED', 'the caller gave up'))))
    const timer = waitMs <= MAX_TIMER ? setTimeout(() => giveUp(ok([])), waitMs) : undefined
    this.#queue.push(waiter)
    return received
  }

  /** One message at a time, so that a loop that is left early has taken none too many. */
  iterate(): AsyncIterableIterator<M> {
    let waiting: Waiter<M> | undefined
    let over = false
    const end: IteratorReturnResult<undefined> = { done: true, value: undefined }
    return {
      next: () => {
        if (over) return Promise.resolve(end)
        return new Promise((resolve) => {
          const done = (result: Result<M[]>): void => {
            waiting = undefined
            const [message] = result.ok ? result.value : []
            if (message === undefined) over = true
            resolve(message === undefined ? end : { done: false, value: message })
          }
          const taken = this.#queue.length === 0 ? this.#take(1, true) : ok([])
          if (!taken.ok || taken.value.length > 0) return done(taken)
          waiting = { max: 1, done }
          this.#queue.push(waiting)
        })
      },
      return: () => {
        over = true
        if (waiting) {
          this.#leave(waiting)
          waiting.done(ok([]))
        }
        return Promise.resolve(end)
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  /** The inbox has messages again. */
  arrived(): void {
    for (let waiter = this.#queue[0]; waiter !== undefined; waiter = this.#queue[0]) {
      const taken = this.#take(waiter.max, true)
      if (taken.ok && taken.value.length === 0) return
      this.#queue.shift()
      waiter.done(taken)
    }
  }

  close(reason: Failure): void {
    for (const waiter of this.#queue.splice(0)) waiter.done(fail(reason))
  }

  #leave(waiter: Waiter<M>): void {
    const index = this.#queue.indexOf(waiter)
    if (index >= 0) this.#queue.splice(index, 1)
  }
}
