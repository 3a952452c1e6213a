// Requests that follow each other on one connection before they are answered, and what becomes of them when it is lost.
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { serveAgents, type ServeOptions } from '@private.me/autogen/http'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'

const open: (() => void)[] = []
afterEach(() => open.splice(0).forEach((close) => close()))

async function listening(answer: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

function agent(): AutoGenxBindAgent {
  const made = new AutoGenxBindAgent({ agentOptions: { bus: new MessageBus(), timeoutMs: 60_000 } })
  open.push(() => made.close())
  return made
}

/** Agents that are mounted, and the bodies of some calls that have not been sent there yet. */
async function mounted(callee: AutoGenxBindAgent, methods: readonly string[], options: ServeOptions = {}) {
  const { server, port } = await listening(serveAgents([callee], { ...options, path: '/a' }))
  const bodies: Buffer[] = []
  const url = `http://127.0.0.1:${port}/a`
  const front = await listening(async (request, response) => {
    const body = Buffer.concat((await request.toArray()) as Buffer[])
    const type = request.headers['content-type']
    if (asked && request.method === 'POST') {
      bodies.push(body)
      return
    }
    const init = { method: request.method ?? '', headers: { 'content-type': type ?? '' } }
    const given = await fetch(url, request.method === 'POST' ? { ...init, body } : init)
    const bytes = Buffer.from(await given.arrayBuffer())
    response.writeHead(given.status, { 'content-type': given.headers.get('content-type') ?? '' }).end(bytes)
  })
  const caller = agent()
  const place = { did: callee.getDID(), url: `http://127.0.0.1:${front.port}/a` }
  let asked = false
  await caller.describe(place)
  asked = true
  for (const [at, method] of methods.entries()) {
    void caller.call(place, at, { method })
    await expect.poll(() => bodies.length).toBe(at + 1)
  }
  return { server, port, bodies }
}

function post(body: Uint8Array, length = body.byteLength): Buffer {
  const head = `POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.xbind.messages\r\nContent-Length: ${length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

function connected(port: number): Socket & { text: () => string } {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('error', () => undefined)
  socket.on('data', (piece) => (text += piece.toString('latin1')))
  open.push(() => socket.destroy())
  return Object.assign(socket, { text: () => text })
}

/** Waits until no more is read of what was sent. */
async function quiet(there: Socket): Promise<void> {
  let before = -1
  while (before !== there.bytesRead) {
    before = there.bytesRead
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

/** One whose method `wait` works until its signal aborts. */
function waiting() {
  const callee = agent()
  const seen = { begun: 0, aborted: 0 }
  callee.handle('wait', ({ signal }) => {
    seen.begun += 1
    return new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        seen.aborted += 1
        resolve()
      })
    })
  })
  return { callee, seen }
}

const EMPTY = post(Buffer.alloc(0))

test('they are answered in their order, and all of them run', async () => {
  const callee = agent()
  callee.handle('n', ({ payload }) => `answer ${payload as number}`)
  const { port, bodies } = await mounted(
    callee,
    Array.from({ length: 20 }, () => 'n'),
  )
  const socket = connected(port)
  const other = Buffer.from('GET /other HTTP/1.1\r\nHost: x\r\n\r\n')
  socket.write(Buffer.concat([...bodies.map((body) => post(body)), other, EMPTY]))
  await expect.poll(() => socket.text().match(/HTTP\/1\.1 \d+/g)?.length).toBe(22)
  const said = socket.text().match(/answer \d+|HTTP\/1\.1 404/g)
  expect(said).toEqual([...bodies.map((_, n) => `answer ${n}`), 'HTTP/1.1 404'])
})

test('handlers of all of them are told when the connection is lost', async () => {
  const { callee, seen } = waiting()
  const { port, bodies } = await mounted(
    callee,
    Array.from({ length: 5 }, () => 'wait'),
  )
  const socket = connected(port)
  const warnings: unknown[] = []
  const warned = (warning: Error): unknown => warnings.push(warning)
  process.on('warning', warned)
  open.push(() => process.off('warning', warned))
  socket.write(Buffer.concat([...bodies.map((body) => post(body)), ...Array<Buffer>(60).fill(EMPTY)]))
  await expect.poll(() => seen.begun).toBe(5)
  socket.resetAndDestroy()
  await expect.poll(() => seen.aborted).toBe(5)
  expect(warnings).toEqual([])
})

test('what waits for a store then does not begin any more', async () => {
  const callee = agent()
  let begun = 0
  callee.handle('n', () => (begun += 1))
  const gates: (() => void)[] = []
  let isSlow = false
  const window = {
    claim: () => (isSlow ? new Promise<boolean>((resolve) => gates.push(() => resolve(true))) : true),
    agree: (_: string, value: string) => (agreed ??= value),
  }
  let agreed: string | undefined
  const { server, port, bodies } = await mounted(callee, ['n', 'n', 'n'], { window })
  isSlow = true
  const socket = connected(port)
  let closed = false
  server.once('connection', (accepted: Socket) => accepted.on('close', () => (closed = true)))
  socket.write(Buffer.concat(bodies.map((body) => post(body))))
  await expect.poll(() => gates.length).toBe(3)
  socket.resetAndDestroy()
  await expect.poll(() => closed).toBe(true)
  gates.forEach((free) => free())
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(begun).toBe(0)
})

test.each([
  ['of agents', 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['of no path', `GET /${'b'.repeat(99)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['without messages', EMPTY.toString()],
])('many that are answered at once, %s, do not hide that the connection is lost', async (_, text) => {
  const { callee, seen } = waiting()
  const { port, bodies } = await mounted(callee, ['wait'])
  const socket = connected(port)
  socket.write(Buffer.concat([post(bodies[0] ?? EMPTY), Buffer.from(text.repeat(120))]))
  await expect.poll(() => seen.begun).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  socket.resetAndDestroy()
  await expect.poll(() => seen.aborted).toBe(1)
})

test('more of them than are taken cost the connection', async () => {
  const { callee, seen } = waiting()
  const { port, bodies } = await mounted(callee, ['wait'])
  const socket = connected(port)
  socket.write(Buffer.concat([post(bodies[0] ?? EMPTY), ...Array<Buffer>(127).fill(EMPTY)]))
  await expect.poll(() => seen.begun).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(socket.closed).toBe(false)
  socket.write(EMPTY)
  await expect.poll(() => socket.closed).toBe(true)
  await expect.poll(() => seen.aborted).toBe(1)
})

test('a body that is none ends the connection at once, also behind others', async () => {
  const { callee, seen } = waiting()
  const { port, bodies } = await mounted(callee, ['wait'])
  const socket = connected(port)
  socket.write(Buffer.concat([post(bodies[0] ?? EMPTY), post(Buffer.alloc(80, 7), 1 << 20)]))
  await expect.poll(() => socket.closed).toBe(true)
  await expect.poll(() => seen.aborted).toBe(seen.begun)
})

test('what is refused behind a slow one is bounded, and none of it is lost', { timeout: 60_000 }, async () => {
  const callee = agent()
  let [begun, finish] = [0, (): void => undefined]
  const wait = new Promise<void>((resolve) => (finish = resolve))
  callee.handle('wait', () => ((begun += 1), wait))
  callee.handle('closed', () => undefined, { allow: [callee.getDID()] })
  const { server, port, bodies } = await mounted(callee, ['wait', 'closed'])
  const [slow, refused] = [bodies[0] ?? EMPTY, bodies[1] ?? EMPTY]
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const socket = connect(port, '127.0.0.1')
  open.push(() => socket.destroy())
  let [told, rest] = [0, '']
  socket.on('data', (piece) => {
    const text = rest + piece.toString('latin1')
    told += text.split('"NOT_ALLOWED"').length - 1
    rest = text.slice(text.lastIndexOf('"NOT_ALLOWED"') + 1).slice(-12)
  })
  const [requests, copies] = [8, 2000]
  socket.write(post(slow))
  const [there] = await accepted
  await expect.poll(() => begun).toBe(1)
  for (let n = 0; n < requests; n++) socket.write(post(Buffer.alloc(copies * refused.length, refused)))
  await quiet(there)
  expect(there.bytesRead).toBeLessThan(2 << 20)
  expect(told).toBe(0)
  finish()
  await expect.poll(() => told, { timeout: 40_000 }).toBe(requests * copies)
})

test('one whose body is not read yet is not silent; one that sends nothing is', { timeout: 60_000 }, async () => {
  const timeouts = vi.spyOn(globalThis, 'setTimeout')
  open.push(() => timeouts.mockRestore())
  const limits = () => timeouts.mock.calls.filter(([, ms]) => ms === 30_000)
  const callee = agent()
  let [begun, finish] = [0, (): void => undefined]
  const wait = new Promise<void>((resolve) => (finish = resolve))
  callee.handle('wait', () => ((begun += 1), wait))
  callee.handle('closed', () => undefined, { allow: [callee.getDID()] })
  const { server, port, bodies } = await mounted(callee, ['wait', 'closed'])
  const refused = post(Buffer.alloc(2000 * (bodies[1]?.length ?? 0), bodies[1]))
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const held = connected(port)
  const [there] = await accepted
  const silent = connected(port)
  timeouts.mockClear()
  held.write(post(bodies[0] ?? EMPTY))
  await expect.poll(() => begun).toBe(1)
  held.write(refused)
  await expect.poll(() => limits().length).toBe(2)
  await expect.poll(() => there.bytesRead).toBeGreaterThan(256 << 10)
  await quiet(there)
  limits()[1]?.[0]()
  silent.write(post(EMPTY, 1 << 20).subarray(0, -1))
  await expect.poll(() => limits().length).toBe(3)
  limits()[2]?.[0]()
  await expect.poll(() => silent.closed).toBe(true)
  expect(held.closed).toBe(false)
  finish()
  await expect.poll(() => held.text().split('"NOT_ALLOWED"').length - 1, { timeout: 40_000 }).toBe(2000)
})
