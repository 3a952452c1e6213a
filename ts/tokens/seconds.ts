import type { Failure } from '../native/binding'
import { checkNumber } from '../check'
import { failure } from '../errors'

/** Why these are not whole seconds (or places), if they are not. Whatever is left out is fine. */
export function notWhole(values: Record<string, unknown>): Failure | undefined {
  for (const [what, value] of Object.entries(values)) {
    if (value === undefined) continue
    checkNumber(value, what)
    if (!Number.isSafeInteger(value) || value < 0) {
      return failure('INVALID_CONFIG', `${what} is ${value}`, 'give a whole number that is not negative')
    }
  }
  return undefined
}

/** The same for functions that return no Result: a time that is no time is a programmer's mistake. */
export function checkTime(value: unknown, what: string): asserts value is number {
  checkNumber(value, what)
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${what} must be whole seconds, not ${value}`)
}

/** Seconds since the epoch, by the system clock. */
export function systemTime(): number {
  return Math.floor(Date.now() / 1000)
}
