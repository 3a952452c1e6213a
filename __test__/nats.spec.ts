// Agents of several processes, over a nats-server.
import { once } from 'node:events'
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { connect, type NatsBus } from '@private.me/autogen/nats'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { node as program } from './helpers/child'
import { kill, member, type Process } from './helpers/nats-members'
import { broker, type Broker } from './helpers/nats-server'
import { codeOf, errorOf, valueOf } from './helpers/result'

let server: Broker
const open: (() => void)[] = []
let spaces = 0
let namespace = ''
let current: NatsBus
beforeAll(async () => {
  server = await broker()
})
afterAll(() => server.kill())
afterEach(() => open.splice(0).forEach((close) => close()))

async function start(name: string, seed = '', space = namespace): Promise<Process> {
  const started = await member(server.url, space, name, seed)
  open.push(() => started.child.kill('SIGKILL'))
  // It says who it is before others can know.
  if (space === namespace) await until(() => current.agents().some(({ did }) => did === started.did))
  return started
}

async function here(): Promise<NatsBus> {
  namespace = `space-${(spaces += 1)}`
  const bus = valueOf(await connect({ servers: server.url, namespace }))
  open.push(() => bus.close())
  return (current = bus)
}

function agent(bus: NatsBus, name = 'asker'): AutoGenxBindAgent {
  return new AutoGenxBindAgent({ name, agentOptions: { bus, timeoutMs: 20_000 } })
}

async function until(isSo: () => boolean): Promise<void> {
  await expect.poll(isSo, { timeout: 30_000, interval: 20 }).toBe(true)
}

describe('two processes', () => {
  test('call each other by name and by DID, both ways, and send', async () => {
    const bus = await here()
    const asker = agent(bus)
    asker.handle(({ payload }) => `heard ${String(payload)}`)
    const writer = await start('writer')
    const answer = valueOf(await asker.call<{ echo: string; from: string; pid: number }>('writer', 'ünïcode'))
    expect(answer).toEqual({ echo: 'ünïcode', from: asker.getDID(), pid: writer.pid })
    expect(valueOf(await asker.call(writer.did, new Uint8Array(3)))).toMatchObject({ echo: 3, pid: writer.pid })
    expect(valueOf(await asker.call('writer', 'asker', { method: 'back' }))).toBe('heard from the other side')
    expect(valueOf(await asker.call('writer', asker.getDID(), { method: 'back' }))).toBe('heard from the other side')
    expect(valueOf(await asker.send('writer', 'one way'))).toMatchObject({ to: writer.did })
    const card = valueOf(await asker.describe('writer'))
    expect(card.methods.map(({ name }) => name)).toContain('count')
    expect(bus.agents()).toEqual(
      [
        { did: asker.getDID(), name: 'asker' },
        { did: writer.did, name: 'writer' },
      ].toSorted((a, b) => (a.did < b.did ? -1 : 1)),
    )
    expect(bus.status).toBe('connected')
    expect(bus).toBeInstanceOf(MessageBus)
  })

  test('with a key that is elsewhere, on either side', async () => {
    const bus = await here()
    const identity = Identity.generate()
    const asker = new AutoGenxBindAgent({ identityProvider: identity, agentOptions: { bus, timeoutMs: 20_000 } })
    const writer = await start('writer', '7')
    await until(() => bus.agents().length === 2) // it has shown its key
    expect(valueOf(await asker.call('writer', 1))).toMatchObject({ echo: 1, from: identity.did, pid: writer.pid })
  })

  test('stream with credit, tell progress and cancel', async () => {
    const bus = await here()
    const asker = agent(bus)
    const writer = await start('writer')
    const parts: unknown[] = []
    for await (const part of asker.stream('writer', { parts: 500 }, { method: 'count' })) parts.push(part)
    expect(parts).toEqual(Array.from({ length: 500 }, (_, n) => n))
    for await (const part of asker.stream('writer', { parts: 1_000_000 }, { method: 'count' })) {
      if (part === 40) break
    }
    await until(() => writer.lines.some(({ ended }) => ended === 1_000_000))
    const told: unknown[] = []
    const abort = new AbortController()
    const options = { method: 'hang', signal: abort.signal, onProgress: (word: object) => told.push(word) }
    const hanging = asker.call('writer', 'to be given up', options)
    await until(() => told.length > 0)
    abort.abort()
    expect(codeOf(await hanging)).toBe('ABORTED')
    await until(() => writer.lines.some(({ aborted }) => aborted === 'to be given up'))
    expect(codeOf(await asker.call('writer', 'no time', { method: 'hang', timeoutMs: 300 }))).toBe('TIMEOUT')
    await until(() => writer.lines.some(({ aborted }) => aborted === 'no time'))
  })

  test('carry bodies as large as the broker takes, and say so of larger ones', async () => {
    const bus = await here()
    const asker = agent(bus)
    await start('writer')
    const large = 'x'.repeat(900_000)
    expect(valueOf(await asker.call('writer', large))).toMatchObject({ echo: large })
    const tooLarge = errorOf(await asker.call('writer', 'x'.repeat((1 << 20) - 10)))
    expect([tooLarge.code, tooLarge.handled]).toEqual(['PAYLOAD_TOO_LARGE', 'no'])
    const parts: number[] = []
    const asked = { parts: 20, bytes: 200_000 }
    for await (const part of asker.stream<string>('writer', asked, { method: 'count' })) parts.push(part.length)
    expect(parts).toEqual(Array.from({ length: 20 }, () => 200_000))
  })

  test('are told, signed, when an inbox is full', async () => {
    const bus = await here()
    const asker = agent(bus)
    await start('writer')
    const calls = Array.from({ length: 100 }, (_, n) =>
      asker.call('writer', { n, ms: 1000 }, { method: 'slow', timeoutMs: 900 }),
    )
    const codes = new Set((await Promise.all(calls)).map(codeOf))
    expect([...codes].every((code) => code === 'INBOX_FULL' || code === 'TIMEOUT')).toBe(true)
    expect(codes).toContain('INBOX_FULL')
  })
})

describe('who is there', () => {
  test('nobody is said at once, and of two identities of one name the first has it', async () => {
    const bus = await here()
    const asker = agent(bus)
    const nobody = errorOf(await asker.call('nobody', 1))
    expect([nobody.code, nobody.handled]).toEqual(['AGENT_NOT_FOUND', 'no'])
    const first = await start('writer')
    await until(() => bus.agents().some(({ name }) => name === 'writer'))
    const second = agent(bus, 'writer')
    const told = errorOf(await bus.named(second))
    expect([told.code, told.message]).toEqual(['NAME_TAKEN', `the name writer belongs to ${first.did}`])
    expect(valueOf(await asker.call('writer', 1))).toMatchObject({ pid: first.pid })
    second.handle(() => 'by DID')
    expect(valueOf(await asker.call(second.getDID(), 1))).toBe('by DID')
    expect(bus.agents().find(({ did }) => did === second.getDID())).toEqual({ did: second.getDID(), name: undefined })
    expect(valueOf(await bus.named(asker))).toBe(undefined)
    first.child.stdin?.write('close')
    await expect.poll(async () => (await bus.named(second)).ok, { timeout: 60_000, interval: 200 }).toBe(true)
    expect(valueOf(await asker.call('writer', 1))).toBe('by DID')
    await expect(bus.named('writer' as never)).rejects.toThrow(TypeError)
  })

  test('an agent that closes is gone, and so is one whose process is killed, with what it worked on', async () => {
    const bus = await here()
    const asker = agent(bus)
    const [closing, killed] = await Promise.all([start('closing'), start('killed')])
    expect(valueOf(await asker.call('closing', 1))).toMatchObject({ echo: 1 })
    const ended = once(closing.child, 'exit')
    closing.child.stdin?.write('close')
    await until(() => !bus.agents().some(({ name }) => name === 'closing'))
    expect(codeOf(await asker.call('closing', 1))).toBe('AGENT_NOT_FOUND')
    await ended // nobody answers there any more

    const hanging = asker.call('killed', 'in the middle', { method: 'hang', timeoutMs: 600_000 })
    await until(() => killed.lines.some(({ handled }) => handled === 'in the middle'))
    await kill(killed)
    const next = errorOf(await asker.call('killed', 'after'))
    expect(['AGENT_NOT_FOUND', 'AGENT_CLOSED']).toContain(next.code)
    const lost = errorOf(await hanging)
    expect([lost.code, lost.handled]).toEqual(['AGENT_CLOSED', 'unknown'])
    await until(() => bus.agents().length === 1)
    expect(codeOf(await asker.call('killed', 'later'))).toBe('AGENT_NOT_FOUND')
  })

  test('other namespaces see nothing', async () => {
    const bus = await here()
    await start('writer', '', 'another')
    expect(codeOf(await agent(bus).call('writer', 1))).toBe('AGENT_NOT_FOUND')
    expect(bus.agents()).toHaveLength(1)
  })
})

describe('a bus', () => {
  test('drains: nothing of many agents is left behind, and what the server has not heard is said', async () => {
    const bus = await here()
    const names = Array.from({ length: 400 }, (_, at) => `agent-${at}`)
    const join = (on: NatsBus) => names.map((name) => new AutoGenxBindAgent({ name, agentOptions: { bus: on } }))
    const named = async (on: NatsBus) => Promise.all(join(on).map(async (one) => codeOf(await on.named(one))))
    expect(new Set(await named(bus))).toEqual(new Set(['ok']))
    expect(codeOf(await bus.drain())).toBe('ok')
    expect(bus.status).toBe('closed')
    const next = valueOf(await connect({ servers: server.url, namespace }))
    expect(new Set(await named(next))).toEqual(new Set(['ok']))
    await next.drain()

    const other = await broker()
    const lost = valueOf(await connect({ servers: other.url }))
    open.push(() => lost.close())
    valueOf(await lost.named(agent(lost)))
    await other.kill()
    await until(() => lost.status === 'reconnecting')
    expect(errorOf(await lost.drain()).code).toBe('BROKER_UNAVAILABLE')
  })

  test('drains: what was asked is told its end, and others know at once', async () => {
    const bus = await here()
    const asker = agent(bus)
    const writer = await start('writer')
    const hanging = asker.call('writer', 'last', { method: 'hang' })
    await until(() => writer.lines.some(({ handled }) => handled === 'last'))
    writer.child.stdin?.write('drain')
    expect(codeOf(await hanging)).toBe('AGENT_CLOSED')
    await until(() => writer.lines.some(({ drained }) => drained === 'closed'))
    await until(() => bus.agents().length === 1)
  })

  test('keeps the process of who answers, and not of who asks', async () => {
    await here()
    const idle = `
      import { AutoGenxBindAgent } from '@private.me/autogen'
      import { connect } from '@private.me/autogen/nats'
      const { value: bus } = await connect({ servers: '${server.url}', namespace: '${namespace}' })
      const agent = new AutoGenxBindAgent({ name: 'idle', agentOptions: { bus } })
      agent.handle(() => 1)
      agent.handle(null)
      process.on('exit', () => console.log('done', bus.status))`
    expect((await program(idle)).stdout).toBe('done connected\n')
    const writer = await start('writer')
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(writer.child.exitCode).toBe(null)
  })

  test('says why there is none', async () => {
    expect(codeOf(await connect({ servers: 'nats://127.0.0.1:1' }))).toBe('BROKER_UNAVAILABLE')
    for (const wrong of [
      { servers: [] },
      { servers: 'http://127.0.0.1:1' },
      { servers: server.url, namespace: 'a b' },
      { servers: server.url, tls: { cert: 'x' } },
      { servers: server.url, tls: { ca: 'x' } },
    ])
      expect(codeOf(await connect(wrong)), JSON.stringify(wrong)).toBe('INVALID_CONFIG')
    await expect(connect({ server: server.url } as never)).rejects.toThrow(TypeError)
    await expect(connect({ servers: 1 } as never)).rejects.toThrow(TypeError)
    await expect(connect({ servers: server.url, identity: {} } as never)).rejects.toThrow(TypeError)
    const destroyed = Identity.generate()
    destroyed.destroy()
    expect(codeOf(await connect({ servers: server.url, identity: destroyed }))).toBe('SIGN_FAILED')
    await expect(connect({ servers: server.url, tls: { caa: '' } } as never)).rejects.toThrow(TypeError)
  })
})
