import type { Result, XBindError } from '@private.me/autogen'

/** The value of a Result that must be ok. */
export function valueOf<T>(result: Result<T>): T {
  if (result.ok) return result.value
  throw result.error
}

/** The error of a Result that must not be ok. */
export function errorOf(result: Result<unknown>): XBindError {
  if (!result.ok) return result.error
  throw new Error('it succeeded')
}

/** 'ok', or the code of the error. */
export function codeOf(result: Result<unknown>): string {
  return result.ok ? 'ok' : result.error.code
}
