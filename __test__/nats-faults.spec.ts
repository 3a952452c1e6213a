// What breaks between agents of several processes: a process, the server, one of three servers. Every call ends, and none is
// run twice.
import { AutoGenxBindAgent } from '@private.me/autogen'
import { connect, type NatsBus } from '@private.me/autogen/nats'
import { afterEach, describe, expect, test } from 'vitest'
import { kill, member, type Process } from './helpers/nats-members'
import { broker, cluster, type Broker } from './helpers/nats-server'
import { codeOf, errorOf, valueOf } from './helpers/result'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function serving(port?: number): Promise<Broker> {
  const server = await broker(port)
  open.push(() => server.kill())
  return server
}

async function on(servers: string | string[]): Promise<NatsBus> {
  const bus = valueOf(await connect({ servers }))
  open.push(() => bus.close())
  return bus
}

async function start(server: string, name: string, seed = ''): Promise<Process> {
  const started = await member(server, 'main', name, seed)
  open.push(() => started.child.kill('SIGKILL'))
  return started
}

function agent(bus: NatsBus): AutoGenxBindAgent {
  return new AutoGenxBindAgent({ name: 'asker', agentOptions: { bus, timeoutMs: 20_000 } })
}

async function until(isSo: () => boolean): Promise<void> {
  await expect.poll(isSo, { timeout: 40_000, interval: 20 }).toBe(true)
}

/** What processes have handled, and that nothing of it was handled twice. */
function handled(...processes: Process[]): unknown[] {
  const all = processes.flatMap(({ lines }) => lines.map((line) => line.handled)).filter((each) => each !== undefined)
  expect(new Set(all).size).toBe(all.length)
  return all
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Calls one after the other until `isOver`, several at a time; how each ended. */
async function load(asker: AutoGenxBindAgent, to: string, isOver: () => boolean, idempotent = false) {
  const ended = new Map<string, string>()
  let next = 0
  const lane = async (): Promise<void> => {
    while (!isOver()) {
      const what = `call ${(next += 1)}`
      ended.set(what, codeOf(await asker.call(to, what, { timeoutMs: 15_000, idempotent })))
    }
  }
  await Promise.all([lane(), lane(), lane(), lane()])
  return ended
}

describe('replicas of one DID', () => {
  test('share its calls; when one is killed every call ends, none is run twice, and the other goes on', async () => {
    const server = await serving()
    const bus = await on(server.url)
    const asker = agent(bus)
    const [one, other] = await Promise.all([start(server.url, 'writer', '9'), start(server.url, 'writer', '9')])
    expect(one.did).toBe(other.did)
    await until(() => bus.agents().length === 2)
    let isOver = false
    const loaded = load(asker, 'writer', () => isOver)
    await until(() => one.lines.length > 5 && other.lines.length > 5)
    await kill(one)
    await pause(4000)
    const before = other.lines.length
    await until(() => other.lines.length > before + 5)
    isOver = true
    const ended = await loaded
    const run = handled(one, other)
    for (const [what, code] of ended) {
      if (code === 'ok') expect(run).toContain(what)
      else expect(['AGENT_CLOSED', 'AGENT_NOT_FOUND']).toContain(code)
    }
    expect([...ended.values()].filter((code) => code === 'ok').length).toBeGreaterThan(10)
  })

  test('killed and started again, it takes nothing that was meant for the one before', async () => {
    const server = await serving()
    const bus = await on(server.url)
    const asker = agent(bus)
    const first = await start(server.url, 'writer', '9')
    await until(() => bus.agents().length === 2)
    let isOver = false
    const loaded = load(asker, first.did, () => isOver)
    await until(() => first.lines.length > 5)
    await kill(first)
    const second = await start(server.url, 'writer', '9')
    await until(() => second.lines.length > 5)
    isOver = true
    const ended = await loaded
    const run = handled(first, second)
    const answered = [...ended].filter(([, code]) => code === 'ok').map(([what]) => what)
    expect(run).toEqual(expect.arrayContaining(answered))
  })

  test('a call that may run twice is made again where it may have been lost', async () => {
    const server = await serving()
    const bus = await on(server.url)
    const asker = agent(bus)
    const [one, other] = await Promise.all([start(server.url, 'writer', '9'), start(server.url, 'writer', '9')])
    await until(() => bus.agents().length === 2)
    let isOver = false
    const loaded = load(asker, 'writer', () => isOver, true)
    await until(() => one.lines.length > 5 && other.lines.length > 5)
    await kill(other)
    await pause(3000)
    isOver = true
    expect(new Set((await loaded).values())).toEqual(new Set(['ok']))
  })

  test('a stream and a call that a killed process worked on end, and say so', async () => {
    const server = await serving()
    const bus = await on(server.url)
    const asker = agent(bus)
    const writer = await start(server.url, 'writer')
    await until(() => bus.agents().length === 2)
    const stream = asker.stream('writer', { parts: 1_000_000 }, { method: 'count', timeoutMs: 600_000 })
    let parts = 0
    const reading = (async () => {
      for await (const part of stream) {
        expect(part).toBe(parts)
        if ((parts += 1) === 100) await kill(writer)
      }
    })()
    await expect(reading).rejects.toMatchObject({ code: 'AGENT_CLOSED', handled: 'unknown' })
    expect(parts).toBeGreaterThanOrEqual(100)
  })
})

describe('the server', () => {
  test('goes and comes again: calls wait, what was answered meanwhile arrives, nothing is run twice', async () => {
    const server = await serving()
    const bus = await on(server.url)
    const asker = agent(bus)
    const writer = await start(server.url, 'writer')
    await until(() => bus.agents().length === 2)
    const slow = asker.call('writer', { ms: 3000 }, { method: 'slow' })
    await until(() => writer.lines.length === 1)
    await server.kill()
    await until(() => bus.status === 'reconnecting')
    const waiting = asker.call(writer.did, 'asked meanwhile')
    const late = errorOf(await asker.call(writer.did, 'given up', { timeoutMs: 300 }))
    expect([late.code, late.handled]).toEqual(['TIMEOUT', 'unknown'])
    expect(codeOf(await asker.call('nobody', 1))).toBe('BROKER_UNAVAILABLE')
    await serving(server.port)
    expect(valueOf(await slow)).toBe(3000)
    expect(valueOf(await waiting)).toMatchObject({ echo: 'asked meanwhile' })
    await until(() => bus.status === 'connected')
    expect(handled(writer)).toEqual([{ ms: 3000 }, 'asked meanwhile'])
    await until(() => bus.agents().length === 2)
  })

  test('is gone for good: every call ends in its own time, and closing does not hang', async () => {
    const server = await serving()
    const bus = await on(server.url)
    const asker = agent(bus)
    const writer = await start(server.url, 'writer')
    await until(() => bus.agents().length === 2)
    const hanging = asker.call('writer', 1, { method: 'hang', timeoutMs: 5000 })
    await until(() => handled(writer).length === 1)
    await server.kill()
    expect(codeOf(await hanging)).toBe('TIMEOUT')
    expect(codeOf(await asker.call(writer.did, 1, { timeoutMs: 200 }))).toBe('TIMEOUT')
    await bus.drain()
    expect(bus.status).toBe('closed')
    expect(codeOf(await asker.call(writer.did, 1))).toBe('AGENT_CLOSED')
  })
})

test('three servers: each in turn is killed and comes again under load; every call ends, none is run twice', async () => {
  const servers = await cluster()
  open.push(() => servers.kill())
  const bus = await on(servers.urls)
  const asker = agent(bus)
  const [one, other] = await Promise.all(
    servers.urls.slice(1).map((url) => start(`${url},${servers.urls.join(',')}`, 'writer', '9')),
  )
  await until(() => bus.agents().length === 2)
  let isOver = false
  const loaded = load(asker, 'writer', () => isOver)
  for (const at of [0, 1, 2]) {
    await servers.restart(at)
    const before = handled(one!, other!).length
    await until(() => handled(one!, other!).length > before + 10)
  }
  isOver = true
  const ended = await loaded
  const run = handled(one!, other!)
  for (const [what, code] of ended) {
    if (code === 'ok') expect(run).toContain(what)
    // Who is looked up while what the servers keep has no leader cannot be found out.
    else expect(['AGENT_CLOSED', 'AGENT_NOT_FOUND', 'BROKER_UNAVAILABLE', 'TIMEOUT']).toContain(code)
  }
})
