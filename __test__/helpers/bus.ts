import { AutoGenxBindAgent, MessageBus, type AgentConfig } from '@private.me/autogen'
import { test as plain } from 'vitest'

/** Makes an agent on the bus of the test. */
export type Make = (config?: AgentConfig | string) => AutoGenxBindAgent

interface Fixtures {
  /** A bus of the test's own, closed behind it with all its agents. */
  bus: MessageBus
  agent: Make
}

export const test = plain.extend<Fixtures>({
  // oxlint-disable-next-line no-empty-pattern -- Vitest reads the fixtures needed from the pattern
  bus: async ({}, use) => {
    const bus = new MessageBus()
    await use(bus)
    bus.close()
  },
  agent: async ({ bus }, use) => {
    await use((given = {}) => {
      const config = typeof given === 'string' ? { name: given } : given
      return new AutoGenxBindAgent({ ...config, agentOptions: { bus, ...config.agentOptions } })
    })
  },
})

/** Lets the event loop turn, so that what is on its way arrives. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A promise and the function that ends it. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open!: (value: T) => void
  const promise = new Promise<T>((resolve) => (open = resolve))
  return { promise, open }
}

/** What never settles. */
export const never = new Promise<never>(() => {})
