/** How many DIDs the native side wants kept. */
const SENDERS = 4096

/** What a word says of a value; see tape.rs of crates/xbind-binding. */
const [THERE, NONE, SMALL] = [0, 1, 2]

/** Events as events.rs of crates/xbind-binding writes them: words, and a flat array of what is no word, both to be read in order. */
export class Events {
  #words = ''
  #word = 0
  #array: readonly unknown[] = []
  #next = 0
  /** DIDs, where the native side wants them kept; made with the first of them. */
  #senders: string[] | undefined

  /** True if still more are waiting on the native side. */
  begin(array: readonly unknown[] | undefined): boolean {
    this.#array = array ?? []
    this.#words = array ? (array[0] as string) : ''
    this.#word = 0
    this.#next = 2
    return array?.[1] === true
  }

  get done(): boolean {
    if (this.#word < this.#words.length) return false
    this.#array = []
    return true
  }

  next<T>(): T {
    const kind = this.#words.charCodeAt(this.#word++)
    if (kind === THERE) return this.#array[this.#next++] as T
    if (kind === NONE) return null as T
    const low = this.#half()
    return (kind === SMALL ? low | 0 : low + this.#half() * 2 ** 32) as T
  }

  #half(): number {
    return this.#words.charCodeAt(this.#word++) + this.#words.charCodeAt(this.#word++) * 2 ** 16
  }

  sender(): string {
    const slot = this.next<number>()
    // oxlint-disable-next-line unicorn/no-new-array -- room for all at once, or V8 keeps a slow table
    const senders = (this.#senders ??= new Array<string>(SENDERS))
    if (slot < 0) return (senders[~slot] = this.next())
    return senders[slot] as string
  }
}
