import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import { AutoGenxBindAgent, didToPublicKey, HandlerError, Identity, XBindError } from '@private.me/autogen'
import { describe, expect, test } from 'vitest'
import { errorOf, valueOf } from './helpers/result.ts'

/** The package once more, as another version in node_modules or another realm of a test framework would load it. */
function anotherCopy(): typeof import('@private.me/autogen') {
  const require = createRequire(import.meta.url)
  const path = require.resolve('../dist/index.cjs')
  const { [path]: known } = require.cache
  delete require.cache[path]
  const copy = require(path) as typeof import('@private.me/autogen')
  require.cache[path] = known
  return copy
}

describe('an XBindError', () => {
  const error = errorOf(didToPublicKey('nonsense'))

  test('is an Error with a code, a sentence, and perhaps a hint', () => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(XBindError)
    expect([error.name, error.code, error.retryable, error.messageId, error.remote]).toEqual([
      'XBindError',
      'INVALID_DID',
      false,
      undefined,
      undefined,
    ])
    expect(error.message).toMatch(/^[a-z][^\n]*[^.]$/)
    expect(inspect(error)).toContain('INVALID_DID')
    expect(String(error)).toBe(`XBindError: ${error.message}`)
    expect(error.stack).toContain('XBindError')
  })

  test('says whether the other side ran the call', async () => {
    using caller = new AutoGenxBindAgent()
    using callee = new AutoGenxBindAgent()
    const asked = (timeoutMs: number, signal?: AbortSignal) =>
      caller.call(callee.getDID(), 1, { timeoutMs, ...(signal && { signal }) })
    callee.handle(() => new Promise(() => undefined))
    expect(errorOf(await asked(20))).toMatchObject({ code: 'TIMEOUT', handled: 'unknown' })
    const abort = new AbortController()
    setTimeout(() => abort.abort(), 20)
    expect(errorOf(await asked(5000, abort.signal))).toMatchObject({ code: 'ABORTED', handled: 'unknown' })
    callee.handle(() => 1, { allow: [callee.getDID()] })
    expect(errorOf(await asked(5000))).toMatchObject({ code: 'NOT_ALLOWED', handled: 'no' })
    expect(errorOf(await caller.call('nobody-of-that-name', 1))).toMatchObject({ handled: 'no' })
  })

  test('says all of itself as JSON, but for its stack', async () => {
    const { name, code, message, hint, retryable, handled } = error
    expect(JSON.parse(JSON.stringify(error))).toEqual({ name, code, message, hint, retryable, handled })
    using caller = new AutoGenxBindAgent()
    using callee = new AutoGenxBindAgent()
    const thrown = new HandlerError('E', 'm', { data: [1], cause: new Error('nobody may see this') })
    callee.handle(() => {
      throw thrown
    })
    const failed = errorOf(await caller.call(callee.getDID(), 1))
    const told = JSON.parse(JSON.stringify({ failed })) as { failed: object }
    const remote = { code: 'E', message: 'm', data: [1] }
    expect(told.failed).toMatchObject({ name: 'XBindError', code: 'HANDLER_FAILED', message: failed.message, remote })
    expect(failed.handled).toBe('yes')
    expect(JSON.parse(JSON.stringify(thrown))).toEqual({ name: 'HandlerError', ...remote })
  })

  test('is recognised by its brand, from any copy of the package, and nothing else is', () => {
    const copy = anotherCopy()
    expect(copy.XBindError).not.toBe(XBindError)
    const theirs = errorOf(copy.didToPublicKey('nonsense'))
    expect(Object.getPrototypeOf(theirs)).not.toBe(XBindError.prototype)
    expect([theirs instanceof XBindError, error instanceof copy.XBindError]).toEqual([true, true])
    const others = [
      new Error('x'),
      new HandlerError('E', 'm'),
      { code: 'INVALID_DID', name: 'XBindError' },
      null,
      undefined,
      5,
      'x',
    ]
    for (const other of others) expect((other as unknown) instanceof XBindError).toBe(false)
  })

  test('a HandlerError of another copy is told like our own', async () => {
    const copy = anotherCopy()
    using caller = new AutoGenxBindAgent()
    using callee = new AutoGenxBindAgent()
    callee.handle(() => {
      throw new copy.HandlerError('E', 'm', { data: [1] })
    })
    const told = errorOf(await caller.call(callee.getDID(), 1))
    expect([told.code, told.remote]).toEqual(['HANDLER_FAILED', { code: 'E', message: 'm', data: [1] }])
  })
})

test('a HandlerError is an Error with a code, data and a cause', () => {
  const cause = new Error('the cause')
  const error = new HandlerError('OUT_OF_BUDGET', 'nothing left', { data: { left: 0 }, cause })
  expect(error).toBeInstanceOf(Error)
  expect(error).toBeInstanceOf(HandlerError)
  expect([error.name, error.code, error.message, error.data, error.cause]).toEqual([
    'HandlerError',
    'OUT_OF_BUDGET',
    'nothing left',
    { left: 0 },
    cause,
  ])
  expect('cause' in new HandlerError('E', 'm')).toBe(false)
})

test('whether trying again may help stands in the error', async () => {
  using agent = new AutoGenxBindAgent()
  expect(errorOf(await agent.call('not-here-yet', 1)).retryable).toBe(true)
  expect(errorOf(await agent.call(agent.getDID(), 1)).retryable).toBe(false)
})

test('agents of two copies are apart, and an identity moves between them', async () => {
  const copy = anotherCopy()
  using ours = new AutoGenxBindAgent({ name: 'ours' })
  using theirs = new copy.AutoGenxBindAgent()
  expect(errorOf((await theirs.call('ours', 1)) as never).code).toBe('AGENT_NOT_FOUND')
  const exported = valueOf(await ours.exportIdentity())
  expect(valueOf(copy.Identity.fromPKCS8(exported) as never)).toMatchObject({ did: ours.getDID() })
  const bus = copy.MessageBus.shared('errors-spec')
  expect(() => new AutoGenxBindAgent({ agentOptions: { bus } })).toThrow(TypeError)
  expect(Identity.generate()).not.toBeInstanceOf(copy.Identity)
})
