import type { Failure } from '../native/binding'
import { gaveUp, onAbort } from './abort'
import { isFailure } from '../errors'
import { clearTimeout, setTimeout } from './timers'

const MAX_TIMER = 0x7fff_ffff

/** Messages, or why there are none any more. */
type Taken<M> = M[] | Failure

type Take<M> = (max: number, listen: boolean) => Taken<M>

interface Waiter<M> {
  max: number
  done: (taken: Taken<M>) => void
}

/** Those who wait for an agent's inbox: served one after the other, in the order in which they came. */
export class Receivers<M> {
  readonly #take: Take<M>
  readonly #queue: Waiter<M>[] = []

  constructor(take: Take<M>) {
    this.#take = take
  }

  receive(max: number, waitMs: number, signal: AbortSignal | undefined): Promise<Taken<M>> {
    if (this.#queue.length === 0) {
      const taken = this.#take(max, waitMs > 0)
      if (isFailure(taken) || taken.length > 0) return Promise.resolve(taken)
    }
    if (waitMs === 0) return Promise.resolve([])
    let resolve!: (taken: Taken<M>) => void
    const received = new Promise<Taken<M>>((settle) => (resolve = settle))
    const giveUp = (taken: Taken<M>): void => {
      this.#leave(waiter)
      done(taken)
    }
    const done = (taken: Taken<M>): void => {
      clearTimeout(timer)
      unheed?.()
      resolve(taken)
    }
    const waiter: Waiter<M> = { max, done }
    const unheed = signal && onAbort(signal, () => giveUp(gaveUp(signal)))
    const timer = waitMs <= MAX_TIMER ? setTimeout(() => giveUp([]), waitMs) : undefined
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
          const done = (taken: Taken<M>): void => {
            waiting = undefined
            const [message] = isFailure(taken) ? [] : taken
            if (message === undefined) over = true
            resolve(message === undefined ? end : { done: false, value: message })
          }
          const taken = this.#queue.length === 0 ? this.#take(1, true) : []
          if (isFailure(taken) || taken.length > 0) return done(taken)
          waiting = { max: 1, done }
          this.#queue.push(waiting)
        })
      },
      return: () => {
        over = true
        if (waiting) {
          this.#leave(waiting)
          waiting.done([])
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
      if (!isFailure(taken) && taken.length === 0) return
      this.#queue.shift()
      waiter.done(taken)
    }
  }

  close(reason: Failure): void {
    for (const waiter of this.#queue.splice(0)) waiter.done(reason)
  }

  #leave(waiter: Waiter<M>): void {
    const index = this.#queue.indexOf(waiter)
    if (index >= 0) this.#queue.splice(index, 1)
  }
}
