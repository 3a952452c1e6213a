/**
 * Many commands and events at once: each crossing of the border costs more than what one of them carries. They lie as words
 * (32-bit numbers) and UTF-8 text in one piece of memory; src/crossing.rs is the other side.
 */

/** Where things lie, in bytes: commands, then events, then the text of commands. */
const EVENTS_AT = 16 << 10
const TEXT_AT = 32 << 10
const SIZE = 128 << 10

const COMMAND_WORDS = EVENTS_AT / 4
/** The most words of a command. */
const MOST_WORDS = 10
/** UTF-8 takes at most three bytes for a unit of a string. */
const UNIT_BYTES = 3

/** How many DIDs the native side wants kept. */
const SENDERS = 4096

/** Commands that wait to cross together. */
export class Commands {
  readonly memory = new Uint8Array(SIZE)
  readonly #words = new Int32Array(this.memory.buffer, 0, COMMAND_WORDS)
  readonly #text = Buffer.from(this.memory.buffer, TEXT_AT)
  #word = 0
  #byte = 0

  /** How many words wait. */
  get length(): number {
    return this.#word
  }

  /** They have crossed. */
  clear(): void {
    this.#word = 0
    this.#byte = 0
  }

  /** False if there is no room for it. */
  call(
    agent: number,
    low: number,
    high: number,
    to: string,
    content: string,
    oneWay: boolean,
    timeoutMs: number,
    token: string | undefined,
  ): boolean {
    if (!this.#hasRoom(to.length + content.length + (token === undefined ? 0 : token.length))) return false
    const words = this.#words
    let at = this.#word
    words[at++] = 0
    words[at++] = agent
    words[at++] = low
    words[at++] = high
    words[at++] = (oneWay ? 1 : 0) | (token === undefined ? 0 : 2)
    words[at++] = timeoutMs
    words[at++] = this.#write(to)
    words[at++] = this.#write(content)
    if (token !== undefined) words[at++] = this.#write(token)
    this.#word = at
    return true
  }

  /** The same. */
  answer(low: number, high: number, content: string): boolean {
    if (!this.#hasRoom(content.length)) return false
    const words = this.#words
    let at = this.#word
    words[at++] = 1
    words[at++] = low
    words[at++] = high
    words[at++] = this.#write(content)
    this.#word = at
    return true
  }

  #hasRoom(units: number): boolean {
    return this.#word + MOST_WORDS <= COMMAND_WORDS && this.#byte + units * UNIT_BYTES <= this.#text.length
  }

  #write(text: string): number {
    const bytes = this.#text.write(text, this.#byte)
    this.#byte += bytes
    return bytes
  }
}

/** Events that have crossed, to be read in the order in which they were written. */
export class Events {
  readonly #words: Int32Array
  /** The text of bodies, then what words cannot hold. */
  #beside: readonly unknown[] = []
  #text = ''
  #word = 0
  #end = 0
  #unit = 0
  #object = 0
  /** DIDs, where the native side wants them kept; made with the first of them. */
  #senders: string[] | undefined

  constructor({ memory }: Commands) {
    this.#words = new Int32Array(memory.buffer, EVENTS_AT, (TEXT_AT - EVENTS_AT) / 4)
  }

  /** New ones lie in the memory. True if still more are waiting. */
  begin(beside: readonly unknown[] | undefined): boolean {
    this.#end = 0
    if (!beside) return false
    this.#word = 0
    this.#end = 2 + this.word()
    const more = this.word() === 1
    this.#beside = beside
    this.#text = beside[0] as string
    this.#unit = 0
    this.#object = 1
    return more
  }

  get done(): boolean {
    return this.#word >= this.#end
  }

  word(): number {
    return this.#words[this.#word++] as number
  }

  seconds(): number {
    return (this.word() >>> 0) + this.word() * 2 ** 32
  }

  sender(): string {
    const slot = this.word()
    // oxlint-disable-next-line unicorn/no-new-array -- room for all at once, or V8 keeps a slow table
    const senders = (this.#senders ??= new Array<string>(SENDERS))
    if (slot < 0) return (senders[~slot] = this.beside())
    return senders[slot] as string
  }

  body(): string | Uint8Array {
    const units = this.word()
    if (units < 0) return this.beside()
    return this.#text.slice(this.#unit, (this.#unit += units))
  }

  beside<T>(): T {
    return this.#beside[this.#object++] as T
  }
}
