import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { AutoGenxBindAgent, MessageBus, XBindError, type Handler } from '@private.me/autogen'

/** A caller, and an agent called `writer` with that handler; what its owner is told goes into `told`. */
export function pair(handler: Handler): {
  reader: AutoGenxBindAgent
  writer: AutoGenxBindAgent
  told: unknown[]
  bus: MessageBus
} {
  const bus = new MessageBus()
  const told: unknown[] = []
  const writer = new AutoGenxBindAgent({
    name: 'writer',
    handler,
    agentOptions: { bus },
    onHandlerError: (error) => told.push(error),
  })
  return { reader: new AutoGenxBindAgent({ agentOptions: { bus } }), writer, told, bus }
}

/** All parts, and the code of the error that they end with. */
export async function read(
  parts: AsyncIterable<unknown>,
): Promise<{ parts: unknown[]; code?: string; error?: XBindError }> {
  const got: unknown[] = []
  try {
    for await (const part of parts) got.push(part)
    return { parts: got }
  } catch (error) {
    expect(error).toBeInstanceOf(XBindError)
    return { parts: got, code: (error as XBindError).code, error: error as XBindError }
  }
}

/** The first part, and then the reader leaves. */
export async function first(parts: AsyncIterable<unknown>): Promise<unknown> {
  for await (const part of parts) return part
  return undefined
}

/** Until it holds; what never does ends with the time of the test. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(1)
}

export interface Seen {
  made: number
  ended: number
  aborted: number
}

/** Counts up, and says where it is and whether it has ended. */
export function counter(): { seen: Seen; handler: Handler } {
  const seen: Seen = { made: 0, ended: 0, aborted: 0 }
  return {
    seen,
    async *handler({ payload, signal }) {
      if (signal.aborted) seen.aborted += 1
      signal.addEventListener('abort', () => (seen.aborted += 1))
      try {
        for (let n = 0; n < (payload as number); n++) {
          seen.made += 1
          yield n
        }
        return 'end'
      } finally {
        seen.ended += 1
      }
    },
  }
}

export const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)
