// Replicas of an agent, processes with one key that share a store: nothing runs twice, whichever of them it comes to.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { connect, createServer as createTcp, type AddressInfo, type Server } from 'node:net'
import { createInterface } from 'node:readline'
import { inspect } from 'node:util'
import { fileURLToPath } from 'node:url'
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { serveAgents, type WindowStore } from '@private.me/autogen/http'
import { approveCall } from '@private.me/autogen/tokens'
import { afterEach, describe, expect, test } from 'vitest'
import { serveStore } from './helpers/store.mjs'
import { codeOf, errorOf, valueOf } from './helpers/result'

const open: (() => void)[] = []
afterEach(() => open.splice(0).forEach((close) => close()))
const script = fileURLToPath(new URL('helpers/http-agents.mjs', import.meta.url))

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(() => server.close())
  return (server.address() as AddressInfo).port
}

interface Replica {
  port: number
  did: string
  handled: unknown[]
}

async function replica(store?: number): Promise<Replica> {
  const child = spawn(process.execPath, [script, '0', '7', '0', String(store ?? '')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  open.push(() => child.kill('SIGKILL'))
  const handled: unknown[] = []
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('the process ended')))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as { handled?: unknown; url?: string; did?: string }
      if (line.url !== undefined) resolve({ port: Number(new URL(line.url).port), did: line.did ?? '', handled })
      else if ('handled' in line) handled.push(line.handled)
    })
  })
}

function agent(bus = new MessageBus(), seed?: number): AutoGenxBindAgent {
  const key = seed === undefined ? {} : { identityProvider: valueOf(Identity.fromSeed(new Uint8Array(32).fill(seed))) }
  const made = new AutoGenxBindAgent({ ...key, agentOptions: { bus, timeoutMs: 20_000 } })
  open.push(() => made.close())
  return made
}

/** A balancer that sends each connection to the next replica, and to all of them what is said on it, where it doubles. */
async function balancer(ports: readonly number[], doubles: boolean): Promise<string> {
  let turn = 0
  const server = createTcp((from) => {
    const first = turn++ % ports.length
    const to = doubles ? ports : [ports[first]!]
    for (const [at, port] of to.entries()) {
      const there = connect(port, '127.0.0.1')
      for (const [one, other] of [
        [from, there],
        [there, from],
      ] as const) {
        one.on('error', () => other.destroy())
        one.on('close', () => at === 0 && other.destroy())
      }
      from.on('data', (piece: Buffer) => there.write(piece))
      if (at === 0) there.pipe(from)
      else there.resume()
      open.push(() => there.destroy())
    }
  })
  return `http://127.0.0.1:${await listening(server)}/agents`
}

describe('two processes', () => {
  test('are called in turns, and what is sent to both runs in one of them', async () => {
    const store = serveStore()
    const port = await listening(store.server)
    const [one, other] = await Promise.all([replica(port), replica(port)])
    const url = await balancer([one.port, other.port], false)
    for (let n = 0; n < 6; n++) {
      // Each on a connection of its own, so on the other one each time; what the first told of the session holds there.
      const answers = await Promise.all([1, 2].map((m) => agent().call({ did: one.did, url }, `${n} ${m}`)))
      answers.forEach(valueOf)
    }
    const caller = agent()
    const many = await Promise.all(Array.from({ length: 40 }, (_, n) => caller.call({ did: one.did, url }, n)))
    many.forEach(valueOf)
    expect(one.handled.length).toBeGreaterThan(0)
    expect(other.handled.length).toBeGreaterThan(0)
    expect(one.handled.length + other.handled.length).toBe(52)
    expect(new Set(store.asked.filter(({ op }) => op === 'agree').map(({ key }) => key)).size).toBe(1)

    const doubled = await balancer([one.port, other.port], true)
    const twice = Array.from({ length: 30 }, (_, n) =>
      agent().call({ did: one.did, url: doubled }, `twice ${n}`, { timeoutMs: 3000 }),
    )
    await Promise.all(twice) // some of them are answered to the other half, which nobody hears
    const runs = [...one.handled, ...other.handled].filter((it) => String(it).startsWith('twice'))
    expect(new Set(runs).size).toBe(runs.length)
    expect(runs.length).toBeGreaterThan(10)
  })
})

test('two processes that share no store: what comes to the wrong one is sent once more, and runs once', async () => {
  const [one, other] = await Promise.all([replica(), replica()])
  const url = await balancer([one.port, other.port], false)
  const outcomes = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const caller = agent()
      const calls = []
      for (let n = 0; n < 4; n++) {
        calls.push(caller.call({ did: one.did, url }, `${caller.getDID()} ${n}`))
        await new Promise((resolve) => setImmediate(resolve)) // a request of its own, and a connection
      }
      return await Promise.all(calls)
    }),
  )
  const runs = [...one.handled, ...other.handled]
  expect(new Set(runs).size).toBe(runs.length)
  const ends = outcomes.flat().map((answer) => (answer.ok ? 'ok' : `${answer.error.code} ${answer.error.handled}`))
  expect(ends.filter((end) => end === 'ok').length).toBeLessThanOrEqual(runs.length)
  expect(ends.filter((end) => end === 'ok').length).toBeGreaterThan(90)
  expect(ends.filter((end) => end !== 'ok' && end !== 'STALE_SESSION unknown')).toEqual([])
})

/** An agent behind a store that answers as it is told, in this process. */
async function behind(store: WindowStore) {
  const callee = agent()
  const handled: unknown[] = []
  callee.handle(({ payload }) => handled.push(payload))
  const server = createHttp(serveAgents([callee], { window: store }))
  const url = `http://127.0.0.1:${await listening(server)}/`
  open.push(() => server.closeAllConnections())
  return { callee, handled, place: { did: callee.getDID(), url }, server }
}

/** A right one, in memory. */
function memory(): WindowStore & { forget(): void } {
  let [claimed, agreed] = [new Set<string>(), new Map<string, string>()]
  return {
    forget: () => ([claimed, agreed] = [new Set(), new Map()]),
    claim: (key) => !claimed.has(key) && claimed.add(key).has(key),
    agree: (key, value) => agreed.get(key) ?? (agreed.set(key, value), value),
  }
}

describe('a store', () => {
  test('that throws, says nothing of use, or lies has calls refused, and works again', async () => {
    const right = memory()
    let [claim, agree] = [undefined as unknown, undefined as unknown]
    const called = (how: unknown, right: () => unknown): never =>
      (typeof how === 'function' ? (how as () => unknown)() : (how ?? right())) as never
    const store = {
      claim: (key: string, until: number) => called(claim, () => right.claim(key, until)),
      agree: (key: string, value: string) => called(agree, () => right.agree(key, value)),
    }
    const { handled, place } = await behind(store)
    const throws = () => {
      throw new Error('down')
    }
    for (const wrong of [throws, async () => throws(), 'OK', 1, 0, '', NaN, {}, () => null, () => undefined]) {
      claim = wrong
      const { code, handled: ran } = errorOf(await agent().call(place, 1))
      expect([code, ran], inspect(wrong)).toEqual(['REPLAY_WINDOW_FULL', 'unknown'])
    }
    claim = undefined
    for (const wrong of [throws, async () => throws(), 7, '', 'x'.repeat(22), 'AAAA', {}, true, () => null]) {
      agree = wrong
      expect(codeOf(await agent().call(place, 1)), inspect(wrong)).toBe('REPLAY_WINDOW_FULL')
    }
    agree = undefined
    expect(handled).toEqual([])
    expect(valueOf(await agent().call(place, 1))).toBe(1)
    claim = false // everything was there already: nobody is told
    expect(errorOf(await agent().call(place, 2))).toMatchObject({ code: 'AGENT_CLOSED', handled: 'unknown' })
    expect(handled).toEqual([1])
  })

  test('that forgets what it accepted forgets the name, and nothing runs twice', async () => {
    const store = memory()
    const { handled, place } = await behind(store)
    const caller = agent()
    expect(valueOf(await caller.call(place, 1))).toBe(1)
    store.forget()
    expect(codeOf(await caller.call(place, 2))).toBe('STALE_SESSION')
    expect(valueOf(await caller.call(place, 3))).toBe(2)
    store.forget()
    expect(valueOf(await caller.call(place, 4, { idempotent: true }))).toBe(3)
    expect(handled).toEqual([1, 3, 4])
  })

  test('that never answers is waited for 5 s, and a caller that is gone meanwhile is not called back', async () => {
    const right = memory()
    const answers: ((yes: boolean) => void)[] = []
    const { handled, place, server } = await behind({
      agree: right.agree,
      claim: () => new Promise<boolean>((resolve) => void answers.push(resolve)),
    })
    expect(codeOf(await agent().call(place, 'late'))).toBe('REPLAY_WINDOW_FULL')
    answers[0]?.(true) // too late
    const gone = agent().call(place, 'gone', { timeoutMs: 20_000 })
    await expect.poll(() => answers.length, { timeout: 20_000 }).toBe(2)
    server.closeAllConnections()
    expect(errorOf(await gone)).toMatchObject({ code: 'AGENT_CLOSED', handled: 'unknown' })
    answers[1]?.(true)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(handled).toEqual([])
  })

  test('that answers a call that was given up meanwhile begins nothing', async () => {
    const right = memory()
    const answers: (() => void)[] = []
    const { handled, place } = await behind({
      agree: right.agree,
      claim: async (key, until) => {
        await new Promise<void>((resolve) => void answers.push(resolve))
        return right.claim(key, until)
      },
    })
    const caller = agent()
    const abort = new AbortController()
    const given = caller.call(place, 'given up', { signal: abort.signal })
    const late = caller.call(place, 'late', { timeoutMs: 1500 })
    const stream = caller.stream(place, 'left')
    await expect.poll(() => answers.length).toBe(3)
    abort.abort()
    await stream[Symbol.asyncIterator]().return?.()
    expect(codeOf(await given)).toBe('ABORTED')
    expect(codeOf(await late)).toBe('TIMEOUT')
    const last = caller.call(place, 'last') // its request is behind those that say so
    await expect.poll(() => answers.length).toBe(4)
    answers.forEach((answer) => answer())
    valueOf(await last)
    expect(handled).toEqual(['last'])
  })

  test('is asked for calls and sends from elsewhere only, with nothing that tells who', async () => {
    const right = memory()
    const keys: [string, number][] = []
    const { callee, place } = await behind({
      agree: right.agree,
      claim: (key, until) => (keys.push([key, until]), right.claim(key, until)),
    })
    const here = new AutoGenxBindAgent({ agentOptions: { bus: new MessageBus() } })
    open.push(() => here.close())
    valueOf(await here.call(place, 1))
    valueOf(await here.send(place, 2))
    await here.stream(place, 3).next()
    expect(keys).toHaveLength(3)
    const now = Date.now() / 1000
    for (const [key, until] of keys) {
      expect(key).toMatch(/^xbind-call-[\w-]{43}$/)
      expect(until - now).toBeGreaterThan(60)
      expect(until - now).toBeLessThan(150)
    }
    expect(callee.getDID()).toBeTruthy()
  })

  test('of a bus is one', async () => {
    const bus = new MessageBus()
    const callee = agent(bus)
    serveAgents([callee], { window: memory() })
    expect(() => serveAgents([callee], { window: memory() })).toThrow(/share their replay windows already/)
    for (const window of [null, 7, '', false, {}, { claim: () => true }, { claim: 1, agree: () => '' }]) {
      expect(() => serveAgents([callee], { window } as never), JSON.stringify(window)).toThrow(TypeError)
    }
    expect(() => serveAgents([callee], { windows: memory() } as never)).toThrow(TypeError)
  })
})

test('an approval that is brought along counts in one replica', async () => {
  const store = memory()
  const approver = Identity.generate()
  const replicas = [0, 1].map(() => agent(new MessageBus(), 9))
  const handled: unknown[] = []
  const places = []
  for (const callee of replicas) {
    callee.handle(({ payload }) => handled.push(payload), { approval: { by: approver.did } })
    const server = createHttp(serveAgents([callee], { window: store }))
    places.push({ did: callee.getDID(), url: `http://127.0.0.1:${await listening(server)}/` })
    open.push(() => server.closeAllConnections())
  }
  const caller = agent()
  const [one, other] = await Promise.all(places.map(async (place) => valueOf(await caller.describe(place))))
  expect(one?.session).toMatch(/^[\w-]{22}$/)
  expect(other?.session).toBe(one?.session)
  const approved = {
    caller: caller.getDID(),
    recipient: one!.did,
    body: Buffer.from('"pay"'),
    session: one!.session!,
  }
  const approval = valueOf(approveCall(approver, { decision: 'approve', call: approved }))
  const answers = await Promise.all(places.map((place) => caller.call(place, 'pay', { approval })))
  const codes = answers.map((answer) => (answer.ok ? 'ok' : answer.error.code))
  expect(codes.toSorted()).toEqual(['APPROVAL_REQUIRED', 'ok'])
  expect(handled).toEqual(['pay'])
  const alone = agent()
  expect(valueOf(await alone.describe()).session).toBeUndefined()
})
