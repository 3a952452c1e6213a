// Agents of other processes, reached over HTTP: whatever dies, cuts, doubles or lies between them, nothing runs twice.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request, ServerResponse } from 'node:http'
import { connect, createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { serveAgents } from '@private.me/autogen/http'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { codeOf, errorOf, valueOf } from './helpers/result'

interface Line {
  handled?: unknown
  aborted?: unknown
  ended?: number
}
interface Process {
  child: ChildProcess
  url: string
  did: string
  dids: string[]
  lines: Line[]
}

const open: (() => void)[] = []
afterEach(() => open.splice(0).forEach((close) => close()))

const script = fileURLToPath(new URL('helpers/http-agents.mjs', import.meta.url))
async function start(...args: string[]): Promise<Process> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  open.push(() => child.kill('SIGKILL'))
  const lines: Line[] = []
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('the process ended')))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line & Partial<Process>
      if (line.url !== undefined && line.did !== undefined)
        resolve({ child, url: line.url, did: line.did, dids: line.dids ?? [], lines })
      else lines.push(line)
    })
  })
}

async function kill({ child }: Process): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

const portOf = (url: string): string => new URL(url).port
async function until(isSo: () => boolean): Promise<void> {
  await expect.poll(isSo, { timeout: 20_000, interval: 20 }).toBe(true)
}

function agent(): AutoGenxBindAgent {
  const made = new AutoGenxBindAgent({ agentOptions: { bus: new MessageBus(), timeoutMs: 20_000 } })
  open.push(() => made.close())
  return made
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A proxy that sees what goes to a port, and may do what it wants with it. */
async function proxy(port: string, meddle: (from: Socket, to: Socket) => void): Promise<string> {
  const server = createTcp((from) => {
    const to = connect(Number(port), '127.0.0.1')
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
    meddle(from, to)
    to.pipe(from)
  })
  return `http://127.0.0.1:${await listening(server)}/agents`
}

describe('two processes', () => {
  test('call, send, stream, describe, by URL and by DID and URL, each way', async () => {
    const there = await start()
    const caller = agent()
    const place = { did: there.did, url: there.url }
    const echo = { echo: 1, from: caller.getDID() }
    expect(valueOf(await caller.call(there.url, 1))).toEqual(echo)
    expect(valueOf(await caller.call(place, 1))).toEqual(echo)
    expect(valueOf(await caller.describe(there.url)).did).toBe(there.did)
    const numbers: number[] = []
    for await (const n of caller.stream<number>(place, { parts: 500 }, { method: 'count' })) numbers.push(n)
    expect(numbers).toEqual(Array.from({ length: 500 }, (_, n) => n))
    const peer = caller.peer<{ back(url: string): unknown }>(place)
    caller.handle(({ payload }) => ({ heard: payload }))
    const own = await listening(createServer(serveAgents([caller])))
    expect(valueOf(await peer.back(`http://127.0.0.1:${own}/`))).toEqual({ heard: 'from the other side' })
    const many = await Promise.all(Array.from({ length: 300 }, (_, n) => caller.call<{ echo: number }>(place, n)))
    expect(many.map((answer) => (valueOf(answer) as { echo: number }).echo)).toEqual(many.map((_, n) => n))
  })

  test('a pool of workers behind one address', async () => {
    const there = await start('0', '7', '2')
    const caller = agent()
    const answers = there.dids.map((did) => caller.call<{ thread: number }>({ did, url: there.url }, 'hello'))
    const threads = (await Promise.all(answers)).map((answer) => (valueOf(answer) as { thread: number }).thread)
    expect(new Set(threads).size).toBe(2)
    expect(codeOf(await caller.call(there.url, 1))).toBe('AMBIGUOUS_NAME')
  })

  test('a caller that gives up is heard of, whichever way', async () => {
    const there = await start()
    const caller = agent()
    const place = { did: there.did, url: there.url }
    const abort = new AbortController()
    const call = caller.call(place, 'a', { method: 'hang', signal: abort.signal })
    await until(() => there.lines.some(({ handled }) => handled === 'a'))
    abort.abort()
    expect(errorOf(await call)).toMatchObject({ code: 'ABORTED', handled: 'unknown' })
    await until(() => there.lines.some(({ aborted }) => aborted === 'a'))
    for await (const n of caller.stream<number>(place, { parts: 1e9 }, { method: 'count' })) if (n === 3) break
    await until(() => there.lines.some(({ ended }) => ended === 1e9))
  })
})

describe('kill -9 of the callee', () => {
  test('while its handler runs, in the middle of a stream, and before it has read anything', async () => {
    const there = await start()
    const caller = agent()
    const place = { did: there.did, url: there.url }
    const hanging = caller.call(place, 'b', { method: 'hang' })
    await until(() => there.lines.length > 0)
    const parts = caller.stream<number>(place, { parts: 1e9 }, { method: 'count' })
    await parts.next()
    there.child.kill('SIGSTOP')
    const unread = caller.call(place, 'c')
    await new Promise((resolve) => setTimeout(resolve, 100))
    await kill(there)
    for (const ended of [hanging, unread, parts.result]) {
      expect(errorOf(await ended)).toMatchObject({ code: 'AGENT_CLOSED', handled: 'unknown' })
    }
    expect(errorOf(await caller.call(place, 'd'))).toMatchObject({ code: 'AGENT_NOT_FOUND', handled: 'no' })
  })

  test('what begins anew handles nothing twice', async () => {
    const first = await start()
    const seen: Buffer[] = []
    const url = await proxy(portOf(first.url), (from, to) => {
      from.on('data', (piece: Buffer) => seen.push(piece))
      from.pipe(to)
    })
    const caller = agent()
    const place = { did: first.did, url }
    expect((await caller.call(place, 'once')).ok).toBe(true)
    await kill(first)
    const second = await start(portOf(first.url))
    const replayed = connect(Number(portOf(second.url)), '127.0.0.1')
    replayed.on('error', () => undefined)
    replayed.write(Buffer.concat(seen))
    expect((await caller.call(place, 'after')).ok).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 300))
    replayed.destroy()
    expect(second.lines.map(({ handled }) => handled).filter((it) => it === 'once')).toEqual([])
  })
})

describe('between', () => {
  test('what a proxy doubles runs once, what it delays comes, what it cuts may have run', async () => {
    const there = await start()
    const caller = agent()
    const bodies: Buffer[] = []
    const slow = await proxy(portOf(there.url), (from, to) => {
      from.on('data', (piece: Buffer) => {
        bodies.push(piece)
        setTimeout(() => to.write(piece), 30)
      })
    })
    expect((await caller.call({ did: there.did, url: slow }, 'slow')).ok).toBe(true)
    const again = connect(Number(portOf(there.url)), '127.0.0.1')
    again.write(Buffer.concat([...bodies, ...bodies]))
    await new Promise((resolve) => setTimeout(resolve, 300))
    again.destroy()
    expect(there.lines.filter(({ handled }) => handled === 'slow')).toHaveLength(1)

    let requests = 0
    const cut = await proxy(portOf(there.url), (from, to) => {
      from.on('data', (piece: Buffer) => {
        to.write(piece)
        if (++requests > 1) setTimeout(() => from.destroy(), 50)
      })
    })
    const lost = await caller.call({ did: there.did, url: cut }, 'd', { method: 'hang' })
    expect(errorOf(lost)).toMatchObject({ code: 'AGENT_CLOSED', handled: 'unknown' })
    await until(() => there.lines.some(({ aborted }) => aborted === 'd'))
    requests = 0
    const often = caller.call({ did: there.did, url: cut }, 'e', { method: 'hang', idempotent: true })
    expect(errorOf(await often)).toMatchObject({ code: 'AGENT_CLOSED' })
    const count = there.lines.filter(({ handled }) => handled === 'e').length
    expect(count).toBeGreaterThan(1) // it may run twice, and no more than four times
    expect(count).toBeLessThan(5)
  })

  test('another DID, and a server that answers for nobody', async () => {
    const there = await start()
    const caller = agent()
    const other = agent().getDID()
    const nobody = await caller.call({ did: other, url: there.url }, 1)
    expect(errorOf(nobody)).toMatchObject({ code: 'AGENT_CLOSED', handled: 'no' })
    for (const [status, type] of [
      [200, 'text/html'],
      [404, 'application/vnd.xbind.messages'],
      [302, 'application/vnd.xbind.messages'],
      [200, 'application/vnd.xbind.messages'],
    ] as const) {
      const liar = createServer((_, response) =>
        response.writeHead(status, { 'content-type': type, location: there.url }).end('no messages'),
      )
      const url = `http://127.0.0.1:${await listening(liar)}/`
      expect(codeOf(await caller.call({ did: there.did, url }, 1))).toMatch(/AGENT_NOT_FOUND|AGENT_CLOSED/)
    }
    expect(there.lines).toEqual([])
  })

  test('bodies that are none are refused', async () => {
    const there = await start()
    const answer = (method: string, headers: Record<string, string>, body: string | Buffer = '') =>
      new Promise<number | undefined>((resolve) => {
        const sent = request(there.url, { method, headers }, (response) => {
          response.on('error', () => undefined).resume()
          resolve(response.statusCode)
        })
        sent.on('error', () => resolve(undefined)).end(body)
      })
    expect(await answer('PUT', {})).toBe(405)
    expect(await answer('POST', { 'content-type': 'application/json' }, '{}')).toBe(415)
    expect(await answer('POST', { 'content-type': 'application/vnd.xbind.messages' }, Buffer.alloc(70))).not.toBe(500)
    expect((await agent().call(there.url, 1)).ok).toBe(true)
  })

  test('addresses are the caller’s own, or a stranger’s', async () => {
    const caller = agent()
    const did = agent().getDID()
    for (const to of ['ftp://a/', 'http://example.com/', 'https://u:p@example.com/', { did, url: 'https://a/#b' }])
      expect(codeOf(await caller.call(to, 1))).toBe('INVALID_CONFIG')
    for (const url of ['http://127.0.0.1/', 'https://127.0.0.1/', 'https://localhost/', 'https://10.0.0.1/'])
      expect(codeOf(await caller.call({ did, addresses: [url] }, 1)), url).toBe('INVALID_CONFIG')
    expect(codeOf(await caller.call({ did, addresses: [] }, 1))).toBe('AGENT_NOT_FOUND')
    for (const addresses of [[''], ['nats://a/'], ['javascript:1'], ['nats://a/', 'https://localhost/']])
      expect(codeOf(await caller.call({ did, addresses }, 1)), String(addresses)).toBe('INVALID_CONFIG')
    for (const addresses of [null, '', 'https://a.example/', 7, {}, [7], [null], ['https://a.example/', 7]])
      await expect(caller.call({ did, addresses } as never, 1), JSON.stringify(addresses)).rejects.toThrow(TypeError)
    for (const to of [null, 7, {}, { did }, { url: 'https://a/' }, { did, url: 7 }])
      await expect(caller.call(to as never, 1)).rejects.toThrow(TypeError)
  })
})

test('buses of one thread lose what went over their own connections only', async () => {
  const callees = Array.from({ length: 4 }, () => agent())
  const places = await Promise.all(
    callees.map(async (callee) => {
      callee.handle(({ payload }) => payload)
      const server = createServer(serveAgents([callee]))
      return { did: callee.getDID(), url: `http://127.0.0.1:${await listening(server)}/` }
    }),
  )
  const caller = agent()
  for (let n = 0; n < 10; n++) {
    const answers = await Promise.all(places.map((place) => caller.call(place, n)))
    expect(answers.map((answer) => valueOf(answer))).toEqual([n, n, n, n])
  }
})

test('a slow reader costs a writer nothing', async () => {
  const there = await start()
  const caller = agent()
  const place = { did: there.did, url: there.url }
  const memory = async () => valueOf(await caller.call<number>(place, null, { method: 'memory' }))
  const parts = caller.stream<string>(place, { parts: 4000, bytes: 100_000 }, { method: 'count' })
  await parts.next()
  const before = await memory()
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(Number(await memory()) - Number(before)).toBeLessThan(100 << 20)
  let bytes = 0
  for await (const part of parts) {
    bytes += part.length
    if (bytes > 20_000_000) break
  }
  expect(bytes).toBeGreaterThan(20_000_000)
})

test('the last piece of a response has a time to be read in, as all before it', async () => {
  const wait = vi.spyOn(ServerResponse.prototype, 'setTimeout')
  open.push(() => wait.mockRestore())
  const [caller, callee] = [agent(), agent()]
  callee.handle(({ payload }) => payload)
  const server = createServer(serveAgents([callee]))
  const place = { did: callee.getDID(), url: `http://127.0.0.1:${await listening(server)}/` }
  valueOf(await caller.call(place, 1))
  const [[ms, then] = []] = wait.mock.calls
  const response = wait.mock.contexts[0] as ServerResponse
  expect(ms).toBe(30_000)
  then?.()
  expect(response.destroyed).toBe(true)
})
