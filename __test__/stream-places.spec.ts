// Streams between threads, with keys elsewhere, and what they do to the life of their process.
import { Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { AutoGenxBindAgent, Identity, MessageBus, type xBindIdentityProvider } from '@private.me/autogen'
import { node } from './helpers/child.ts'
import { numbers } from './helpers/stream.ts'

const workers: Worker[] = []
afterEach(() => Promise.all(workers.splice(0).map((worker) => worker.terminate())))

/** A thread that runs this on a shared bus, and the first thing that it says. */
async function thread(bus: string, program: string): Promise<Worker> {
  const entry = new URL('../dist/index.cjs', import.meta.url).pathname
  const code = `
    const { parentPort } = require('node:worker_threads')
    const { AutoGenxBindAgent, MessageBus } = require(${JSON.stringify(entry)})
    const agentOptions = { bus: MessageBus.shared(${JSON.stringify(bus)}) }
    const say = (value) => parentPort.postMessage(value);
    ${program}`
  const worker = new Worker(code, { eval: true })
  workers.push(worker)
  await heard(worker)
  return worker
}

const heard = (worker: Worker): Promise<unknown> => new Promise((resolve) => worker.once('message', resolve))

const COUNTING = `
  let ended = 0
  const agent = new AutoGenxBindAgent({ name: 'counter', agentOptions, handler: async function* ({ payload }) {
    try {
      for (let n = 0; n < payload; n++) yield n
      return 'end'
    } finally {
      say({ ended: ++ended })
    }
  } })
  parentPort.on('message', () => agent.close())
  say('ready')`

test('another thread answers in parts, is held back, and is told when its reader leaves', async () => {
  const worker = await thread('stream-places.1', COUNTING)
  const reader = new AutoGenxBindAgent({ agentOptions: { bus: MessageBus.shared('stream-places.1') } })
  const got: unknown[] = []
  const stream = reader.stream('counter', 500)
  const ended = heard(worker)
  for await (const part of stream) got.push(part)
  expect(got).toEqual(numbers(500))
  expect(await stream.result).toEqual({ ok: true, value: 'end' })
  expect(await ended).toEqual({ ended: 1 })
  const left = heard(worker)
  for await (const part of reader.stream('counter', 1e9)) if (part === 50) break
  expect(await left).toEqual({ ended: 2 })
  reader.close()
})

test('another thread that closes, or is terminated, cuts its streams short, which throws', async () => {
  for (const end of [async (worker: Worker) => worker.postMessage('close'), (worker: Worker) => worker.terminate()]) {
    const worker = await thread('stream-places.2', COUNTING)
    const reader = new AutoGenxBindAgent({ agentOptions: { bus: MessageBus.shared('stream-places.2') } })
    const stream = reader.stream('counter', 1e9)
    await stream.next()
    const ended = end(worker)
    const rest = (async () => {
      for await (const part of stream) expect(part).toBeTypeOf('number')
    })()
    await expect(rest).rejects.toMatchObject({ name: 'XBindError', code: 'AGENT_CLOSED' })
    await ended
    reader.close()
  }
})

test('another thread reads, and its end stops the generator here', async () => {
  let ended!: (how: string) => void
  const stopped = new Promise<string>((resolve) => (ended = resolve))
  const bus = MessageBus.shared('stream-places.3')
  const writer = new AutoGenxBindAgent({
    name: 'writer',
    agentOptions: { bus },
    async *handler() {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        ended('stopped')
      }
    },
  })
  const worker = await thread(
    'stream-places.3',
    `(async () => {
      const reader = new AutoGenxBindAgent({ agentOptions })
      let sum = 0
      for await (const part of reader.stream('writer', null)) if (part === 100) say('ready')
    })()`,
  )
  await worker.terminate()
  expect(await stopped).toBe('stopped')
  writer.close()
})

test.each(['reader', 'writer', 'both'])('keys elsewhere: %s', async (who) => {
  const bus = new MessageBus()
  const provider = (): xBindIdentityProvider => {
    const identity = Identity.generate()
    return { getDID: () => identity.did, sign: async (bytes) => identity.dangerouslySign(bytes) }
  }
  const config = (name: string): object => (who === name || who === 'both' ? { identityProvider: provider() } : {})
  const reader = new AutoGenxBindAgent({ ...config('reader'), agentOptions: { bus } })
  const writer = new AutoGenxBindAgent({
    ...config('writer'),
    name: 'writer',
    agentOptions: { bus },
    async *handler({ progress }) {
      for (const n of numbers(100)) yield n
      progress({ message: 'nearly' })
      return 'end'
    },
  })
  const words: unknown[] = []
  const got: unknown[] = []
  const stream = reader.stream(writer.getDID(), null, { onProgress: (word) => words.push(word) })
  for await (const part of stream) got.push(part)
  expect(got).toEqual(numbers(100))
  expect(await stream.result).toEqual({ ok: true, value: 'end' })
  expect(words).toEqual([{ message: 'nearly' }])
})

const program = (text: string): string => `
  import { AutoGenxBindAgent } from '@private.me/autogen'
  const [one, two] = ['one', 'two'].map((name) => new AutoGenxBindAgent({ name, agentOptions: { timeoutMs: 2 ** 31 - 1 } }))
  process.on('exit', () => console.log('over'))
  ${text}`

test.each([
  ['that nobody reads', `two.handle(async function* () { for (;;) yield 1 }); one.stream('two', 1)`],
  [
    'of which nobody reads more',
    `two.handle(async function* () { for (;;) yield 1 }); const stream = one.stream('two', 1); await stream.next()`,
  ],
  [
    'that was left',
    `two.handle(async function* () { for (;;) yield 1 }); for await (const part of one.stream('two', 1)) break`,
  ],
  [
    'that was left and whose generator never ends',
    `two.handle(async function* () { try { yield 1 } finally { await new Promise(() => {}) } })
     for await (const part of one.stream('two', 1)) break`,
  ],
])('a stream %s keeps no process alive', async (_, text) => {
  const { code, stdout, stderr } = await node(program(text))
  expect([code, stdout, stderr]).toEqual([0, 'over\n', ''])
})

test.each([
  ['its next part', `console.log((await one.stream('two', 1).next()).value)`],
  ['what it ends with', `console.log((await one.stream('two', 1).result).value)`],
])('a stream is waited for by who waits for %s', async (_, text) => {
  const slow = `const later = (value) => new Promise((resolve) => setTimeout(resolve, 50, value).unref())
    two.handle(async function* () { yield await later('part'); return 'part' })`
  const { code, stdout, stderr } = await node(program(`${slow}\n${text}`))
  expect([code, stdout, stderr]).toEqual([0, 'part\nover\n', ''])
})

test('a stream that is garbage is given up, and one whose result is awaited is not', async () => {
  const text = program(`
    const state = { dropped: 0, kept: 0 }
    two.handle(async function* ({ payload }) {
      try { for (let n = 0; n < 40 || payload === 'dropped'; n++) yield n } finally { state[payload] += 1 }
      return 'end'
    })
    await (async () => { const stream = one.stream('two', 'dropped'); await stream.next() })()
    const kept = (() => one.stream('two', 'kept').result)()
    const alive = setInterval(() => {}, 1000)
    while (state.dropped === 0) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)) }
    clearInterval(alive)
    console.log(state)
    process.exit()
  `)
  const { code, stdout, stderr } = await node(text, ['--expose-gc'])
  expect([code, stdout, stderr]).toEqual([0, '{ dropped: 1, kept: 0 }\nover\n', ''])
})
