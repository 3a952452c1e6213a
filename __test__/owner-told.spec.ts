// What goes wrong is told to whoever can mend it, with what it takes to do so.
import {
  approvals,
  AutoGenxBindAgent,
  HandlerError,
  Identity,
  type IncomingCall,
  type Logger,
  XBindError,
} from '@private.me/autogen'
import { KeyHistory, RevocationList } from '@private.me/autogen/tokens'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { gate, never, test, turn } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

function logging(): { lines: string[]; logger: Logger } {
  const lines: string[] = []
  const note = (line: string): void => void lines.push(line)
  return { lines, logger: { debug: note, info: note, warn: note, error: note } }
}

const failing = (): never => {
  throw new RangeError('of the handler')
}

describe('an onHandlerError that fails', () => {
  test.for<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('of the owner')
      },
    ],
    ['rejects', () => Promise.reject(new Error('of the owner'))],
    ['rejects later', () => sleep(1).then(() => Promise.reject(new Error('of the owner')))],
  ])('which %s: both errors are in the log', async ([, onHandlerError], { agent }) => {
    const { lines, logger } = logging()
    agent({ name: 'callee', logger, onHandlerError, handler: failing })
    expect(codeOf(await agent().call('callee', 1))).toBe('HANDLER_FAILED')
    while (lines.length < 2) await sleep(1)
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/^\[xbind\] callee: onHandlerError failed\n.*Error: of the owner/)
    expect(lines[1]).toMatch(/^\[xbind\] callee: the handler failed, call .*\n.*RangeError: of the handler/)
  })

  test('one that does not fail leaves no line', async ({ agent }) => {
    const { lines, logger } = logging()
    agent({ name: 'callee', logger, onHandlerError: () => Promise.resolve(), handler: failing })
    expect(codeOf(await agent().call('callee', 1))).toBe('HANDLER_FAILED')
    await turn()
    expect(lines).toEqual([])
  })
})

describe('a handler that heeds its signal', () => {
  const ways: [string, (call: IncomingCall) => Promise<unknown>][] = [
    ['the reason itself', ({ signal }) => aborted(signal).then(() => Promise.reject(signal.reason))],
    ['an abort with that cause', ({ signal }) => sleep(60_000, undefined, { signal, ref: false })],
  ]
  test.for(ways)('has not failed: %s', async ([, handler], { agent }) => {
    const { lines, logger } = logging()
    const told: unknown[] = []
    const begun = gate()
    const onHandlerError = (error: unknown): void => void told.push(error)
    const observed = (call: IncomingCall): Promise<unknown> => {
      const answer = handler(call)
      begun.open()
      return answer
    }
    agent({ name: 'callee', logger, verbose: true, onHandlerError, handler: observed })
    const controller = new AbortController()
    const call = agent().call('callee', 1, { signal: controller.signal })
    await begun.promise
    const reason = { mine: true }
    controller.abort(reason)
    const error = errorOf(await call)
    expect([error.code, error.cause]).toEqual(['ABORTED', reason])
    while (!lines.some((line) => line.endsWith('given up'))) await sleep(1)
    expect([told, lines.filter((line) => line.includes('failed'))]).toEqual([[], []])
  })

  test('has failed if it throws anything else after that', async ({ agent }) => {
    const told: unknown[] = []
    const begun = gate()
    const handler = async ({ signal }: IncomingCall): Promise<never> => {
      const over = aborted(signal)
      begun.open()
      await over
      throw new Error('of its own')
    }
    agent({ name: 'callee', onHandlerError: (error) => void told.push(error), handler })
    const controller = new AbortController()
    const call = agent().call('callee', 1, { signal: controller.signal })
    await begun.promise
    controller.abort()
    expect(codeOf(await call)).toBe('ABORTED')
    while (told.length === 0) await sleep(1)
    expect(String(told)).toBe('Error: of its own')
  })

  test('a signal that aborted before the call is the cause as well', async ({ agent }) => {
    const signal = AbortSignal.abort('why')
    const one = agent()
    expect(errorOf(await one.call('callee', 1, { signal })).cause).toBe('why')
    expect(errorOf(await one.receive({ waitMs: 10, signal })).cause).toBe('why')
  })

  function aborted(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
  }
})

describe("an agent's own identity provider", () => {
  test.for([() => failing(), () => Promise.reject(new RangeError('of the handler'))])(
    'that fails to sign is the cause, %#',
    async (sign, { agent }) => {
      const { logger } = logging()
      const identityProvider = { getDID: () => Identity.generate().did, sign }
      agent({ name: 'callee', handler: () => 1 })
      const error = errorOf(await agent({ identityProvider, logger }).call('callee', 1))
      expect([error.code, error.message, error.retryable]).toEqual([
        'SIGN_FAILED',
        'the identity provider failed to sign',
        true,
      ])
      expect(error.cause).toBeInstanceOf(RangeError)
    },
  )

  test('that gives no signature is told from that', async ({ agent }) => {
    const { logger } = logging()
    const identityProvider = { getDID: () => Identity.generate().did, sign: () => new Uint8Array(64) }
    agent({ name: 'callee', handler: () => 1 })
    const error = errorOf(await agent({ identityProvider, logger }).call('callee', 1))
    expect([error.message, error.cause]).toEqual(['the identity provider gave no valid signature', undefined])
  })

  test('that signs with Identity.sign is told how to', async ({ agent }) => {
    const { lines, logger } = logging()
    const key = Identity.generate()
    const identityProvider = { getDID: () => key.did, sign: (data: Uint8Array) => key.sign(data) }
    agent({ name: 'callee', handler: () => 1 })
    const error = errorOf(await agent({ identityProvider, logger }).call('callee', 1))
    expect(error.hint).toMatch(/dangerouslySign\(\).*Identity itself/)
    expect([error.retryable, error.cause]).toEqual([false, expect.any(XBindError)])
    expect(lines.join()).toContain('hint: ')
  })

  test('that hangs is told from a callee that is slow', async ({ agent }) => {
    const key = Identity.generate()
    let hangs = false
    const sign = (data: Uint8Array) => (hangs ? never : key.dangerouslySign(data))
    const caller = agent({ identityProvider: { getDID: () => key.did, sign } })
    agent({ name: 'slow', handler: () => never })
    agent({ name: 'quick', handler: () => 1 })
    expect(valueOf(await caller.call('quick', 1))).toBe(1)
    expect(errorOf(await caller.call('slow', 1, { timeoutMs: 30 })).message).not.toContain('identity provider')
    hangs = true
    const error = errorOf(await caller.call('quick', 1, { timeoutMs: 30 }))
    expect([error.code, error.message]).toEqual(['TIMEOUT', "the agent's own identity provider did not sign in time"])
  })

  test('is named where it gives no DID, and to callers who do not find its agent', async ({ agent }) => {
    const identityProvider = { getDID: () => 'rubbish', sign: () => new Uint8Array(64) }
    expect(() => agent({ identityProvider })).toThrow(/^identityProvider\.getDID\(\) gave no DID: /)
    expect(errorOf(await agent().call('nobody', 1)).hint).toContain('identity provider')
  })
})

describe('approvals', () => {
  test('name what is wrong at once', () => {
    for (const approver of [null, {}, undefined, 'x']) {
      expect(() => approvals(approver as never, () => true)).toThrow(/^approver must be an AutoGenxBindAgent/)
    }
  })

  test('warn of a decider that says neither yes nor no, which is a no', async ({ agent }) => {
    const { lines, logger } = logging()
    const operator = agent({ name: 'operator', logger })
    operator.handle(approvals(operator, () => 'yes' as never))
    const callee = agent('callee').handle(() => 1, { approval: { by: operator.getDID() } })
    expect(codeOf(await agent().call(callee.getDID(), 1))).toBe('APPROVAL_REFUSED')
    expect(lines).toEqual([expect.stringMatching(/^\[xbind\] operator: decide\(\) has to answer true or false/)])
  })

  test('that could not be asked for say so', async ({ agent }) => {
    const callee = agent('callee').handle(() => 1, { approval: { by: Identity.generate().did } })
    const error = errorOf(await agent().call(callee.getDID(), 1))
    expect([error.code, error.hint]).toEqual(['APPROVAL_FAILED', expect.stringContaining('could not be asked')])
  })
})

describe('the log', () => {
  test('shows names and no values of what is no Error, and the errors of an AggregateError', async ({ agent }) => {
    const { lines, logger } = logging()
    const callee = agent({ name: 'callee', logger })
    const thrown = [
      { status: 'swordfish', body: 1 },
      new AggregateError([new Error('one'), { two: 'swordfish' }], 'all'),
    ]
    for (const error of thrown) {
      callee.handle(() => Promise.reject(error))
      expect(codeOf(await agent().call('callee', 1))).toBe('HANDLER_FAILED')
    }
    const text = lines.join('\n')
    expect(text).toContain('[object Object] with status, body, which is no Error')
    expect(text).toMatch(/all[^]*of them Error: one[^]*of them \[object Object\] with two/)
    expect(text).not.toContain('swordfish')
  })

  test('names the code of a HandlerError, as far as a line can hold it', async ({ agent }) => {
    const { lines, logger } = logging()
    const callee = agent({ name: 'callee', logger, verbose: true })
    for (const code of ['OFF_TOPIC', 'a\nb']) {
      callee.handle(() => {
        throw new HandlerError(code, 'a message')
      })
      expect(errorOf(await agent().call('callee', 1)).remote?.code).toBe(code)
    }
    const text = lines.join('\n')
    expect(text).toContain('answered with the HandlerError OFF_TOPIC')
    expect(text).toContain('answered with the HandlerError a?b')
    expect(text).not.toContain('a message')
  })
})

describe('small mistakes', () => {
  test('are refused by name', async ({ agent }) => {
    const one = agent('one')
    for (const max of [1.5, Infinity, Number.NaN]) expect(codeOf(await one.receive({ max }))).toBe('INVALID_CONFIG')
    expect(codeOf(await one.call('two', 1, { timeoutMs: 1.5 }))).toBe('INVALID_CONFIG')
    expect(errorOf(await one.call('two', 1, { token: '' })).message).toBe('token is empty')
    expect(errorOf(await one.call('two', 1, { approval: '' })).message).toBe('approval is empty')
    const to = Identity.generate().did
    expect(codeOf(Identity.generate().seal({ op: 'send', to, body: new Uint8Array(1), token: '' }))).toBe(
      'MALFORMED_MESSAGE',
    )
    expect(() => new HandlerError('', '')).toThrow(TypeError)
    expect(() => Reflect.construct(Identity, [])).toThrow(/Identity\.generate\(\)/)
    expect(() => one.handle(() => 1, { allow: 'did:key:z' as never })).toThrow('a list of DIDs or a function')
    expect(() => one.handle(() => 1, { approval: { by: 1 as never } })).toThrow('a list of DIDs or one DID')
    expect(errorOf(await one.call(one.getDID(), 1)).hint).toContain('an identity of its own')
  })
})

test('a DID that is none is not a key that is not known', () => {
  const history = new KeyHistory(Identity.generate().did)
  for (const ask of [
    () => history.revoke('typo'),
    () => history.taint('typo'),
    () => history.activate('typo'),
    () => new RevocationList().reinstate('typo'),
  ]) {
    expect(ask).toThrow(expect.objectContaining({ code: 'INVALID_DID' }))
  }
})

test('an agent of a DID with another name is still found by it, and by the DID when the newest closes', async ({
  agent,
  bus,
}) => {
  const { lines, logger } = logging()
  const caller = agent()
  const older = agent({ name: 'older', logger, handler: () => 'older' })
  const file = valueOf(await older.exportIdentity())
  const config = { name: 'newer', agentOptions: { bus }, handler: () => 'newer' }
  const newer = valueOf(await AutoGenxBindAgent.fromIdentity(file, config))
  expect(valueOf(await caller.call(older.getDID(), 1))).toBe('newer')
  expect(valueOf(await caller.call('older', 1))).toBe('older')
  expect(lines.join()).toContain('by the DID')
  newer.close()
  expect(valueOf(await caller.call(older.getDID(), 1))).toBe('older')
})

describe('an approver that gives no decision', () => {
  const silent: [string, (approver: AutoGenxBindAgent) => void, string, string][] = [
    ['that is not there', (approver) => approver.close(), 'APPROVAL_FAILED', 'could not be asked: '],
    ['that fails', (approver) => approver.handle(failing), 'APPROVAL_FAILED', 'could not decide: '],
    ['without a handler', () => {}, 'APPROVAL_FAILED', 'has no handler, and took the question into its inbox'],
    ['that answers anything', (approver) => approver.handle(() => 1), 'APPROVAL_FAILED', 'answered with no approval'],
    [
      'that signs nothing that holds',
      (approver) => approver.handle(() => ({ approval: 'a.b.c' })),
      'APPROVAL_FAILED',
      'signed nothing that holds for the call',
    ],
    ['that is slow', (approver) => approver.handle(() => never), 'APPROVAL_TIMEOUT', 'did not decide in time'],
  ]
  test.for(silent)('%s: the owner of the handler is told', async ([, set, code, line], { agent }) => {
    const { lines, logger } = logging()
    const approver = agent({ onHandlerError: () => {} })
    set(approver)
    const callee = agent({ name: 'callee', logger })
    callee.handle(() => 1, { approval: { by: approver.getDID(), timeoutMs: 50 } })
    expect(codeOf(await agent().call('callee', 1))).toBe(code)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(`[xbind] callee: the approver ${approver.getDID()} ${line}`)
  })

  test('no line is written of one that decides', async ({ agent }) => {
    const { lines, logger } = logging()
    const approver = agent()
    approver.handle(approvals(approver, ({ payload }) => payload === 1))
    const callee = agent({ name: 'callee', logger })
    callee.handle(() => 1, { approval: { by: approver.getDID() } })
    expect(codeOf(await agent().call('callee', 1))).toBe('ok')
    expect(codeOf(await agent().call('callee', 2))).toBe('APPROVAL_REFUSED')
    expect(lines).toEqual([])
  })
})

test('an agent that closes says of which calls nothing was begun', async ({ agent }) => {
  const begun = gate()
  const handler = (): Promise<never> => (begun.open(), never)
  const callee = agent({ name: 'callee', agentOptions: { concurrency: 1 }, handler })
  const caller = agent()
  const [running, waiting] = [caller.call('callee', 1), caller.call('callee', 2)]
  await begun.promise
  await turn()
  callee.close()
  const [one, other] = [errorOf(await running), errorOf(await waiting)]
  expect([one.code, other.code]).toEqual(['AGENT_CLOSED', 'AGENT_CLOSED'])
  expect(one.message).not.toContain('begun')
  expect(other.message).toContain('nothing of it was begun')
})
