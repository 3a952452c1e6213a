// How far a call is, and how long its caller waits.
import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { approvals, AutoGenxBindAgent, MessageBus, XBindError, type Handler, type Progress } from '@private.me/autogen'

interface Pair {
  asker: AutoGenxBindAgent
  worker: AutoGenxBindAgent
  bus: MessageBus
  /** What the asker's owner is told. */
  lines: string[]
}

function pair(handler: Handler): Pair {
  const bus = new MessageBus()
  const lines: string[] = []
  const line = (text: string): void => void lines.push(text)
  const logger = { debug: line, info: line, warn: line, error: line }
  const worker = new AutoGenxBindAgent({ name: 'worker', handler, agentOptions: { bus }, onHandlerError: () => {} })
  return { asker: new AutoGenxBindAgent({ agentOptions: { bus }, logger }), worker, bus, lines }
}

/** A handler that says so many words, one every so many milliseconds. */
const working =
  (words: number, every: number): Handler =>
  async ({ progress }) => {
    for (let n = 1; n <= words; n++) {
      await sleep(every)
      progress({ progress: n, total: words, message: `step ${n}` })
    }
    return 'done'
  }

const codeOf = (error: unknown): string | undefined =>
  error instanceof XBindError ? error.code : (error as Error).name

test('what a handler says reaches onProgress, in order, and what is left out is not there', async () => {
  const words: Progress[] = [
    { progress: 1, total: 3, message: 'ä "quoted"\n' },
    { progress: -0.5 },
    { message: '\u{1f600}' },
    { message: '' },
    {},
    { total: 1e300, progress: undefined as never },
    { progress: 0, total: 0 },
  ]
  const { asker } = pair(({ progress }) => words.forEach((word) => progress(word)))
  const heard: Progress[] = []
  const onProgress = (word: Progress): void => void heard.push(word)
  expect(await asker.call('worker', null, { onProgress })).toMatchObject({ ok: true })
  expect(heard).toEqual(words)
  expect(Object.keys(heard[5] ?? {})).toEqual(['total'])
})

test('each word starts the timeout anew, with onProgress or without, for calls and streams', async () => {
  const { asker, worker } = pair(working(6, 200))
  expect(await asker.call('worker', null, { timeoutMs: 1000 })).toEqual({ ok: true, value: 'done' })
  worker.handle(async function* (call) {
    yield await working(6, 200)(call)
  })
  const heard: Progress[] = []
  const stream = asker.stream('worker', null, { timeoutMs: 1000, onProgress: (word) => heard.push(word) })
  expect(await stream.next()).toEqual({ done: false, value: 'done' })
  expect(heard).toHaveLength(6)
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})

test('silence is TIMEOUT, also after many words', async () => {
  const { asker } = pair(async ({ progress, signal }) => {
    progress({ message: 'begun' })
    await sleep(60_000, undefined, { signal })
  })
  expect(await asker.call('worker', null, { timeoutMs: 60 })).toMatchObject({ error: { code: 'TIMEOUT' } })
})

test('maxTotalTimeoutMs is the end of it, and the handler hears of that', async () => {
  let aborted!: () => void
  const told = new Promise<void>((resolve) => (aborted = resolve))
  const { asker } = pair(async ({ progress, signal }) => {
    signal.addEventListener('abort', aborted)
    while (!signal.aborted) {
      progress({})
      await sleep(5)
    }
  })
  const began = performance.now()
  const answer = await asker.call('worker', null, { timeoutMs: 5000, maxTotalTimeoutMs: 150 })
  expect(answer).toMatchObject({ error: { code: 'TIMEOUT' } })
  expect(performance.now() - began).toBeGreaterThanOrEqual(140)
  await told
})

test('a total below the timeout wins, without a word', async () => {
  const { asker } = pair(() => new Promise(() => {}))
  expect(await asker.call('worker', null, { maxTotalTimeoutMs: 20 })).toMatchObject({ error: { code: 'TIMEOUT' } })
})

test('onProgress that throws, or rejects, hurts nothing but is told to the owner', async () => {
  const { asker, lines } = pair(working(2, 5))
  const throws = (): never => {
    throw new Error('mine')
  }
  expect(await asker.call('worker', null, { onProgress: throws })).toEqual({ ok: true, value: 'done' })
  expect(lines).toHaveLength(2)
  const rejects = (async () => throws()) as () => never
  expect(await asker.call('worker', null, { onProgress: rejects })).toEqual({ ok: true, value: 'done' })
  await sleep(5)
  expect(lines).toHaveLength(4)
  for (const line of lines) expect(line).toMatch(/onProgress threw\n.*mine/)
  const odd = (() => ({
    get then() {
      throw new Error('mine')
    },
  })) as () => never
  expect(await asker.call('worker', null, { onProgress: odd })).toEqual({ ok: true, value: 'done' })
})

test('onProgress is called in the context of its caller, and not after the end', async () => {
  const context = new AsyncLocalStorage<string>()
  const { asker, worker } = pair(working(1, 1))
  const seen: unknown[] = []
  const onProgress = (): void => void seen.push(context.getStore())
  await context.run('mine', () => asker.call('worker', null, { onProgress }))
  expect(seen).toEqual(['mine'])
  worker.handle(({ progress }) => {
    setTimeout(() => progress({ message: 'late' }), 5)
    return 'done'
  })
  expect(await asker.call('worker', null, { onProgress })).toEqual({ ok: true, value: 'done' })
  await sleep(20)
  expect(seen).toHaveLength(1)
})

test('who gives up in onProgress hears no more', async () => {
  const { asker } = pair(working(50, 1))
  const abort = new AbortController()
  const heard: Progress[] = []
  const onProgress = (word: Progress): void => {
    heard.push(word)
    abort.abort()
  }
  const answer = await asker.call('worker', null, { onProgress, signal: abort.signal })
  expect(answer).toMatchObject({ error: { code: 'ABORTED' } })
  await sleep(20)
  expect(heard).toHaveLength(1)
})

const notWords: [unknown, string][] = [
  ...[undefined, null, 1, 'half', [], () => 1, Symbol('s')].map((word) => [word, 'TypeError'] as [unknown, string]),
  ...[null, '1', false, 1n, {}].map((progress) => [{ progress }, 'TypeError'] as [unknown, string]),
  ...[null, '1', false, []].map((total) => [{ total }, 'TypeError'] as [unknown, string]),
  ...[null, 0, false, {}].map((message) => [{ message }, 'TypeError'] as [unknown, string]),
  [{ percent: 1 }, 'TypeError'],
  [{ progress: Number.NaN }, 'INVALID_PAYLOAD'],
  [{ total: -Infinity }, 'INVALID_PAYLOAD'],
  [{ message: '\ud800' }, 'INVALID_PAYLOAD'],
  [{ message: 'a\udc00\ud800b' }, 'INVALID_PAYLOAD'],
  [{ message: 'x'.repeat(4097) }, 'PAYLOAD_TOO_LARGE'],
  [{ message: '\0'.repeat(1000) }, 'PAYLOAD_TOO_LARGE'],
]
test.each(notWords)('progress(%o) throws %s in the handler, and the call goes on', async (word, code) => {
  const { asker } = pair(({ progress }) => {
    try {
      progress(word as never)
      return 'nothing'
    } catch (error) {
      return codeOf(error)
    }
  })
  const heard: Progress[] = []
  expect(await asker.call('worker', null, { onProgress: (word) => heard.push(word) })).toEqual({
    ok: true,
    value: code,
  })
  expect(heard).toEqual([])
})

test('each member of a word is read once, and one that throws reaches the handler', async () => {
  let reads = 0
  const { asker } = pair(({ progress }) => {
    progress({
      get progress() {
        return (reads += 1)
      },
    })
    progress({
      get message(): string {
        throw new RangeError('mine')
      },
    })
  })
  const heard: Progress[] = []
  const answer = await asker.call('worker', null, { onProgress: (word) => heard.push(word) })
  expect(answer).toMatchObject({ error: { code: 'HANDLER_FAILED' } })
  expect([reads, heard]).toEqual([1, [{ progress: 1 }]])
})

test.each([null, false, 0, '', Number.NaN, -1, '100', 2 ** 31, Infinity, {}, []])(
  'maxTotalTimeoutMs: %o is refused',
  async (value) => {
    const { asker } = pair(() => 1)
    const called = asker.call('worker', null, { maxTotalTimeoutMs: value as never })
    if (typeof value === 'number') expect(await called).toMatchObject({ error: { code: 'INVALID_CONFIG' } })
    else await expect(called).rejects.toThrow(TypeError)
  },
)

test.each([null, false, 0, '', Number.NaN, {}, []])('onProgress: %o is refused', async (onProgress) => {
  const { asker } = pair(() => 1)
  await expect(asker.call('worker', null, { onProgress: onProgress as never })).rejects.toThrow(TypeError)
  await expect(asker.call('worker', null, { onprogress: () => {} } as never)).rejects.toThrow(TypeError)
  await expect(asker.send('worker', null, { onProgress: () => {} } as never)).rejects.toThrow(TypeError)
})

test('a flood of words is thinned out, and the call is answered', async () => {
  const { asker } = pair(({ progress }) => {
    for (let n = 0; n < 10_000; n++) progress({ progress: n })
    return 'done'
  })
  const heard: Progress[] = []
  expect(await asker.call('worker', null, { onProgress: (word) => heard.push(word) })).toEqual({
    ok: true,
    value: 'done',
  })
  expect(heard.length).toBeLessThanOrEqual(17)
  expect(heard[0]).toEqual({ progress: 0 })
})

test('a call that waits for an approver says so, and outlives its own timeout', async () => {
  const { asker, worker, bus } = pair(() => 'unapproved')
  const person = new AutoGenxBindAgent({ name: 'person', agentOptions: { bus } })
  person.handle(approvals(person, async () => sleep(1500, true)))
  worker.handle(() => 'paid', { approval: { by: person.getDID() } })
  const heard: Progress[] = []
  const options = { timeoutMs: 1000, onProgress: (word: Progress) => heard.push(word) }
  expect(await asker.call('worker', null, options)).toEqual({ ok: true, value: 'paid' })
  expect(heard.length).toBeGreaterThan(1)
  for (const word of heard) expect(word).toEqual({ message: 'waiting for an approval' })
  const stream = asker.stream('worker', null, { timeoutMs: 1000 })
  expect(await stream.next()).toEqual({ done: true, value: undefined })
  expect(await stream.result).toEqual({ ok: true, value: 'paid' })
})

test('an approver cannot prolong what approval.timeoutMs gives', async () => {
  const { asker, worker, bus } = pair(() => 'unapproved')
  const person = new AutoGenxBindAgent({ name: 'person', agentOptions: { bus }, onHandlerError: () => {} })
  person.handle(working(30, 20))
  worker.handle(() => 'paid', { approval: { by: person.getDID(), timeoutMs: 100 } })
  expect(await asker.call('worker', null)).toMatchObject({ error: { code: 'APPROVAL_TIMEOUT' } })
})

test("the caller's timeout, and giving up, reach the handler's signal", async () => {
  const reasons: unknown[] = []
  const { asker } = pair(async ({ signal }) => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    reasons.push(signal.reason)
  })
  expect(await asker.call('worker', null, { timeoutMs: 30 })).toMatchObject({ error: { code: 'TIMEOUT' } })
  await asker.call('worker', null, { signal: AbortSignal.timeout(20) })
  while (reasons.length < 2) await sleep(1)
  expect(reasons).toMatchObject([{ code: 'ABORTED' }, { code: 'ABORTED' }])
})
