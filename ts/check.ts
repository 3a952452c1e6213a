import { types } from 'node:util'
import { failure, isFailure, XBindError } from './errors'
import { native } from './native'
import type { Failure } from './native/binding'

// A value of the wrong JavaScript type is a programmer's mistake and throws a TypeError.

export function checkString(value: unknown, what: string): asserts value is string {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string, not ${nameOf(value)}`)
}

/** For functions that return no Result: a text that is no DID is none that is not known. */
export function checkDID(value: unknown, what: string): asserts value is string {
  checkString(value, what)
  const key = native.didToPublicKey(value)
  if (isFailure(key)) throw new XBindError(key)
}

/** Why a text is none in UTF-8, where it would become another one, if it is none. */
export function halved(text: string, what: string): Failure | undefined {
  const isHalved = /\p{Surrogate}/u.test(text)
  return isHalved ? failure('INVALID_CONFIG', `${what} holds half a surrogate pair`) : undefined
}

export function checkBytes(value: unknown, what: string): asserts value is Uint8Array {
  if (!types.isUint8Array(value)) throw new TypeError(`${what} must be a Uint8Array, not ${nameOf(value)}`)
}

export function checkFunction(value: unknown, what: string): void {
  if (typeof value !== 'function') throw new TypeError(`${what} must be a function, not ${nameOf(value)}`)
}

export function checkObject(value: unknown, what: string): asserts value is object {
  if (typeof value !== 'object' || value === null)
    throw new TypeError(`${what} must be an object, not ${nameOf(value)}`)
}

/** An object with members of any name, and none in their place whose members are elsewhere, as those of a Map. */
export function checkRecord(value: unknown, what: string): asserts value is object {
  checkObject(value, what)
  const isRecord = Object.prototype.toString.call(value) === '[object Object]'
  if (!isRecord) throw new TypeError(`${what} must be an object of its own members, not ${nameOf(value)}`)
}

/** Options are objects of known names: a mistyped one, or something else in their place, must not read as none. */
export function known(options: object, what: string, names: readonly string[]): void {
  const kind = Object.prototype.toString.call(options)
  if (kind !== '[object Object]') throw new TypeError(`${what} takes an object of options, not ${nameOf(options)}`)
  // Those that are inherited or hidden are read as well.
  for (let of: object | null = options; of !== null && !isRoot(of); of = Object.getPrototypeOf(of) as object | null) {
    for (const name of Object.getOwnPropertyNames(of)) {
      if (names.includes(name) || (of !== options && name === 'constructor')) continue
      throw new TypeError(`${what} has no option ${name}; its options are ${names.join(', ')}`)
    }
  }
}

/** Whether it is the prototype of all objects, of whichever realm. */
function isRoot(object: object): boolean {
  if (object === Object.prototype) return true
  return Object.getPrototypeOf(object) === null && Object.hasOwn(object, 'isPrototypeOf')
}

/** A copy of a list of strings, each of them read once. `or` says what else would do. */
export function strings(value: unknown, what: string, or = ''): string[] {
  if (!Array.isArray(value)) throw new TypeError(`${what} must be a list${or}, not ${nameOf(value)}`)
  const copy = [...(value as unknown[])]
  for (const [i, each] of copy.entries()) checkString(each, `${what}[${i}]`)
  return copy as string[]
}

export function checkNumber(value: unknown, what: string): asserts value is number {
  if (typeof value !== 'number') throw new TypeError(`${what} must be a number, not ${nameOf(value)}`)
}

export function checkBoolean(value: unknown, what: string): asserts value is boolean {
  if (typeof value !== 'boolean') throw new TypeError(`${what} must be a boolean, not ${nameOf(value)}`)
}

export function checkSignal(value: unknown, what: string): asserts value is AbortSignal | undefined {
  if (value === undefined) return
  const signal = value as Partial<AbortSignal>
  const fits =
    typeof value === 'object' &&
    value !== null &&
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.removeEventListener === 'function'
  if (!fits) throw new TypeError(`${what} must be an AbortSignal, not ${nameOf(value)}`)
}

export function optional<T>(value: T | undefined, check: (value: unknown, what: string) => void, what: string): void {
  if (value !== undefined) check(value, what)
}

/** A whole number of an option within its bounds, or an INVALID_CONFIG error. */
export function bounded(
  value: number | undefined,
  fallback: number,
  what: string,
  least: number,
  most: number,
): number {
  if (value === undefined) return fallback
  checkNumber(value, what)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new XBindError(failure('INVALID_CONFIG', `${what} is ${value}`, `give a whole number from ${least} to ${most}`))
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return `a ${typeof value}`.replace('a undefined', 'undefined')
  const name = Object.prototype.toString.call(value).slice(8, -1)
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`
}
