/** How many DIDs the native side wants kept. */
const SENDERS = 4096

/** Events as events.rs of crates/xbind-binding writes them: one flat array, to be read in order. */
export class Events {
  #array: readonly unknown[] = []
  #next = 0
  #end = 0
  /** DIDs, where the native side wants them kept; made with the first of them. */
  #senders: string[] | undefined

  /** True if still more are waiting on the native side. */
  begin(array: readonly unknown[] | undefined): boolean {
    this.#array = array ?? []
    this.#end = array ? (array[0] as number) : 0
    this.#next = 2
    return array?.[1] === true
  }

  get done(): boolean {
    if (this.#next < this.#end) return false
    this.#array = []
    return true
  }

  next<T>(): T {
    return this.#array[this.#next++] as T
  }

  sender(): string {
    const slot = this.next<number>()
    // oxlint-disable-next-line unicorn/no-new-array -- room for all at once, or V8 keeps a slow table
    const senders = (this.#senders ??= new Array<string>(SENDERS))
    if (slot < 0) return (senders[~slot] = this.next())
    return senders[slot] as string
  }
}
