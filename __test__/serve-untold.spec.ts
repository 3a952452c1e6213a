// Requests with messages whose length nobody tells before they end, in each framework; and such that were paused before.
import { serve } from '@hono/node-server'
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { serveAgents as inExpress } from '@private.me/autogen/express'
import { serveAgents as inFastify } from '@private.me/autogen/fastify'
import { serveAgents as inHono } from '@private.me/autogen/hono'
import { serveAgents, type ServeOptions } from '@private.me/autogen/http'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { once } from 'node:events'
import { createServer, request as send, type IncomingMessage, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { valueOf } from './helpers/result'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function listening(server: Server): Promise<number> {
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening')
  open.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

type Mount = (agents: AutoGenxBindAgent[], options: ServeOptions) => Server | Promise<Server>

const frameworks: Record<string, Mount> = {
  'node:http': (agents, options) => createServer(serveAgents(agents, options)),
  express: (agents, options) => createServer(express().use(inExpress(agents, options))),
  fastify: async (agents, options) => {
    const app = fastify()
    await app.register(inFastify, { agents, ...options })
    await app.listen({ port: 0, host: '127.0.0.1' })
    open.push(() => app.close())
    return app.server
  },
  hono: (agents, options) => {
    const app = new Hono().all('/', inHono(agents, options))
    return new Promise((resolve) => {
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(server as Server))
    })
  },
}

function agent(): AutoGenxBindAgent {
  const made = new AutoGenxBindAgent({ agentOptions: { bus: new MessageBus(), timeoutMs: 20_000 } })
  open.push(() => made.close())
  return made
}

const TYPE = { 'content-type': 'application/vnd.xbind.messages' }

describe.each(Object.keys(frameworks))('%s', (framework) => {
  const begin = async (options: ServeOptions) => {
    const callee = agent()
    const runs: unknown[] = []
    callee.handle(({ payload }) => (runs.push(payload), payload))
    const server = await frameworks[framework]!([callee], options)
    return { callee, runs, server, port: await listening(server) }
  }

  /** Passes on what comes, in pieces. */
  const chunking = async (port: number): Promise<{ url: string; statuses: unknown[] }> => {
    const statuses: unknown[] = []
    const front = createServer((request, response) => {
      const headers = { ...(request.headers['content-type'] && TYPE), 'transfer-encoding': 'chunked' }
      const on = send({ host: '127.0.0.1', port, method: request.method, headers }, (answer) => {
        statuses.push(answer.statusCode)
        response.writeHead(answer.statusCode ?? 0, answer.headers)
        answer.pipe(response)
      })
      on.on('error', () => response.destroy())
      request.pipe(on)
    })
    return { url: `http://127.0.0.1:${await listening(front)}/`, statuses }
  }

  test('what is too large is taken in smaller requests, and nothing runs twice', async () => {
    const { callee, runs, port } = await begin({ maxBodyBytes: 8192 })
    const { url, statuses } = await chunking(port)
    const caller = agent()
    const payloads = Array.from({ length: 120 }, (_, n) => `${n} ${'x'.repeat(n * 9)}`)
    const answers = await Promise.all(payloads.map((payload) => caller.call({ did: callee.getDID(), url }, payload)))
    expect(answers.map(valueOf)).toEqual(payloads)
    expect(runs).toHaveLength(120)
    expect(new Set(statuses)).toEqual(new Set([200, 413]))
  })

  test('what is larger than is gathered goes in one request all the same', async () => {
    const { callee, runs, port } = await begin({})
    const { url, statuses } = await chunking(port)
    const payload = 'x'.repeat(900_000)
    expect(valueOf(await agent().call({ did: callee.getDID(), url }, payload))).toBe(payload)
    expect([runs.length, new Set(statuses)]).toEqual([1, new Set([200])])
  })

  test('one that goes on and on is told so, and its connection serves the next where it ends', async () => {
    const { port } = await begin({ maxBodyBytes: 8192 })
    const socket = connect(port, '127.0.0.1')
    open.push(() => socket.destroy())
    let said = ''
    socket.on('error', () => undefined).on('data', (piece) => (said += String(piece)))
    const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${TYPE['content-type']}\r\nTransfer-Encoding: chunked\r\n\r\n`
    // The beginning of a message with a body of 1,000,000 bytes, by its length.
    const message = Buffer.alloc(8192)
    message.writeUInt8(1, 0)
    socket.write(head)
    for (let n = 0; n < 5 && !said.includes(' 413 '); n++) {
      socket.write(Buffer.concat([Buffer.from('2000\r\n'), message, Buffer.from('\r\n')]))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(said).toMatch(/^HTTP\/1\.1 413 /)
    socket.write('0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await expect.poll(() => said).toContain('"agents":["did:key:')
  })

  test('a body that somebody has paused is read', async () => {
    const { callee, server, port } = await begin({})
    server.prependListener('request', (request: IncomingMessage) => void request.pause())
    const place = { did: callee.getDID(), url: `http://127.0.0.1:${port}/` }
    expect(valueOf(await agent().call(place, 'x'.repeat(500_000), { timeoutMs: 5000 }))).toHaveLength(500_000)
  })
})
