import { caused, failure } from '../errors'
import type { Failure } from '../native/binding'

interface Listening {
  readonly reactions: Set<() => void>
  stop(): void
}

/** Many calls may share one signal: they share one listener on it, so that Node.js does not warn of a leak. */
const signals = new WeakMap<AbortSignal, Listening>()

/**
 * Runs `react` when the signal aborts, and not before this has returned; what is returned takes that back. Throws what the
 * signal throws when it is listened to. A signal may be anybody's object: nothing that it does later reaches others.
 */
export function onAbort(signal: AbortSignal, react: () => void): () => void {
  let listening = signals.get(signal)
  if (!listening) signals.set(signal, (listening = listen(signal)))
  const { reactions, stop } = listening
  reactions.add(react)
  return () => {
    if (reactions.delete(react) && reactions.size === 0) stop()
  }
}

function listen(signal: AbortSignal): Listening {
  const reactions = new Set<() => void>()
  const stop = (): void => {
    signals.delete(signal)
    try {
      signal.removeEventListener('abort', abort)
    } catch {
      // it may call `abort` once more, for nobody
    }
  }
  const react = (): void => {
    stop()
    const all = [...reactions]
    reactions.clear()
    for (const each of all) each()
  }
  let isReady = false
  const abort = (): void => {
    if (isReady) react()
    else void Promise.resolve().then(react) // it aborts while it is being listened to
  }
  signal.addEventListener('abort', abort)
  isReady = true
  return { reactions, stop }
}

/** Why a call ends whose signal has aborted; the cause is the signal's reason. */
export function gaveUp(signal: AbortSignal): Failure {
  const given = failure('ABORTED', 'the caller gave up')
  let cause: unknown
  try {
    cause = signal.reason
  } catch {
    // anybody's object
  }
  return cause === undefined ? given : caused(given, cause)
}

/** Whether that is how a function ends which heeds the signal: with its reason, as it is or as the cause of an abort. */
export function isAbortBy(signal: AbortSignal | undefined, thrown: unknown): boolean {
  if (!signal?.aborted) return false
  if (thrown === signal.reason) return true
  if (typeof thrown !== 'object' || thrown === null) return false
  const { name, code, cause } = thrown as { name?: unknown; code?: unknown; cause?: unknown }
  return (name === 'AbortError' || code === 'ABORTED') && cause === signal.reason
}
