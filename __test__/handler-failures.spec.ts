// What goes wrong at a handler is for its owner: by default in the log, with the stack.
import {
  approvals,
  AutoGenxBindAgent,
  HandlerError,
  MessageBus,
  type AgentConfig,
  type Logger,
  XBindError,
} from '@private.me/autogen'
import { describe, expect } from 'vitest'
import { test } from './helpers/bus.ts'
import { node } from './helpers/child.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

interface Told {
  error: unknown
  call: { id: string; from: string; method: string | undefined }
}

function telling(): { told: Told[]; onHandlerError: NonNullable<AgentConfig['onHandlerError']> } {
  const told: Told[] = []
  return { told, onHandlerError: (error, call) => void told.push({ error, call }) }
}

function logging(): { lines: string[]; logger: Logger } {
  const lines: string[] = []
  const note = (line: string): void => void lines.push(line)
  return { lines, logger: { debug: note, info: note, warn: note, error: note } }
}

describe('onHandlerError', () => {
  test('is told what was thrown, and by whose call', async ({ agent }) => {
    const { told, onHandlerError } = telling()
    const caller = agent()
    const callee = agent({ name: 'callee', onHandlerError })
    const thrown = [new RangeError('x'), 'text', undefined, null, 5n, { a: 1 }]
    for (const error of thrown) {
      for (const isAsync of [false, true]) {
        callee.handle(() => {
          if (isAsync) return Promise.reject(error)
          throw error
        })
        const failed = errorOf(await caller.call('callee', 1))
        const { error: seen, call } = told.pop()!
        expect(seen).toBe(error)
        expect(call).toEqual({ id: failed.messageId, from: caller.getDID(), method: undefined })
        expect([failed.code, failed.remote]).toEqual(['HANDLER_FAILED', undefined])
      }
    }
    expect(told).toEqual([])
  })

  test('is told of answers that cannot be sent, wherever that is found out', async ({ agent }) => {
    const { told, onHandlerError } = telling()
    const caller = agent()
    const callee = agent({ name: 'callee', onHandlerError, agentOptions: { maxPayloadBytes: 2000 } })
    const deep = JSON.parse('['.repeat(200) + ']'.repeat(200)) as unknown
    for (const value of [5n, Number.NaN, '\ud800', 'x'.repeat(3000), new Uint8Array(3000), deep]) {
      callee.handle(() => value)
      const { messageId } = errorOf(await caller.call('callee', 1))
      const { error, call } = told.pop()!
      expect(error).toBeInstanceOf(XBindError)
      expect((error as XBindError).message).toMatch(/^the handler's value was not sent: /)
      expect(call).toEqual({ id: messageId, from: caller.getDID(), method: undefined })
    }
    expect(told).toEqual([])
  })

  test('is told of policies and deciders that throw', async ({ agent }) => {
    const { told, onHandlerError } = telling()
    const broken = (): never => {
      throw new Error('broken')
    }
    const caller = agent()
    const operator = agent({ name: 'operator', onHandlerError })
    operator.handle(approvals(operator, broken))
    const callee = agent({ name: 'callee', onHandlerError })
    callee.handle(() => 1, { allow: broken })
    expect(codeOf(await caller.call('callee', 1))).toBe('HANDLER_FAILED')
    callee.handle(() => 1, { approval: { by: operator.getDID(), when: broken } })
    expect(codeOf(await caller.call('callee', 1))).toBe('HANDLER_FAILED')
    callee.handle(() => 1, { approval: { by: operator.getDID() } })
    expect(codeOf(await caller.call('callee', 1))).not.toBe('ok')
    expect(told.map(({ error }) => (error as Error).message)).toEqual(['broken', 'broken', 'broken'])
    expect(told.map(({ call }) => call.from)).toEqual([caller.getDID(), caller.getDID(), callee.getDID()])
  })

  test('is not told of a HandlerError, which is an answer', async ({ agent }) => {
    const { told, onHandlerError } = telling()
    agent({ name: 'callee', onHandlerError }).handle(() => {
      throw new HandlerError('E', 'm', { cause: new Error('kept') })
    })
    expect(errorOf(await agent().call('callee', 1)).remote).toEqual({ code: 'E', message: 'm' })
    expect(told).toEqual([])
  })

  test('that fails itself harms nobody, and then the log says it', async ({ agent }) => {
    const { lines, logger } = logging()
    const caller = agent()
    const throws = (): never => {
      throw new Error('nobody hears this')
    }
    const rejects = async (): Promise<never> => throws()
    const thenable = () => ({ then: throws })
    for (const onHandlerError of [throws, rejects, thenable]) {
      const callee = agent({ onHandlerError, logger })
      callee.handle(({ payload }) => {
        if (payload === 'well') return 'well'
        throw new Error('heard')
      })
      expect(codeOf(await caller.call(callee.getDID(), 1))).toBe('HANDLER_FAILED')
      expect(valueOf(await caller.call(callee.getDID(), 'well'))).toBe('well')
    }
    expect(lines.join('\n')).toContain('Error: heard')
  })
})

describe('the log', () => {
  test('shows a failure with its stack and its causes, every line marked', async ({ agent }) => {
    const { lines, logger } = logging()
    const caller = agent()
    agent({ name: 'callee', logger }).handle(function failing() {
      throw new Error('on top', { cause: new RangeError('below', { cause: 'at the bottom' }) })
    })
    const { messageId } = errorOf(await caller.call('callee', { secret: 'swordfish' }))
    expect(lines).toHaveLength(1)
    const [first, ...rest] = lines[0]!.split('\n')
    expect(first).toMatch(
      new RegExp(`^\\[xbind\\] callee: the handler failed, call ${messageId} of did:key:z6Mk….{4}$`),
    )
    for (const line of rest) expect(line).toMatch(/^\[xbind\] {3}/)
    const text = rest.join('\n')
    for (const part of [
      'Error: on top',
      'handler-failures.spec.ts',
      'caused by RangeError: below',
      'caused by at the bottom',
    ])
      expect(text).toContain(part)
    expect(text).not.toContain('swordfish')
  })

  test('shows nothing that forges lines, and no more than 4000 characters', async ({ agent }) => {
    const { lines, logger } = logging()
    const caller = agent()
    const callee = agent({ name: 'callee', logger })
    const errors: unknown[] = [
      new Error('a\n[xbind] forged\r\u001b[2Kforged\u2028forged\u202eforged\u0000'),
      new Error('x'.repeat(1_000_000)),
      new Error('x\n'.repeat(1_000_000)),
      'y'.repeat(1_000_000),
      '\n'.repeat(10_000),
      Object.assign(new Error('x'), { stack: '\u001b\n'.repeat(5000) }),
      Object.assign(new Error('x'), { stack: undefined, name: `E\n[xbind] forged${'x'.repeat(10_000)}` }),
      Object.assign(new Error('x'), { config: { headers: { authorization: 'swordfish' } }, payload: 'swordfish' }),
      { password: 'swordfish' },
      ['swordfish'],
    ]
    let nested = new Error('innermost')
    for (let depth = 0; depth < 100; depth++) nested = new Error(`depth ${depth}`, { cause: nested })
    const circular = new Error('circular')
    circular.cause = circular
    for (const error of [...errors, nested, circular]) {
      lines.length = 0
      callee.handle(() => Promise.reject(error))
      expect(codeOf(await caller.call('callee', 1))).toBe('HANDLER_FAILED')
      const [text] = lines.filter((line) => line.includes('the handler failed'))
      const shown = text!.slice(text!.indexOf('\n') + 1)
      expect(shown.length).toBeLessThanOrEqual(4000)
      for (const line of shown.split('\n')) expect(line.startsWith('[xbind]   ')).toBe(true)
      // oxlint-disable-next-line no-control-regex -- these are what must not be there
      expect(shown.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/)
      expect(shown).not.toContain('swordfish')
    }
  })

  test('goes to stderr without a logger, and never to the caller', async () => {
    const { code, stdout, stderr } = await node(`
      import { AutoGenxBindAgent } from '@private.me/autogen'
      const [caller, callee] = ['caller', 'callee'].map((name) => new AutoGenxBindAgent({ name }))
      callee.handle(function summarise() { throw new RangeError('no such topic') })
      const { error } = await caller.call('callee', 'a payload')
      console.log(error.code, error.message.includes('topic'), error.remote)
    `)
    expect([code, stdout]).toEqual([0, 'HANDLER_FAILED false undefined\n'])
    expect(stderr).toMatch(
      /^\[xbind\] callee: the handler failed, call \S{22} of did:key:z6Mk….{4}\n\[xbind\] {3}RangeError: no such topic\n/,
    )
    expect(stderr).toMatch(/\n\[xbind\] {7}at \S*summarise /)
    expect(stderr).not.toContain('a payload')
  })

  test('takes a logger that answers with promises that fail', async ({ agent }) => {
    const rejects = () => Promise.reject(new Error('disk full')) as never
    const logger = { debug: rejects, info: rejects, warn: rejects, error: rejects }
    agent({ name: 'callee', logger, verbose: true }).handle(() => Promise.reject(new Error('x')))
    expect(codeOf(await agent().call('callee', 1))).toBe('HANDLER_FAILED')
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('warns an agent of a newer one of its DID on its bus', async ({ agent, bus }) => {
    const { lines, logger } = logging()
    const caller = agent()
    const older = agent({ name: 'older', logger, handler: () => 'older' })
    const file = valueOf(await older.exportIdentity())
    using elsewhere = valueOf(await AutoGenxBindAgent.fromIdentity(file, { agentOptions: { bus: new MessageBus() } }))
    expect(valueOf(await caller.call(older.getDID(), 1))).toBe('older')
    expect([elsewhere.getDID(), lines]).toEqual([older.getDID(), []])
    valueOf(await AutoGenxBindAgent.fromIdentity(file, { agentOptions: { bus }, handler: () => 'newer' }))
    expect(valueOf(await caller.call(older.getDID(), 1))).toBe('newer')
    expect(lines).toEqual([
      expect.stringMatching(/^\[xbind\] older: a newer agent of the same DID has come: calls by the DID/),
    ])
  })

  test('says in a log that is read that a handler replaced another one, once each time', async ({ agent }) => {
    const { lines, logger } = logging()
    const callee = agent({ name: 'callee', logger, handler: () => 1 })
    const second = () => 2
    callee
      .handle(second)
      .handle(second, { allow: [] })
      .handle(null)
      .handle(() => 3)
    expect(lines).toEqual(['[xbind] callee: another handler has replaced the one that was set, and its policy with it'])
  })
})
