import { clearTimeout, setTimeout } from '../agent/timers'
import { checkFunction, checkObject } from '../check'
import { native } from '../native'
import type { ServerRef, StoreQuestion } from '../native/binding'
import { read } from '../native/json'
import { PATIENCE_MS } from './asking'
import type { NonceStore } from './demands'

/**
 * Remembers for all replicas of an agent, each a process with the same key, what any of them has accepted: so each call runs in
 * one of them, whichever it comes to. One that forgets what it was told forgets all of it, the name of the window too.
 */
export interface WindowStore extends NonceStore {
  /**
   * Remembers `value` under `key`, for as long as it remembers anything, unless there is one; the value that is there then, as
   * `SET key value NX GET` of Redis tells it. One that throws, or answers anything else, has calls refused.
   */
  agree(key: string, value: string): string | Promise<string>
}

export function checkStore(store: unknown): WindowStore {
  checkObject(store, 'window')
  checkFunction((store as WindowStore).claim, 'window.claim')
  checkFunction((store as WindowStore).agree, 'window.agree')
  return store as WindowStore
}

async function told(failed: (error: unknown) => unknown, error: unknown): Promise<void> {
  try {
    await failed(error)
  } catch (thrown) {
    warn(thrown)
  }
}

/** A warning of the process, whatever was thrown. */
export function warn(thrown: unknown): void {
  try {
    process.emitWarning(thrown instanceof Error ? thrown : String(thrown))
  } catch {
    process.emitWarning('something was thrown that cannot be read')
  }
}

/** Asks a store what the native side wants to know, and says what came of it. */
export class Asking {
  readonly #store: WindowStore
  /** Questions for a name that have not been asked yet. */
  readonly #due = new Map<string, Promise<unknown>>()

  /** What was agreed upon, of each agent here. */
  readonly #names = new Map<string, string>()
  readonly #failed = new Set<(error: unknown) => unknown>()

  constructor(store: WindowStore) {
    this.#store = store
  }

  /** What goes wrong is told there, by each mount once. */
  tell(failed: (error: unknown) => unknown): void {
    this.#failed.add(failed)
  }

  ask(server: ServerRef): void {
    for (const question of read(native.takeQuestions(server))) void this.#ask(server, question)
  }

  async #ask(server: ServerRef, question: StoreQuestion): Promise<void> {
    let late: NodeJS.Timeout | undefined
    const timeout = new Promise<Said>((_, reject) => {
      late = setTimeout(
        () => reject(new Error(`the store of serveAgents() has not answered in ${PATIENCE_MS} ms`)),
        PATIENCE_MS,
      )
    })
    const said = await Promise.race([this.#said(question), timeout]).catch((error: unknown) => this.#told(error))
    clearTimeout(late)
    native.answerQuestion(server, question.number, said.taken, said.name)
  }

  /** Whoever runs the store hears of it: the callers are told no more than that there is no room. */
  #told(error: unknown): Said {
    const all = new Set(this.#failed) // whoever is told may mount it once more
    for (const failed of all) void told(failed, error)
    return {}
  }

  /** The name is asked for when the keys are claimed, and never before. */
  async #said({ keys, until, name, fresh }: StoreQuestion): Promise<Said> {
    for (const [at, key] of keys.entries()) {
      const claimed: unknown = await this.#store.claim(key, until)
      if (claimed === false) return { taken: at }
      if (claimed !== true) throw new TypeError('window.claim must answer with true or false')
    }
    const agreed = await this.#agreed(name, fresh)
    if (typeof agreed === 'string' && /^[\w-]{21}[AQgw]$/.test(agreed)) return this.#known(name, agreed)
    throw new TypeError('window.agree must answer with a value that it was given')
  }

  /** The name may change, for a store may begin anew; whoever runs it hears of it, for calls under the old name end. */
  #known(name: string, agreed: string): Said {
    const before = this.#names.get(name)
    this.#names.set(name, agreed)
    if (before !== undefined && before !== agreed) {
      this.#told(
        new Error('window.agree has answered with another value than before: calls under the old one are refused'),
      )
    }
    return { name: agreed }
  }

  /** Asked once for all who want to know it in one turn of the event loop. */
  #agreed(name: string, fresh: string): Promise<unknown> {
    const due = this.#due.get(name)
    if (due) return due
    const asked = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.#due.delete(name)
      return this.#store.agree(name, fresh)
    })
    this.#due.set(name, asked)
    return asked
  }
}

interface Said {
  readonly taken?: number
  readonly name?: string
}
