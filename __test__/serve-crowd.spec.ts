// Agents over HTTP under whatever is between, and under many: nothing runs twice, and memory stays where it is.
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { serveAgents } from '@private.me/autogen/http'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { valueOf } from './helpers/result'

const open: (() => void)[] = []
afterEach(() => open.splice(0).forEach((close) => close()))
const script = fileURLToPath(new URL('helpers/http-agents.mjs', import.meta.url))

interface Line {
  url?: string
  did?: string
  handled?: unknown
  aborted?: unknown
}

async function start(): Promise<{ url: string; did: string; port: number; lines: Line[] }> {
  const child = spawn(process.execPath, ['--expose-gc', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  open.push(() => child.kill('SIGKILL'))
  const lines: Line[] = []
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('the process ended')))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line
      if (line.url === undefined || line.did === undefined) lines.push(line)
      else resolve({ url: line.url, did: line.did, port: Number(new URL(line.url).port), lines })
    })
  })
}

function agent(): AutoGenxBindAgent {
  const made = new AutoGenxBindAgent({ agentOptions: { bus: new MessageBus(), timeoutMs: 60_000 } })
  open.push(() => made.close())
  return made
}

/** A number below `most`, the same in each run. */
function dice(): (most: number) => number {
  let seed = 12_345
  return (most) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * most)
  }
}

test('a proxy that reorders, delays, cuts and doubles', async () => {
  const there = await start()
  const roll = dice()
  const quiet = (socket: Socket): Socket => socket.on('error', () => undefined)
  const server = createServer((from) => {
    const to = quiet(connect(there.port, '127.0.0.1'))
    quiet(from).on('close', () => to.destroy())
    to.on('close', () => from.destroy())
    to.pipe(from)
    // What comes first arrives last: each connection waits as long as it likes.
    const [wait, fate] = [roll(60), roll(10)]
    let requests = 0
    from.on('data', (piece: Buffer) => {
      setTimeout(() => {
        to.write(piece)
        if (fate < 3) quiet(connect(there.port, '127.0.0.1')).end(piece) // once more, on its own
        if (fate === 9 && ++requests > 1) setTimeout(() => from.destroy(), roll(20))
      }, wait)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(() => server.close())
  const place = { did: there.did, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/agents` }
  const callers = Array.from({ length: 12 }, agent)
  const told = new Map<string, string>()
  for (let round = 0; round < 6; round++) {
    const calls = callers.flatMap((caller, n) =>
      [0, 1].map(async (m) => {
        const name = `${round} ${n} ${m}`
        const answer = await caller.call<{ echo: string }>(place, name)
        if (answer.ok) expect((answer.value as { echo: string }).echo).toBe(name)
        told.set(name, answer.ok ? 'yes' : String(answer.error.handled))
      }),
    )
    await Promise.all(calls)
  }
  await new Promise((resolve) => setTimeout(resolve, 300))
  const runs = there.lines.map(({ handled }) => String(handled))
  expect(new Set(runs).size).toBe(runs.length)
  for (const [name, handled] of told) {
    if (handled === 'yes') expect(runs).toContain(name)
    if (handled === 'no') expect(runs).not.toContain(name)
  }
  expect([...told.values()].filter((it) => it === 'yes').length).toBeGreaterThan(72)
})

test('1,000 connections, again and again, leave memory where it was', { timeout: 300_000 }, async () => {
  const there = await start()
  const place = { did: there.did, url: there.url }
  const asking = agent()
  const memory = async (): Promise<number> =>
    Number(valueOf(await asking.call<number>(place, null, { method: 'memory' })))
  const sizes: number[] = []
  for (let round = 0; round < 6; round++) {
    const callers = Array.from({ length: 1000 }, agent)
    const answers = await Promise.all(callers.map((caller, n) => caller.call<{ echo: number }>(place, n)))
    expect(answers.map((answer) => (valueOf(answer) as { echo: number }).echo)).toEqual(callers.map((_, n) => n))
    for (const caller of callers) caller.close()
    sizes.push(await memory())
  }
  const [, , , fourth = 0, , last = 0] = sizes // what is allocated once is there by then
  expect(last - fourth).toBeLessThan(64 << 20)
})

test('however much one connection brings, others have their turns', async () => {
  const callee = agent()
  callee.handle(({ payload }) => payload)
  const mounted = serveAgents([callee])
  let question: Buffer = Buffer.alloc(0)
  let [turn, most] = [0, 0]
  const server = createHttp((request, response) => {
    mounted(request, response)
    request.on('data', (piece: Buffer) => {
      if (question.byteLength === 0) question = piece // the first thing that is asked is the session
      if (turn === 0) setImmediate(() => (turn = 0))
      turn += piece.byteLength
      most = Math.max(most, turn)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(() => server.close())
  const { port } = server.address() as AddressInfo
  const place = { did: callee.getDID(), url: `http://127.0.0.1:${port}/` }
  expect(valueOf(await agent().call(place, 1))).toBe(1)
  const copies = Buffer.concat(Array.from({ length: 4000 }, () => question))
  const socket = connect(port, '127.0.0.1')
  open.push(() => socket.destroy())
  const head = `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/vnd.xbind.messages\r\ncontent-length: ${copies.byteLength}\r\n\r\n`
  socket.resume().write(Buffer.concat([Buffer.from(head), copies]))
  await expect.poll(() => most, { timeout: 20_000 }).toBeGreaterThan(0)
  expect(valueOf(await agent().call(place, 2))).toBe(2)
  expect(most).toBeLessThanOrEqual(128 << 10)
})
