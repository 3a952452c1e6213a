import type { Ended, Settle } from './calls'
import type { AgentConfig } from './config'
import type { FailedCall } from './port'
import { leave, short, shown, write, type Logger } from './log'

/** Where an agent's lines go, as its owner wants it. */
export interface Wishes {
  readonly logger: Logger | undefined
  readonly verbose: boolean
  readonly onHandlerError: AgentConfig['onHandlerError']
}

const none: Wishes = { logger: undefined, verbose: false, onHandlerError: undefined }

/** What an agent says in the log, under its label. */
export class Journal {
  readonly #label: string
  readonly #wishes: Wishes

  constructor(label: string, wishes: Wishes = none) {
    this.#label = label
    this.#wishes = wishes
  }

  /** Whether somebody asked for more than what has to be known. */
  get isRead(): boolean {
    return this.#wishes.verbose || this.#wishes.logger !== undefined
  }

  warn(line: string, error?: { readonly thrown: unknown }): void {
    this.#log('warn', error ? `: ${line}\n${shown(error.thrown)}` : `: ${line}`)
  }

  /** A message that came in, or what became of it. */
  trace(from: string, kind: string, id: string, outcome: string | undefined): void {
    if (!this.#wishes.verbose) return
    const isBad = outcome !== undefined && /^(?:refused|failed)/.test(outcome)
    this.#log(isBad ? 'warn' : 'info', ` ← ${short(from)} ${kind} ${id}${outcome === undefined ? '' : ` ${outcome}`}`)
  }

  /** Says how a message that goes out has ended. */
  traced(to: string, oneWay: boolean, settle: Settle): Settle {
    if (!this.#wishes.verbose) return settle
    const began = performance.now()
    return (ended: Ended) => {
      const took = `${(performance.now() - began).toFixed(2)} ms`
      const what = ` → ${short(to)} ${oneWay ? 'send' : 'call'}`
      if (ended.ok) this.#log('info', `${what} ok in ${took}`)
      else this.#log('warn', `${what} ${ended.failure.code} in ${took}`)
      settle(ended)
    }
  }

  /** A handler failed: its owner is told, one way or the other. */
  failed(error: unknown, { id, from, method }: FailedCall): void {
    const { onHandlerError } = this.#wishes
    const show = (): void => this.#log('error', `: the handler failed, call ${id} of ${short(from)}\n${shown(error)}`)
    if (!onHandlerError) return show()
    const failedToo = (thrown: unknown): void => {
      this.warn('onHandlerError failed', { thrown })
      show()
    }
    try {
      leave(onHandlerError(error, { id, from, method }), failedToo)
    } catch (thrown) {
      failedToo(thrown)
    }
  }

  #log(level: 'info' | 'warn' | 'error', line: string): void {
    write(this.#wishes.logger, level, this.#label + line)
  }
}
