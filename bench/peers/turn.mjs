// Runs work at once while the current turn of the event loop is young, and in the next turn after that,
// so that a burst of calls does not starve timers and sockets.
const BUDGET_MS = 10

export class Turn {
  #startedAt = 0
  #open = false
  #waiting = []

  run(job) {
    if (!this.#open) this.#begin()
    if (this.#waiting.length === 0 && performance.now() - this.#startedAt < BUDGET_MS) job()
    else this.#waiting.push(job)
  }

  #begin() {
    this.#open = true
    this.#startedAt = performance.now()
    setImmediate(() => this.#end())
  }

  #end() {
    this.#open = false
    if (this.#waiting.length === 0) return
    this.#begin()
    const jobs = this.#waiting
    this.#waiting = []
    let next = 0
    while (next < jobs.length && performance.now() - this.#startedAt < BUDGET_MS) jobs[next++]()
    this.#waiting = next === 0 ? jobs : jobs.slice(next).concat(this.#waiting)
  }
}
