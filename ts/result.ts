import type { Failure } from './native/binding'
import { isFailure, XBindError } from './errors'

/**
 * What every function returns that can fail because of its input or of the outside world.
 *
 * @example
 * ```ts
 * const result = await agent.call('writer', { topic: 'identity' })
 * if (result.ok) console.log(result.value)
 * else console.error(result.error.code, result.error.hint)
 * ```
 */
export type Result<T, E = XBindError> =
  | {
      /** It went well. */
      readonly ok: true
      /** What was asked for. */
      readonly value: T
    }
  | {
      /** It failed. */
      readonly ok: false
      /** Why, with a code to tell one reason from another. */
      readonly error: E
    }

export function ok<T>(value: T): Result<T> {
  return { ok: true, value }
}

export function fail<T>(failure: Failure): Result<T> {
  return { ok: false, error: new XBindError(failure) }
}

/** What the native side returned, as a Result. */
export function result<T>(value: T | Failure): Result<T> {
  return isFailure(value) ? fail(value) : ok(value)
}

/** What was thrown because of an option's value, as a Result: for functions that return one. */
export async function orFail<T>(work: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof XBindError) return { ok: false, error }
    throw error
  }
}

/** What the native side returned, or an exception: for constructors, which cannot return a Result. */
export function orThrow<T>(value: T | Failure): T {
  if (isFailure(value)) throw new XBindError(value)
  return value
}
