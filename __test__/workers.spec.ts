// Agents of several threads on one bus.
import { Worker } from 'node:worker_threads'
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { node } from './helpers/child.ts'
import { codeOf, valueOf } from './helpers/result.ts'

interface Said {
  event?: string
  did?: string
  payload?: unknown
  id?: number
  results?: { ok: boolean; value?: unknown; code?: string }[]
}

let busName = ''
let bus: MessageBus
let started: Thread[] = []
let count = 0
beforeEach(() => {
  busName = `workers-spec.${count++}`
  bus = MessageBus.shared(busName)
})
afterEach(async () => {
  await Promise.all(started.map(({ worker }) => worker.terminate()))
  started = []
  bus.close()
})

/** A thread with one agent, and what it says. */
class Thread {
  readonly worker: Worker
  #said: Said[] = []
  #waiting: { wanted: (said: Said) => boolean; resolve: (said: Said) => void }[] = []
  #calls = 0

  constructor(workerData: object) {
    this.worker = new Worker(new URL('helpers/worker.mjs', import.meta.url), {
      workerData: { bus: busName, ...workerData },
    })
    this.worker.on('message', (said: Said) => {
      const index = this.#waiting.findIndex(({ wanted }) => wanted(said))
      if (index >= 0) this.#waiting.splice(index, 1)[0]!.resolve(said)
      else this.#said.push(said)
    })
    started.push(this)
  }

  hears(wanted: (said: Said) => boolean): Promise<Said> {
    const index = this.#said.findIndex((said) => wanted(said))
    if (index >= 0) return Promise.resolve(this.#said.splice(index, 1)[0]!)
    return new Promise((resolve) => this.#waiting.push({ wanted, resolve }))
  }

  event = (name: string): Promise<Said> => this.hears(({ event }) => event === name)

  async calls(to: string, payload: unknown, times = 1) {
    const id = this.#calls++
    // oxlint-disable-next-line require-post-message-target-origin -- threads have no origins
    this.worker.postMessage({ id, to, payload, count: times })
    const { results } = await this.hears((said) => said.id === id)
    return results ?? []
  }
}

const onBus = (name?: string): AutoGenxBindAgent =>
  new AutoGenxBindAgent({ agentOptions: { bus }, ...(name === undefined ? {} : { name }) })

describe('threads of one process', () => {
  test('call each other on a shared bus: main to worker, worker to main, worker to worker', async () => {
    const [first, second] = [
      new Thread({ name: 'first', handler: 'from' }),
      new Thread({ name: 'second', handler: 'from' }),
    ]
    const { did = '' } = await first.event('ready')
    const { did: secondDID = '' } = await second.event('ready')
    const main = onBus('main').handle(({ from }) => from)
    expect(new Set(bus.agents().map(({ name }) => name))).toEqual(new Set(['first', 'main', 'second']))
    for (const to of ['first', did]) expect(valueOf(await main.call(to, 1))).toBe(main.getDID())
    expect(await first.calls('main', 1)).toEqual([{ ok: true, value: did }])
    expect(await first.calls('second', 1)).toEqual([{ ok: true, value: did }])
    expect(await second.calls(did, 1)).toEqual([{ ok: true, value: secondDID }])
  })

  test('many at once, in all directions', async () => {
    const [first, second] = [
      new Thread({ name: 'first', handler: 'echo' }),
      new Thread({ name: 'second', handler: 'echo' }),
    ]
    await Promise.all([first.event('ready'), second.event('ready')])
    const main = onBus('main').handle(({ payload }) => payload)
    const here = Promise.all(Array.from({ length: 400 }, (_, n) => main.call(n % 2 ? 'first' : 'second', n)))
    const there = [first.calls('main', 'x', 300), first.calls('second', 'x', 300), second.calls('first', 'x', 300)]
    expect((await here).map((result) => valueOf(result))).toEqual(Array.from({ length: 400 }, (_, n) => n))
    for (const results of await Promise.all(there)) {
      expect(results).toEqual(Array.from({ length: 300 }, () => ({ ok: true, value: 'x' })))
    }
  })

  test('send messages to each other', async () => {
    const worker = new Thread({ name: 'listener', receive: true })
    const main = onBus()
    let sent = await main.send('listener', 'hello')
    while (!sent.ok && sent.error.code === 'AGENT_NOT_FOUND') {
      await new Promise((resolve) => setImmediate(resolve))
      sent = await main.send('listener', 'hello')
    }
    expect(valueOf(sent).status).toBe('delivered')
    expect((await worker.event('received')).payload).toBe('hello')
    expect(valueOf(await main.send('listener', new Uint8Array([1, 2]))).status).toBe('delivered')
    expect((await worker.event('received')).payload).toEqual(new Uint8Array([1, 2]))
  })

  test('have default buses of their own', async () => {
    const worker = new Thread({ name: 'apart', handler: 'echo', ownBus: true })
    const { did = '' } = await worker.event('ready')
    using main = new AutoGenxBindAgent()
    expect(codeOf(await main.call('apart', 1))).toBe('AGENT_NOT_FOUND')
    expect(codeOf(await main.call(did, 1))).toBe('AGENT_NOT_FOUND')
  })

  test('giving up reaches the handler in the other thread', async () => {
    const worker = new Thread({ name: 'watcher', handler: 'watch' })
    await worker.event('ready')
    const controller = new AbortController()
    const call = onBus().call('watcher', 1, { signal: controller.signal })
    await worker.event('started')
    controller.abort()
    expect(codeOf(await call)).toBe('ABORTED')
    await worker.event('aborted')
  })

  test('a thread that is busy makes its callers wait, and time out', async () => {
    const lock = new SharedArrayBuffer(4)
    const worker = new Thread({ name: 'busy', handler: 'block', lock })
    await worker.event('ready')
    const main = onBus()
    const first = main.call('busy', 1)
    await worker.event('started')
    expect(codeOf(await main.call('busy', 2, { timeoutMs: 20 }))).toBe('TIMEOUT')
    Atomics.store(new Int32Array(lock), 0, 1)
    Atomics.notify(new Int32Array(lock), 0)
    expect(valueOf(await first)).toBe('unblocked')
  })
})

describe('a thread that ends in the middle of a call', () => {
  test('terminated: its callers learn it, and its agent is gone', async () => {
    const worker = new Thread({ name: 'doomed', handler: 'watch' })
    await worker.event('ready')
    const main = onBus('main')
    const calls = Array.from({ length: 60 }, () => main.call('doomed', 1))
    // A call that has not left yet when the thread ends meets no agent of that name: each must have begun.
    for (let begun = 0; begun < calls.length; begun++) await worker.event('started')
    await worker.worker.terminate()
    const codes = (await Promise.all(calls)).map((result) => codeOf(result))
    expect(codes).toEqual(calls.map(() => 'AGENT_CLOSED'))
    expect(bus.agents().map(({ name }) => name)).toEqual(['main'])
    expect(codeOf(await main.call('doomed', 1))).toBe('AGENT_NOT_FOUND')
  })

  test('by its own exit', async () => {
    const worker = new Thread({ name: 'doomed', handler: 'exit' })
    await worker.event('ready')
    expect(codeOf(await onBus().call('doomed', 1))).toBe('AGENT_CLOSED')
  })

  test('as the caller: the handler here is told, and its answer goes nowhere', async () => {
    const worker = new Thread({ name: 'caller' })
    await worker.event('ready')
    let begun!: () => void
    const running = new Promise<void>((resolve) => (begun = resolve))
    const aborted = new Promise<void>((resolve) => {
      onBus('main').handle(async ({ signal }) => {
        const told = new Promise<void>((abort) => signal.addEventListener('abort', () => abort()))
        begun()
        await told
        resolve()
        return 'nobody hears this'
      })
    })
    void worker.calls('main', 1)
    await running
    await worker.worker.terminate()
    await aborted
    expect(bus.agents().map(({ name }) => name)).toEqual(['main'])
  })

  test('a new thread takes its name over', async () => {
    const main = onBus()
    for (let i = 0; i < 3; i++) {
      const worker = new Thread({ name: 'phoenix', handler: 'echo' })
      await worker.event('ready')
      expect(valueOf(await main.call('phoenix', i))).toBe(i)
      await worker.worker.terminate()
    }
  })
})

test('closing the bus closes the agents of other threads, and ends what they wait for', async () => {
  const [stuck, caller] = [new Thread({ name: 'stuck', handler: 'stuck' }), new Thread({ name: 'caller' })]
  await Promise.all([stuck.event('ready'), caller.event('ready')])
  const main = onBus()
  const [here, there] = [main.call('stuck', 1), caller.calls('stuck', 1)]
  while (valueOf(await main.call('caller', 1)) === undefined) await Promise.resolve()
  bus.close()
  expect(codeOf(await here)).toBe('AGENT_CLOSED')
  expect(await there).toEqual([{ ok: false, code: 'AGENT_CLOSED' }])
  expect(await caller.calls('stuck', 1)).toEqual([{ ok: false, code: 'AGENT_CLOSED' }])
})

test('threads that come, call and are killed take nobody with them', async () => {
  const { code, stdout, stderr } = await node(`
    import { Worker } from 'node:worker_threads'
    import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
    const bus = MessageBus.shared('storm')
    const main = new AutoGenxBindAgent({ name: 'main', agentOptions: { bus } })
    main.handle(async ({ payload }) => { await new Promise(setImmediate); return payload })
    const program = \`
      import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
      import { parentPort, workerData } from 'node:worker_threads'
      const agent = new AutoGenxBindAgent({ name: 'w' + workerData, agentOptions: { bus: MessageBus.shared('storm') } })
      agent.handle(({ payload }) => payload)
      const busy = () => { for (let i = 0; i < 50; i++) void agent.call('main', i); setTimeout(busy, 1) }
      busy()
      parentPort.postMessage('up')
    \`
    let ended = 0
    for (let round = 0; round < 6; round++) {
      const workers = Array.from({ length: 5 }, (_, n) => new Worker(program, { eval: true, workerData: round * 5 + n }))
      await Promise.all(workers.map((worker) => new Promise((up) => worker.once('message', up))))
      const calls = workers.flatMap((_, n) => Array.from({ length: 100 }, () => main.call('w' + (round * 5 + n), 'x')))
      await new Promise(setImmediate)
      await Promise.all(workers.map((worker) => worker.terminate()))
      // Which one it is depends on how far each call had come.
      const ends = ['ok', 'AGENT_CLOSED', 'AGENT_NOT_FOUND']
      for (const result of await Promise.all(calls)) if (ends.includes(result.ok ? 'ok' : result.error.code)) ended++
    }
    console.log(ended, bus.agents().length)
    bus.close()
  `)
  expect([code, stdout, stderr]).toEqual([0, '3000 1\n', ''])
})
