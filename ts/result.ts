import type { Failure } from './binding'
import { isFailure, XBindError } from './errors'

/** What every function returns that can fail because of its input or of the outside world. */
export type Result<T, E = XBindError> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E }

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

/** What the native side returned, or an exception: for constructors, which cannot return a Result. */
export function orThrow<T>(value: T | Failure): T {
  if (isFailure(value)) throw new XBindError(value)
  return value
}
