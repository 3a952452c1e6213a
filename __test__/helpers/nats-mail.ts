// Who sends mail to agents that are away, and who reads it.
import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
import { connect, type NatsBus } from '@private.me/autogen/nats'
import { afterEach, expect } from 'vitest'
import { reader, type Process } from './nats-members'
import { valueOf } from './result'

/** What is closed after each test. */
export const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

export async function on(servers: string | string[]): Promise<NatsBus> {
  const bus = valueOf(await connect({ servers }))
  open.push(() => bus.drain())
  return bus
}

export function agent(bus: NatsBus, name: string, seed?: number): AutoGenxBindAgent {
  const identityProvider = seed === undefined ? undefined : valueOf(Identity.fromSeed(new Uint8Array(32).fill(seed)))
  return new AutoGenxBindAgent({
    name,
    agentOptions: { bus, timeoutMs: 20_000 },
    ...(identityProvider && { identityProvider }),
  })
}

export async function start(server: string): Promise<Process> {
  const started = await reader(server, 'main', 'writer', '9')
  open.push(() => started.child.kill('SIGKILL'))
  return started
}

export async function until(isSo: () => boolean): Promise<void> {
  await expect.poll(isSo, { timeout: 40_000, interval: 20 }).toBe(true)
}

/** What they have read. */
export const read = (...processes: Process[]): unknown[] =>
  processes.flatMap(({ lines }) => lines.map((line) => line.handled)).filter((each) => each !== undefined)

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Sends one after the other; what was kept for a reader that was away. */
export async function stream(
  sender: AutoGenxBindAgent,
  to: string,
  kept: string[],
  isOver: () => boolean,
): Promise<void> {
  for (let n = 0; !isOver(); n += 1) {
    const sent = await sender.send(to, `mail ${n}`)
    if (sent.ok && sent.value.status === 'kept') kept.push(`mail ${n}`)
    await pause(10)
  }
}
