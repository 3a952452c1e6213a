interface Listening {
  readonly reactions: Set<() => void>
  stop(): void
}

/** Many calls may share one signal: they share one listener on it, so that Node.js does not warn of a leak. */
const signals = new WeakMap<AbortSignal, Listening>()

/** Runs `react` when the signal aborts; what is returned takes that back. */
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
    signal.removeEventListener('abort', abort)
  }
  const abort = (): void => {
    stop()
    for (const react of reactions) react()
  }
  signal.addEventListener('abort', abort)
  return { reactions, stop }
}
