// What JavaScript says about calls, and what it cannot change.
import { Identity, approvals, type Logger } from '@private.me/autogen'
import { issueToken, type RevocationSubject } from '@private.me/autogen/tokens'
import { describe, expect, vi } from 'vitest'
import { gate, test, turn } from './helpers/bus.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const issuer = Identity.generate()
const tokenFor = (subject: { getDID(): string }, audience: { getDID(): string }): string =>
  valueOf(issueToken(issuer, { subject: subject.getDID(), audience: audience.getDID(), scopes: ['a.b', 'a.c'] }))

describe('predicates', () => {
  test('one that answers with a promise lets nobody in, and its owner is told once', async ({ agent }) => {
    const lines: string[] = []
    const line = (text: string) => void lines.push(text)
    const logger: Logger = { debug: line, info: () => {}, warn: line, error: line }
    const callee = agent({ name: 'callee', verbose: true, logger })
    const caller = agent()
    const allow = vi.fn<() => Promise<boolean>>(() => Promise.resolve(true))
    callee.handle(() => 'begun', { allow: allow as never })
    for (let n = 0; n < 3; n++) expect(codeOf(await caller.call('callee', n))).toBe('NOT_ALLOWED')
    expect(allow).toHaveBeenCalledTimes(3)
    expect(lines.filter((text) => text.includes('allow'))).toEqual([
      '[xbind] callee: allow has to answer true or false at once; what it gave lets no call in',
    ])
  })

  test.each([1, 'yes', {}, null, undefined])('only true lets in, not %j', async (answer) => {
    const { AutoGenxBindAgent, MessageBus } = await import('@private.me/autogen')
    const agentOptions = { bus: new MessageBus() }
    const callee = new AutoGenxBindAgent({ name: 'callee', agentOptions }).handle(() => 1, {
      allow: (() => answer) as never,
    })
    const caller = new AutoGenxBindAgent({ agentOptions })
    expect(codeOf(await caller.call('callee', 1))).toBe('NOT_ALLOWED')
    expect(callee.name).toBe('callee')
    agentOptions.bus.close()
  })

  test('each call is judged by what holds when its own handler begins', async ({ agent }) => {
    const [callee, caller] = [agent('callee'), agent()]
    let [open, begun] = [true, 0]
    callee.handle(
      () => {
        begun++
        open = false
      },
      { allow: () => open },
    )
    const calls = Array.from({ length: 50 }, () => caller.call('callee', 1))
    const codes = (await Promise.all(calls)).map((result) => codeOf(result))
    expect([begun, codes.filter((code) => code === 'NOT_ALLOWED').length]).toEqual([1, 49])
  })

  test('a budget that handlers use up asks for approvals from then on', async ({ agent }) => {
    const [callee, caller, operator] = [agent('callee'), agent(), agent()]
    let [spent, asked] = [0, 0]
    operator.handle(approvals(operator, () => ++asked > 0))
    callee.handle(({ payload }) => (spent += payload as number), {
      approval: { by: operator.getDID(), when: ({ payload }) => spent + (payload as number) > 100 },
    })
    const calls = [60, 30, 20, 5].map((amount) => caller.call('callee', amount))
    expect((await Promise.all(calls)).map((result) => codeOf(result))).toEqual(['ok', 'ok', 'ok', 'ok'])
    expect([spent, asked]).toEqual([115, 1])
  })

  test.each<[string, unknown, (payload: never) => void]>([
    ['an object', { amount: 1 }, (payload: { amount: number }) => (payload.amount = 1000)],
    ['bytes', new Uint8Array([1, 2, 3]), (payload: Uint8Array) => payload.fill(9)],
  ])('approval.when sees a copy of the payload: %s', async (_, sent, change) => {
    const { AutoGenxBindAgent, MessageBus } = await import('@private.me/autogen')
    const agentOptions = { bus: new MessageBus() }
    const callee = new AutoGenxBindAgent({ name: 'callee', agentOptions })
    const caller = new AutoGenxBindAgent({ agentOptions })
    let got: unknown
    callee.handle(({ payload }) => (got = payload) && 'done', {
      approval: {
        by: issuer.did,
        when: (call) => {
          change(call.payload as never)
          Object.assign({}, call)
          expect(() => Object.assign(call, { from: 'me', payload: 2 })).toThrow(TypeError)
          return false
        },
      },
    })
    expect(codeOf(await caller.call('callee', sent))).toBe('ok')
    expect(got).toEqual(sent instanceof Uint8Array ? new Uint8Array([1, 2, 3]) : { amount: 1 })
    agentOptions.bus.close()
  })

  test('one that throws fails its own call only', async ({ agent }) => {
    const [callee, caller] = [agent('callee'), agent()]
    let asked = 0
    const allow = (): boolean => {
      if (++asked === 1) throw new Error('secret')
      return true
    }
    callee.handle(() => 1, { allow })
    const codes = [await caller.call('callee', 1), await caller.call('callee', 1)].map((result) => codeOf(result))
    expect(codes).toEqual(['HANDLER_FAILED', 'ok'])
  })
})

describe('sources of revocations that take time', () => {
  test('keep no handler from others, and the rights are there afterwards', async ({ agent }) => {
    const callee = agent({ name: 'callee', agentOptions: { concurrency: 1 } })
    const [slow, quick] = [agent(), agent()]
    const { promise, open } = gate()
    const isRevoked = ({ did }: RevocationSubject) => (did === slow.getDID() ? promise.then(() => false) : false)
    const seen: unknown[] = []
    callee.handle(({ payload, scopes, chain }) => void seen.push([payload, scopes, chain, Object.isFrozen(scopes)]), {
      trust: [issuer.did],
      scopes: ['a.b'],
      revocations: { isRevoked },
    })
    const waiting = Array.from({ length: 3 }, () => slow.call('callee', 'slow', { token: tokenFor(slow, callee) }))
    await turn()
    expect(codeOf(await quick.call('callee', 'quick', { token: tokenFor(quick, callee) }))).toBe('ok')
    open()
    for (const call of waiting) expect(codeOf(await call)).toBe('ok')
    expect(seen).toEqual(
      [quick, slow, slow, slow].map((caller) => [
        caller === quick ? 'quick' : 'slow',
        ['a.b', 'a.c'],
        [issuer.did, caller.getDID()],
        true,
      ]),
    )
  })

  test('those that answered at once are asked again when the others have answered', async ({ agent }) => {
    const [callee, caller] = [agent('callee'), agent()]
    const { promise, open } = gate()
    let revoked = false
    callee.handle(() => 'begun', {
      trust: [issuer.did],
      revocations: [{ isRevoked: () => revoked }, { isRevoked: () => promise.then(() => false) }],
    })
    const call = caller.call('callee', 1, { token: tokenFor(caller, callee) })
    await turn()
    revoked = true
    open()
    expect(codeOf(await call)).toBe('REVOKED')
  })

  test('a policy that is set meanwhile judges instead, and a caller that gives up is not waited for', async ({
    agent,
  }) => {
    const [callee, caller] = [agent('callee'), agent()]
    const { promise, open } = gate()
    const begun: string[] = []
    const policy = { trust: [issuer.did], revocations: { isRevoked: () => promise.then(() => false) } }
    callee.handle(() => begun.push('old'), policy)
    const controller = new AbortController()
    const token = tokenFor(caller, callee)
    const given = caller.call('callee', 1, { token, signal: controller.signal })
    const call = caller.call('callee', 1, { token })
    await turn()
    controller.abort()
    callee.handle((incoming) => begun.push(`new ${incoming.scopes.length} ${incoming.chain.length}`))
    open()
    expect([codeOf(await given), codeOf(await call)]).toEqual(['ABORTED', 'ok'])
    expect(begun).toEqual(['new 0 0'])
  })

  test('their number is bounded: one sender waits for its share of the inbox, others do not', async ({ agent }) => {
    const callee = agent({ name: 'callee', agentOptions: { concurrency: 2, inbox: { maxMessages: 6 } } })
    const [flood, other] = [agent(), agent()]
    const { promise, open } = gate()
    let asked = 0
    const isRevoked = ({ did }: RevocationSubject) => {
      if (did !== flood.getDID()) return false
      asked++
      return promise.then(() => false)
    }
    callee.handle(() => 'done', { trust: [issuer.did], revocations: { isRevoked } })
    const token = tokenFor(flood, callee)
    const flooding = Array.from({ length: 100 }, () => flood.call('callee', 1, { token }))
    // oxlint-disable-next-line no-unmodified-loop-condition -- the source counts
    while (asked <= 2) await turn() // more than there are handlers
    expect(asked).toBeLessThanOrEqual(6)
    expect(codeOf(await other.call('callee', 1, { token: tokenFor(other, callee) }))).toBe('ok')
    expect(asked).toBeLessThanOrEqual(6)
    open()
    expect(new Set((await Promise.all(flooding)).map((result) => codeOf(result)))).toEqual(new Set(['ok']))
  })
})

describe('approvers', () => {
  test('what the approver is asked ends with the call that needs it', async ({ agent }) => {
    const [callee, caller, operator] = [agent('callee'), agent(), agent()]
    const asked = gate()
    const aborted = gate()
    operator.handle(({ signal }) => {
      asked.open()
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          aborted.open()
          resolve(null)
        })
      })
    })
    callee.handle(() => 'begun', { approval: { by: operator.getDID() } })
    const controller = new AbortController()
    const call = caller.call('callee', 1, { signal: controller.signal })
    await asked.promise
    controller.abort()
    expect(codeOf(await call)).toBe('ABORTED')
    await aborted.promise
  })

  test('one that is slow is given up after its time', async ({ agent }) => {
    const [callee, caller, operator] = [agent('callee'), agent(), agent()]
    operator.handle(() => new Promise(() => {}))
    callee.handle(() => 'begun', { approval: { by: operator.getDID(), timeoutMs: 20 } })
    expect(codeOf(await caller.call('callee', 1))).toBe('APPROVAL_TIMEOUT')
  })

  test.each<[string, (approver: string) => unknown]>([
    ['another value', () => 'yes'],
    ['no approval', () => ({ approval: 5 })],
    ['one of its own making', () => ({ approval: 'a.b.c' })],
    [
      'an error',
      () => {
        throw new Error('down')
      },
    ],
  ])('one that answers with %s has failed, which may pass', async (_, answer) => {
    const { AutoGenxBindAgent, MessageBus } = await import('@private.me/autogen')
    const agentOptions = { bus: new MessageBus() }
    const [callee, caller, operator] = Array.from({ length: 3 }, () => new AutoGenxBindAgent({ agentOptions })) as [
      InstanceType<typeof AutoGenxBindAgent>,
      InstanceType<typeof AutoGenxBindAgent>,
      InstanceType<typeof AutoGenxBindAgent>,
    ]
    operator.handle(() => answer(operator.getDID()))
    callee.handle(() => 'begun', { approval: { by: operator.getDID() } })
    const result = await caller.call(callee.getDID(), 1)
    expect(result.ok).toBe(false)
    expect(!result.ok && [result.error.code, result.error.retryable]).toEqual(['APPROVAL_FAILED', true])
    agentOptions.bus.close()
  })
})
