import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { AutoGenxBindAgent, MessageBus, type HttpReach } from '@private.me/autogen'
import { afterEach } from 'vitest'

/** What is closed behind each test of the spec, the last first. */
export const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

export async function listening(server: Server & { closeAllConnections?: () => void }): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(() => {
    server.closeAllConnections?.()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

export function agent(bus = new MessageBus(), http?: HttpReach): AutoGenxBindAgent {
  const own = http === undefined ? bus : new MessageBus({ http })
  const made = new AutoGenxBindAgent({ agentOptions: { bus: own, timeoutMs: 20_000 } })
  open.push(() => made.close())
  return made
}

export async function served(answer: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listening(createServer(answer))}/agents`
}
