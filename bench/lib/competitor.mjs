// One competitor in a process of its own, so that heaps and collectors do not mix.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url))

export class Competitor {
  #process
  #waiting
  #stderr = ''

  constructor(peer, module) {
    this.#process = fork(CHILD, [peer, module], {
      serialization: 'advanced',
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#process.stderr.on('data', (part) => (this.#stderr = (this.#stderr + part).slice(-2000)))
    this.#process.on('message', ({ result, error }) => this.#settle(error ? new Error(error) : undefined, result))
    this.#process.on('exit', (code, signal) => this.#settle(new Error(this.#epitaph(code, signal))))
  }

  // Runs the `measure` of its module there. A competitor that gives no answer in time is stopped.
  run(params, limitSeconds = 60) {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#settle(new Error(`gave no answer in ${limitSeconds} s`))
        this.#process.kill('SIGKILL')
      }
      this.#waiting = { resolve, reject, timer: setTimeout(stop, limitSeconds * 1000) }
      if (this.#process.connected) this.#process.send(params)
      else this.#settle(new Error('has ended'))
    })
  }

  stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
      this.#process.once('exit', () => resolve(clearTimeout(timer)))
      if (this.#process.connected) this.#process.disconnect()
    })
  }

  #settle(error, result) {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (!waiting) return
    clearTimeout(waiting.timer)
    if (error) waiting.reject(error)
    else waiting.resolve(result)
  }

  #epitaph(code, signal) {
    const lines = this.#stderr.split('\n').map((line) => line.trim())
    return lines.find((line) => /error/i.test(line)) ?? `ended with ${signal ?? `exit code ${code}`}`
  }
}
