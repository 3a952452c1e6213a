import type { Server } from 'node:net'
import type { WindowStore } from '@private.me/autogen/http'

export function serveStore(said?: (right: unknown, op: string) => unknown): {
  server: Server
  asked: { op: string; key: string; value: unknown }[]
  forget(): void
}
export function storeAt(port: number): WindowStore
