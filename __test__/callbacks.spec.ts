// Code of others that misbehaves where this package calls it: it harms its own call at most.
import { HandlerError, type Logger } from '@private.me/autogen'
import { describe, expect } from 'vitest'
import { test } from './helpers/bus.ts'
import { node, run } from './helpers/child.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const broken = (): never => {
  throw new Error('broken')
}
/** An exception that nobody can print. */
const unprintable = { toString: broken, [Symbol.toPrimitive]: broken, toJSON: broken }

/** A signal of somebody's own making. */
const signalOf = (parts: object): AbortSignal =>
  ({ aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined, ...parts }) as never

describe('signals', () => {
  test.for<[string, object]>([
    ['no removeEventListener', { removeEventListener: undefined }],
    ['no addEventListener', { addEventListener: 1 }],
    ['aborted is no boolean', { aborted: undefined }],
  ])('that are none are refused: %s', async ([, parts], { agent }) => {
    const callee = agent('callee').handle(() => 1)
    const caller = agent()
    await expect(caller.call('callee', 1, { signal: signalOf(parts) })).rejects.toThrow(TypeError)
    await expect(caller.send('callee', 1, { signal: signalOf(parts) })).rejects.toThrow(TypeError)
    await expect(callee.receive({ signal: signalOf(parts), waitMs: 1 })).rejects.toThrow(TypeError)
    expect(valueOf(await caller.call('callee', 1))).toBe(1)
  })

  test('that throw when they are listened to: nothing begins', async ({ agent }) => {
    const callee = agent('callee').handle(() => 1)
    const caller = agent()
    const signal = signalOf({ addEventListener: broken })
    await expect(caller.call('callee', 1, { signal })).rejects.toThrow('broken')
    await expect(callee.receive({ signal, waitMs: 10_000 })).rejects.toThrow('broken')
    expect(valueOf(await caller.call('callee', 1))).toBe(1)
  })

  test('that throw when they are left: all calls end', async ({ agent }) => {
    const callee = agent('callee').handle(({ payload }) => payload)
    const caller = agent()
    const signal = signalOf({ removeEventListener: broken })
    const numbers = Array.from({ length: 600 }, (_, n) => n)
    const results = await Promise.all(
      numbers.map((n) =>
        caller.call(
          'callee',
          n,
          n % 3 === 0 ? { signal: n % 2 === 0 ? signal : signalOf({ removeEventListener: broken }) } : {},
        ),
      ),
    )
    expect(results.map(valueOf)).toEqual(numbers)
    expect(valueOf(await callee.receive({ signal, waitMs: 1 }))).toEqual([])
  })

  test('that abort while they are listened to, or again and again', async ({ agent }) => {
    agent('callee').handle(() => new Promise(() => undefined))
    const caller = agent()
    const early = signalOf({ addEventListener: (_: string, react: () => void) => react() })
    expect(codeOf(await caller.call('callee', 1, { signal: early }))).toBe('ABORTED')
    const many = signalOf({
      addEventListener: (_: string, react: () => void) => void setImmediate(() => (react(), react())),
      removeEventListener: broken,
    })
    const results = await Promise.all([1, 2, 3].map(() => caller.call('callee', 1, { signal: many })))
    expect(results.map(codeOf)).toEqual(['ABORTED', 'ABORTED', 'ABORTED'])
  })

  test('whose reason is odd', async ({ agent }) => {
    agent('callee').handle(() => new Promise(() => undefined))
    const caller = agent()
    for (const reason of [undefined, null, 0, Symbol('s'), unprintable, new Proxy({}, { get: broken })]) {
      const controller = new AbortController()
      const call = caller.call('callee', 1, { signal: controller.signal })
      controller.abort(reason)
      expect(codeOf(await call)).toBe('ABORTED')
      expect(codeOf(await caller.call('callee', 1, { signal: controller.signal }))).toBe('ABORTED')
    }
  })
})

test('handlers that throw or answer what cannot be looked at', async ({ agent }) => {
  const lines: string[] = []
  const logger = Object.fromEntries(
    ['debug', 'info', 'warn', 'error'].map((level) => [level, (line: string) => void lines.push(line)]),
  ) as unknown as Logger
  const callee = agent({ name: 'callee', verbose: true, logger })
  const caller = agent()
  const error = (members: Record<string, unknown>): Error => {
    const made = new Error('m')
    for (const [name, get] of Object.entries(members)) Object.defineProperty(made, name, { get: get as () => unknown })
    return made
  }
  const thrown = [
    unprintable,
    undefined,
    null,
    Symbol('s'),
    error({ stack: broken, message: broken, name: broken }),
    Object.defineProperty(new HandlerError('E', 'm'), 'data', { get: broken }),
    Object.assign(new HandlerError('E', 'm'), { code: unprintable }),
    Object.assign(new HandlerError('E', 'm'), { message: Symbol('s') }),
    new Proxy(new Error('m'), { get: broken, getPrototypeOf: broken, has: broken }),
  ]
  const answered = [
    Object.defineProperty({}, 'then', { get: broken }),
    { then: broken },
    { then: (resolve: (value: unknown) => void) => (resolve(Promise.resolve(1)), resolve(2), broken()) },
    { then: (_: unknown, reject: (error: unknown) => void) => (reject(unprintable), reject(1)) },
    { toJSON: broken },
    new Proxy({}, { get: broken }),
    Number.NaN,
    new Map(),
  ]
  const calls: Promise<string>[] = []
  const ask = (handler: () => unknown): void => {
    callee.handle(({ payload }) => (payload === 'other' ? 'fine' : handler()))
    calls.push(caller.call('callee', 1).then(codeOf))
  }
  for (const value of thrown) {
    ask(() => {
      throw value
    })
    expect(await calls.at(-1)).toBe('HANDLER_FAILED')
    ask(() => Promise.reject(value))
    expect(await calls.at(-1)).toBe('HANDLER_FAILED')
  }
  for (const value of answered) {
    ask(() => value)
    expect(await calls.at(-1)).toBe('HANDLER_FAILED')
  }
  expect(valueOf(await caller.call('callee', 'other'))).toBe('fine')
  expect(lines.filter((line) => line.includes('was not sent')).length).toBeGreaterThan(2)
})

test('loggers that throw lose their lines, and nothing else', async ({ agent }) => {
  const logger = { debug: broken, info: broken, warn: broken, error: broken }
  const callee = agent({ name: 'callee', verbose: true, logger })
  callee.handle(({ payload }) => payload)
  const caller = agent({ verbose: true, logger })
  const results = await Promise.all(Array.from({ length: 300 }, (_, n) => caller.call('callee', n)))
  expect(results.map(codeOf)).toEqual(Array.from({ length: 300 }, () => 'ok'))
})

test('data of a HandlerError are judged like a payload', async ({ agent }) => {
  const lines: string[] = []
  const note = (line: string): void => void lines.push(line)
  const logger = { debug: note, info: note, warn: note, error: note }
  const callee = agent({ name: 'callee', verbose: true, logger, agentOptions: { maxPayloadBytes: 2000 } })
  const caller = agent()
  const deep = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels))
  const ask = async (data: unknown, message = 'm'): Promise<unknown> => {
    callee.handle(() => {
      throw new HandlerError('E', message, { data })
    })
    return errorOf(await caller.call('callee', 1)).remote
  }
  for (const data of [null, 0, '', [1, { a: undefined }], deep(126), new Date(0), 'x'.repeat(1800)]) {
    expect(await ask(data)).toEqual({ code: 'E', message: 'm', data: JSON.parse(JSON.stringify(data)) })
  }
  lines.length = 0
  const wrong: [unknown, string][] = [
    [{ items: [new Map()] }, 'data.items[0] is a Map'],
    [new Uint8Array(3), 'data is bytes'],
    [{ n: Number.NaN }, 'data.n is NaN'],
    [() => 1, 'data is a function'],
    [deep(127), 'deeper than 128'],
    [deep(10_000), 'more than 128 levels'],
    ['a\ud800', 'half a surrogate pair'],
    ['x'.repeat(2000), 'the limit is 2000'],
  ]
  for (const [data, why] of wrong) {
    expect(await ask(data)).toEqual({ code: 'E', message: 'm' })
    expect(lines.filter((line) => line.includes('the data of a HandlerError were not sent')).at(-1)).toContain(why)
  }
  expect(await ask(1, 'x'.repeat(2000))).toBeUndefined()
  expect(await ask(1, '\udc00')).toBeUndefined()
  expect(await ask('fine')).toEqual({ code: 'E', message: 'm', data: 'fine' })
})

describe('where nobody waits, nothing is thrown', () => {
  // A text of which each character takes six in JSON, and which then is longer than a string can be.
  const long = `'\\u0001'.repeat(2 ** 27)`
  test.for<[string, string]>([
    ['a string', long],
    ['a string within', `({ a: ${long} })`],
    ['a name', `({ [${long}]: NaN })`],
  ])('an answer that is longer than any text: %s', { timeout: 60_000 }, async ([, value]) => {
    const program = `
      import { AutoGenxBindAgent } from '@private.me/autogen'
      const [one, two] = [new AutoGenxBindAgent({ name: 'one' }), new AutoGenxBindAgent({ name: 'two' })]
      const value = ${value}
      one.handle(async () => value)
      const answer = await two.call('one', 1)
      const call = await two.call('one', value)
      console.log(answer.error.code, call.error.code)
      one.close()
      two.close()`
    const { code, stdout, stderr } = await node(program)
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'HANDLER_FAILED INVALID_PAYLOAD\n' })
    expect(stderr).toMatch(
      /^\[xbind\] one: the handler failed, .+\n\[xbind\] {3}XBindError: the handler's value was not sent: .+\n\[xbind\] {3}hint: .+\n$/,
    )
  })

  test('a signature that cannot be looked at', { timeout: 60_000 }, async () => {
    const { code, stdout, stderr } = await node(`
      import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
      const key = Identity.generate()
      const look = () => { throw new Error('broken') }
      let shown = false
      const sign = async (bytes) => {
        if (!shown) return (shown = true, key.dangerouslySign(bytes))
        return Object.defineProperty(new Uint8Array(64), 'length', { get: look })
      }
      const one = new AutoGenxBindAgent({ identityProvider: { getDID: () => key.did, sign } })
      const two = new AutoGenxBindAgent({ name: 'two' }).handle(() => 1)
      const answer = await one.call('two', 1)
      console.log(answer.error.code)
      one.close()
      two.close()`)
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'SIGN_FAILED\n' })
    expect(stderr).toMatch(/^\[xbind\] .+ the identity provider gave no signature of 64 bytes by the key of its DID\n$/)
  })
})

describe('more bytes than there is memory for', () => {
  // The bytes themselves take none: nobody has written to them.
  const skipped = process.platform === 'linux' ? undefined : 'only Linux bounds the memory of a process'
  if (skipped !== undefined) console.log(`not tried: ${skipped}`)

  test('end a call and not the process', { timeout: 60_000 }, async ({ skip }) => {
    if (skipped !== undefined) skip(skipped)
    const program = `
      import { AutoGenxBindAgent, Identity, verifySignature } from '@private.me/autogen'
      const [one, two] = [new AutoGenxBindAgent({ name: 'one' }), new AutoGenxBindAgent({ name: 'two' })]
      const key = Identity.generate()
      const many = new Uint8Array(2 ** 32)
      one.handle(async () => many)
      const codes = [(await two.call('one', 1)).error.code, (await two.call('one', many)).error.code]
      for (const use of [() => key.sign(many), () => verifySignature(key.did, many, many), () => Identity.fromSeed(many)]) {
        try { use(); codes.push('went well') } catch { codes.push('thrown') }
      }
      console.log(codes.join(' '))
      one.close()
      two.close()`
    const limited = ['-c', 'ulimit -v 6500000; exec "$0" --input-type=module -e "$1"', process.execPath, program]
    const { code, stdout } = await run('/bin/sh', limited)
    const expected = 'HANDLER_FAILED PAYLOAD_TOO_LARGE thrown thrown thrown\n'
    expect({ code, stdout }).toEqual({ code: 0, stdout: expected })
  })
})
