import { clearTimeout, setTimeout } from './timers'

/** An agent that closes when its handlers have ended, or when their time is over. */
export class Draining {
  /** Resolves when the agent has closed. */
  readonly over: Promise<void>
  readonly #close: () => void
  #done!: () => void
  #timer: NodeJS.Timeout | undefined
  #until = Infinity

  constructor(close: () => void) {
    this.#close = close
    this.over = new Promise((resolve) => (this.#done = resolve))
  }

  /** Of several who ask, the least patient decides. The timer keeps the process alive, as handlers need not. */
  within(ms: number): void {
    const until = performance.now() + ms
    if (until >= this.#until) return
    this.#until = until
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#close, ms)
  }

  /** The agent has closed. */
  end(): void {
    clearTimeout(this.#timer)
    this.#done()
  }
}
