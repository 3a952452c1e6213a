import {
  bounded,
  checkBoolean,
  checkFunction,
  checkNumber,
  checkObject,
  checkSignal,
  checkString,
  known,
  optional,
} from '../check'
import type { CallOptions, StreamOptions } from './config'
import { failure } from '../errors'
import type { Failure } from '../native/binding'
import { presentedText } from '../tokens/presented'

export const MAX_TIMEOUT = 0x7fff_ffff

/** How long a call may take that the other side keeps alive with progress. */
const USUAL_TOTAL = 600_000

export const none = Object.freeze({})

/** The options of a typed client, whose methods are named already. */
export const PEER_OPTIONS = [
  'timeoutMs',
  'maxTotalTimeoutMs',
  'onProgress',
  'signal',
  'token',
  'approval',
  'traceparent',
  'idempotent',
]
const STREAM_OPTIONS = [...PEER_OPTIONS, 'method']
const CALL_OPTIONS = [...STREAM_OPTIONS, 'receipt']
const RECEIVE_OPTIONS = ['max', 'waitMs', 'signal']

/** Options of a method: an object of these names. Most calls have none. */
export function checkOptions(options: object, what: string, names: readonly string[]): void {
  if (options === none) return
  checkObject(options, 'options')
  known(options, what, names)
}

/** How a call is to be made. */
export interface Wanted {
  readonly timeoutMs: number
  readonly totalMs: number
  readonly onProgress: CallOptions['onProgress']
  readonly signal: AbortSignal | undefined
  readonly presented: string | undefined
  readonly method: string | undefined
  readonly traceparent: string | undefined
  readonly receipt: boolean
  readonly idempotent: boolean
}

/** The options of `stream()`, each read once: the parts of an answer are messages of their own, and no receipt holds them. */
export function streamOptionsIn(options: StreamOptions, usualMs: number): Wanted | Failure {
  checkOptions(options, 'stream()', STREAM_OPTIONS)
  return wantedIn(options, usualMs, false)
}

/** The options of `call()`, each read once. */
export function callOptionsIn(options: CallOptions, usualMs: number): Wanted | Failure {
  checkOptions(options, 'call()', CALL_OPTIONS)
  const { receipt = false } = options
  if (typeof receipt !== 'boolean') throw new TypeError('receipt must be a boolean')
  return wantedIn(options, usualMs, receipt)
}

function wantedIn(options: StreamOptions, usualMs: number, receipt: boolean): Wanted | Failure {
  const { timeoutMs = usualMs, signal, token, approval, method, traceparent, onProgress } = options
  const { maxTotalTimeoutMs: totalMs, idempotent = false } = options
  for (const [name, value] of [
    ['timeoutMs', timeoutMs],
    ['maxTotalTimeoutMs', totalMs],
  ] as const) {
    if (value === undefined) continue
    checkNumber(value, name)
    if (!(Number.isInteger(value) && value > 0 && value <= MAX_TIMEOUT)) {
      return failure('INVALID_CONFIG', `${name} is ${value}`, `give a whole number from 1 to ${MAX_TIMEOUT}`)
    }
  }
  optional(onProgress, checkFunction, 'onProgress')
  optional(token, checkString, 'token')
  optional(approval, checkString, 'approval')
  optional(method, checkString, 'method')
  optional(traceparent, checkString, 'traceparent')
  checkBoolean(idempotent, 'idempotent')
  for (const [what, value] of [
    ['token', token],
    ['approval', approval],
  ] as const) {
    if (value === '') return failure('INVALID_TOKEN', `${what} is empty`, `leave \`${what}\` out where there is none`)
  }
  const presented = presentedText(token, approval)
  if (typeof presented === 'object') return presented
  const total = totalMs ?? Math.max(timeoutMs, USUAL_TOTAL)
  return { timeoutMs, totalMs: total, onProgress, signal, presented, method, traceparent, receipt, idempotent }
}

/** How to drain an inbox. */
export interface ReceiveOptions {
  /** At most so many; all by default. */
  max?: number
  /** How long to wait for the first message; default 0, which takes what is there. */
  waitMs?: number
  /** Ends the waiting with ABORTED. */
  signal?: AbortSignal
}

/** The options of `receive()`, each read once. */
export function receiveOptionsIn(
  options: ReceiveOptions,
): { max: number; waitMs: number; signal: AbortSignal | undefined } | Failure {
  checkOptions(options, 'receive()', RECEIVE_OPTIONS)
  const { max = Number.MAX_SAFE_INTEGER, waitMs = 0, signal } = options
  for (const [what, value, least] of [
    ['max', max, 1],
    ['waitMs', waitMs, 0],
  ] as const) {
    checkNumber(value, what)
    const isForEver = what === 'waitMs' && value === Infinity
    if (!isForEver && (!Number.isInteger(value) || value < least)) {
      return failure('INVALID_CONFIG', `${what} is ${value}`, `give a whole number, ${least} or more`)
    }
  }
  checkSignal(signal, 'signal')
  return { max, waitMs, signal }
}

/** The time in the options of `close()`. */
export function drainMsIn(options: { drainMs: number }): number {
  checkObject(options, 'options')
  known(options, 'close()', ['drainMs'])
  const { drainMs } = options
  checkNumber(drainMs, 'drainMs')
  return bounded(drainMs, 0, 'drainMs', 0, MAX_TIMEOUT)
}
