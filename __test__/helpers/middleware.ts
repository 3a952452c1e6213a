// Servers of the frameworks on real sockets, and an agent that asks them.
import { Identity } from '@private.me/autogen'
import { RequestVerifier, signRequestHeaders } from '@private.me/autogen/http'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'
import { send, type Answer } from './http.ts'
import { valueOf } from './result.ts'

export const [agent, server] = [Identity.generate(), Identity.generate()] as const
export const json = { 'content-type': 'application/json' }
export const text = '{"item":"a lamp"}'

export const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

export interface Here {
  port: number
  url: string
  verifier: RequestVerifier
}

/** A server on a port, whose verifier knows its name. */
export async function here(
  make: (verifier: RequestVerifier) => RequestListener | Promise<RequestListener>,
): Promise<Here> {
  let answer: RequestListener = () => {}
  const made = createServer((request, response) => answer(request, response))
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  const { port } = made.address() as AddressInfo
  const verifier = new RequestVerifier({
    authorities: [`127.0.0.1:${port}`],
    dangerouslyAcceptReplayAfterRestart: true,
  })
  answer = await make(verifier)
  closing.push(() => {
    made.closeAllConnections()
    made.close()
  })
  return { port, url: `http://127.0.0.1:${port}`, verifier }
}

export function post(
  at: Here,
  path: string,
  body: string | Uint8Array = text,
  headers: Record<string, string> = json,
): Promise<Answer> {
  const bytes = Buffer.from(body)
  const fields = valueOf(signRequestHeaders(agent, { method: 'POST', url: `${at.url}${path}`, headers, body: bytes }))
  return send(at.port, { method: 'POST', path, headers: { ...headers, ...fields }, body: bytes })
}

export const get = (at: Here, path: string, sent = path): Promise<Answer> => {
  const headers = valueOf(signRequestHeaders(agent, { method: 'GET', url: `${at.url}${path}` }))
  return send(at.port, { path: sent, headers })
}
