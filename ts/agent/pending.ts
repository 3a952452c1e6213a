/** Above the place of a number of the native side stands which one in order it is: crates/xbind-runtime/src/port/slots.rs. */
const PLACES = 2 ** 24
/** Room for so many at first, and what stays when the last has gone. */
const LEAST = 64
const KEPT = 2048

/**
 * What belongs to calls, by their numbers, of which many thousands wait at once and most end in about the order in which they
 * began: a ring. What is still there when its place is needed again moves to a Map.
 */
export class Pending<T> {
  #numbers = new Float64Array(LEAST)
  #things: (T | undefined)[] = roomFor(LEAST)
  readonly #late = new Map<number, T>()
  #size = 0

  get size(): number {
    return this.#size
  }

  has(number: number): boolean {
    return this.#get(number) !== undefined
  }

  add(number: number, thing: T): void {
    if (this.#size * 2 >= this.#things.length) this.#grow()
    this.#size += 1
    this.#put(number, thing)
  }

  take(number: number): T | undefined {
    const thing = this.#get(number)
    if (thing === undefined) return undefined
    const at = this.#at(number)
    if (this.#numbers[at] === number) this.#things[at] = undefined
    else this.#late.delete(number)
    this.#size -= 1
    if (this.#size === 0 && this.#things.length > KEPT) this.#resize(LEAST) // a burst gives its memory back
    return thing
  }

  #at(number: number): number {
    return (number / PLACES) & (this.#things.length - 1)
  }

  #get(number: number): T | undefined {
    const at = this.#at(number)
    return this.#numbers[at] === number ? this.#things[at] : this.#late.get(number)
  }

  #put(number: number, thing: T): void {
    const at = this.#at(number)
    const other = this.#things[at]
    if (other !== undefined) this.#late.set(this.#numbers[at] as number, other)
    this.#numbers[at] = number
    this.#things[at] = thing
  }

  #grow(): void {
    const [numbers, things] = [this.#numbers, this.#things]
    this.#resize(things.length * 2)
    for (const [at, thing] of things.entries()) {
      if (thing !== undefined) this.#put(numbers[at] as number, thing)
    }
  }

  #resize(room: number): void {
    this.#numbers = new Float64Array(room)
    this.#things = roomFor(room)
  }
}

function roomFor<T>(count: number): (T | undefined)[] {
  return Array.from({ length: count }, () => undefined)
}
