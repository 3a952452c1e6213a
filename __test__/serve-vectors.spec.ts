// vectors/frames.json: read as docs/http.md has it, by a reader of the test's own, and by a server on a socket.
import { AutoGenxBindAgent, didToPublicKey, MessageBus } from '@private.me/autogen'
import { serveAgents } from '@private.me/autogen/http'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hex, vectors } from './helpers/vectors'

interface Message {
  to: string
  jws: string
  body: string
  presented?: string
}
interface Case {
  name: string
  bytes: string
  messages: Message[]
  code?: string
}
const { maxBody, cases } = vectors<{ maxBody: number; cases: Case[] }>('frames.json')

const text = (bytes: Buffer): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes)

function read(bytes: Buffer): { messages: Message[]; code?: string } {
  const messages: Message[] = []
  try {
    for (let at = 0; at < bytes.length;) {
      const head = bytes.subarray(at, at + 67)
      if (head.length < 67) return { messages, code: 'ABORTED' }
      const [jws, body, presented] = [head.readUInt16BE(1), head.readUInt32BE(3), head.readUInt32BE(7)]
      if (head[0] !== 1 || jws === 0 || jws > 4096) return { messages, code: 'MALFORMED_MESSAGE' }
      if (body > maxBody || presented > 69_634) return { messages, code: 'PAYLOAD_TOO_LARGE' }
      const to = text(head.subarray(11))
      if (!didToPublicKey(to).ok) return { messages, code: 'MALFORMED_MESSAGE' }
      const rest = bytes.subarray(at + 67, at + 67 + jws + body + Math.max(0, presented - 1))
      at += 67 + jws + body + Math.max(0, presented - 1)
      if (at > bytes.length) return { messages, code: 'ABORTED' }
      messages.push({
        to,
        jws: text(rest.subarray(0, jws)),
        body: rest.subarray(jws, jws + body).toString('hex'),
        ...(presented > 0 && { presented: text(rest.subarray(jws + body)) }),
      })
    }
    return { messages }
  } catch {
    return { messages, code: 'MALFORMED_MESSAGE' }
  }
}

const server = createServer()
let port = 0
beforeAll(async () => {
  const agentOptions = { bus: new MessageBus(), maxPayloadBytes: maxBody }
  server.on('request', serveAgents([new AutoGenxBindAgent({ agentOptions })]))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterAll(() => void server.close())

/** Whether the response comes to its end. */
function isTaken(body: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/vnd.xbind.messages', 'content-length': body.length }
    const sent = request({ host: '127.0.0.1', port, method: 'POST', headers, agent: false }, (response) => {
      response.on('close', () => resolve(response.complete)).on('error', () => undefined)
      response.resume()
    })
    sent.on('error', () => resolve(false)).end(body)
  })
}

test.each(cases)('$name', async ({ bytes, messages, code }) => {
  const body = Buffer.from(hex(bytes))
  expect(read(body)).toEqual({ messages, ...(code !== undefined && { code }) })
  expect(await isTaken(body)).toBe(code === undefined)
})
