// What ended processes of others, or led them elsewhere: answers of something in front, cards whose DID is a URL, stores and
// `onError` that throw what is no error, streams of HTTP/2 without end.
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { serveAgents, type ServeOptions } from '@private.me/autogen/http'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { connect as connectTwo, createServer as createTwo } from 'node:http2'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { codeOf, valueOf } from './helpers/result'
import { agent, listening, open } from './helpers/serving'

function answering(options: ServeOptions = {}): { callee: AutoGenxBindAgent; mounted: RequestListener } {
  const callee = agent()
  callee.handle(({ payload }) => payload)
  return { callee, mounted: serveAgents([callee], options) }
}

test('something in front may answer first, before a body of untold length has ended', async () => {
  const { callee, mounted } = answering()
  const port = await listening(
    createServer((request, response) => {
      if (request.headers['x-late'] !== undefined) setTimeout(() => response.writeHead(503).end(), 20)
      mounted(request, response)
    }),
  )
  const socket = connect(port, '127.0.0.1')
  open.push(() => socket.destroy())
  socket
    .on('error', () => {})
    .write(
      'POST / HTTP/1.1\r\nhost: x\r\nx-late: 1\r\ncontent-type: application/vnd.xbind.messages\r\ntransfer-encoding: chunked\r\n\r\n',
    )
  const [said] = (await once(socket, 'data')) as [Buffer]
  expect(said.toString()).toMatch(/^HTTP\/1.1 503 /)
  socket.write('0\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 50)) // what threw came 5 ms later, out of a timer
  expect(valueOf(await agent().call({ did: callee.getDID(), url: `http://127.0.0.1:${port}` }, 1))).toBe(1)
})

test.each([
  ['a URL', (port: number) => `http://127.0.0.1:${port}/admin`],
  ['a URL with a DID', (port: number, did: string) => `http://127.0.0.1:${port}/admin#${did}`],
  ['the name of an agent here', () => 'payroll'],
  ['nothing', () => ''],
])('what a card calls its DID is one: %s is none', async (_, of) => {
  let asked = 0
  const bus = new MessageBus()
  const port = await listening(createServer((_request, response) => void ((asked += 1), response.end())))
  const here = new AutoGenxBindAgent({ name: 'payroll', agentOptions: { bus } })
  here.handle(() => (asked += 1))
  const caller = agent(bus)
  const did = of(port, here.getDID())
  for (const to of [
    { did, addresses: [] },
    { did, addresses: undefined as never },
    { did, addresses: ['https://a.example'] },
  ])
    expect(codeOf(await caller.call(to, 'secret'))).toBe('INVALID_DID')
  expect(codeOf(await caller.send({ did, url: `http://127.0.0.1:${port}` }, 'secret'))).toBe('INVALID_DID')
  expect(codeOf(await caller.describe({ did, addresses: [] }))).toBe('INVALID_DID')
  expect(asked).toBe(0)
})

test.each([
  [
    'throws null',
    () => {
      throw null
    },
  ], // oxlint-disable-line no-throw-literal
  [
    'throws what cannot be read',
    () => {
      throw {
        toString: () => {
          throw 1
        },
      }
    },
  ], // oxlint-disable-line no-throw-literal
  ['rejects', () => Promise.reject(new Error('told nobody'))],
] as [string, () => unknown][])('onError that %s harms neither the call nor the process', async (_, onError) => {
  const warned = new Promise((resolve) => process.once('warning', resolve))
  const window = {
    claim: () => {
      throw undefined
    },
    agree: (_key: string, value: string) => value,
  } // oxlint-disable-line no-throw-literal
  const { callee, mounted } = answering({ window, onError })
  const port = await listening(createServer(mounted))
  const called = await agent().call({ did: callee.getDID(), url: `http://127.0.0.1:${port}` }, 1)
  expect(codeOf(called)).toBe('REPLAY_WINDOW_FULL')
  await warned
})

test('requests of one connection that are not answered have a bound with HTTP/2, too', async () => {
  const { mounted } = answering()
  const port = await listening(createTwo(mounted as never))
  const client = connectTwo(`http://127.0.0.1:${port}`)
  open.push(() => client.destroy())
  let ended = 0
  const head = { ':method': 'POST', ':path': '/', 'content-type': 'application/vnd.xbind.messages' }
  const streams = Array.from({ length: 200 }, () => {
    const stream = client.request(head)
    stream.on('error', () => {}).on('close', () => (ended += 1))
    return stream
  })
  for (const stream of streams) stream.write('x')
  await expect.poll(() => ended, { timeout: 10_000 }).toBe(200 - 128)
  expect(client.destroyed).toBe(false)
})
