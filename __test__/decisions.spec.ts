// A decision holds for the moment it was made: whatever waited is judged again before the handler begins.
import { Identity, MessageBus, AutoGenxBindAgent, approvals } from '@private.me/autogen'
import { issueToken, RevocationList } from '@private.me/autogen/tokens'
import { describe, expect } from 'vitest'
import { gate, test, turn, type Make } from './helpers/bus.ts'
import { codeOf, valueOf } from './helpers/result.ts'

/** A callee that counts its handler's beginnings, and two hundred calls that have been made to it in one turn. */
function crowd(agent: Make, act: (begun: number) => void, concurrency = 1000) {
  const callee = agent({ name: 'callee', agentOptions: { concurrency } })
  const caller = agent('caller')
  let begun = 0
  callee.handle(() => {
    act(++begun)
    return begun
  })
  const calls = Array.from({ length: 200 }, () => caller.call('callee', 1))
  return { callee, caller, calls, begun: () => begun }
}

describe('no handler begins', () => {
  test('after bus.stop() of the caller returned', async ({ agent, bus }) => {
    const { calls, begun } = crowd(agent, (n) => n === 1 && valueOf(bus.stop(agents.caller.getDID())))
    const agents = { caller: { getDID: () => bus.agents().find(({ name }) => name === 'caller')!.did } }
    const codes = (await Promise.all(calls)).map((result) => codeOf(result))
    expect([begun(), new Set(codes)]).toEqual([1, new Set(['REVOKED'])])
  })

  test('after bus.stop() of the callee returned', async ({ agent, bus }) => {
    const stop = (): void => valueOf(bus.stop(bus.agents().find(({ name }) => name === 'callee')!.did))
    const { calls, begun } = crowd(agent, (n) => n === 1 && stop())
    const codes = (await Promise.all(calls)).map((result) => codeOf(result))
    expect([begun(), new Set(codes)]).toEqual([1, new Set(['REVOKED'])])
  })

  test('after the agent closed, or the bus did', async ({ agent, bus }) => {
    const one = crowd(agent, (n) => n === 1 && one.callee.close())
    expect(new Set((await Promise.all(one.calls)).map((result) => codeOf(result)))).toEqual(new Set(['AGENT_CLOSED']))
    expect(one.begun()).toBe(1)
    const other = crowd(agent, (n) => n === 1 && bus.close())
    expect(new Set((await Promise.all(other.calls)).map((result) => codeOf(result)))).toEqual(new Set(['AGENT_CLOSED']))
    expect(other.begun()).toBe(1)
  })

  test('after the caller gave up', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const controller = new AbortController()
    let begun = 0
    callee.handle(() => {
      if (++begun === 1) controller.abort()
      return 1
    })
    const { signal } = controller
    const calls = Array.from({ length: 200 }, () => caller.call('callee', 1, { signal }))
    const codes = (await Promise.all(calls)).map((result) => codeOf(result))
    expect([begun, new Set(codes)]).toEqual([1, new Set(['ABORTED'])])
  })

  test('after TIMEOUT was told', async ({ agent }) => {
    const [caller, callee] = [agent(), agent({ name: 'callee', agentOptions: { concurrency: 1 } })]
    let begun = 0
    const { promise, open } = gate()
    callee.handle(async () => {
      begun++
      await promise
    })
    const calls = Array.from({ length: 50 }, () => caller.call('callee', 1, { timeoutMs: 20 }))
    const codes = (await Promise.all(calls)).map((result) => codeOf(result))
    expect(new Set(codes)).toEqual(new Set(['TIMEOUT']))
    open()
    for (let n = 0; n < 20; n++) await turn()
    expect(begun).toBe(1)
    expect(codeOf(await caller.call('callee', 'afterwards'))).toBe('ok')
  })

  test('that a new policy does not let in', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    let [begun, later] = [0, 0]
    callee.handle(() => {
      begun++
      callee.handle(() => ++later, { allow: [] })
      return 'first'
    })
    const codes = (await Promise.all(Array.from({ length: 200 }, () => caller.call('callee', 1)))).map((result) =>
      codeOf(result),
    )
    expect([begun, later]).toEqual([1, 0])
    expect(codes).toEqual(['ok', ...Array.from({ length: 199 }, () => 'NOT_ALLOWED')])
  })

  test('once it was taken away: the calls go to the inbox', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    let begun = 0
    callee.handle(() => {
      begun++
      callee.handle(null)
      return 'first'
    })
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => caller.call('callee', n)))
    expect(begun).toBe(1)
    expect(answers.map((answer) => valueOf(answer))).toEqual([
      'first',
      ...Array.from({ length: 199 }, () => expect.objectContaining({ status: 'delivered', to: callee.getDID() })),
    ])
    const inbox = valueOf(await callee.receive())
    expect(inbox.map(({ payload }) => payload)).toEqual(Array.from({ length: 199 }, (_, n) => n + 1))
    expect(inbox.every(({ kind, from }) => kind === 'call' && from === caller.getDID())).toBe(true)
  })

  test('whose token was revoked while somebody was asked', async ({ agent }) => {
    const issuer = Identity.generate()
    const [callee, caller, approver] = [agent('callee'), agent('caller'), agent('approver')]
    const list = new RevocationList()
    const asked = gate()
    const answer = gate()
    let begun = 0
    approver.handle(
      approvals(approver, async () => {
        asked.open()
        await answer.promise
        return true
      }),
    )
    callee.handle(() => ++begun, {
      trust: [issuer.did],
      scopes: ['a.b'],
      revocations: [list],
      approval: { by: approver.getDID() },
    })
    const request = { subject: caller.getDID(), audience: callee.getDID(), scopes: ['a.b'] }
    const token = valueOf(issueToken(issuer, request))
    const call = caller.call('callee', 1, { token })
    await asked.promise
    valueOf(list.revokeDID(issuer.did))
    answer.open()
    expect(codeOf(await call)).toBe('REVOKED')
    expect(begun).toBe(0)
  })

  test.each<[string, () => boolean | Promise<boolean>]>([
    ['ok', () => false],
    ['ok', () => Promise.resolve(false)],
    ['REVOKED', () => Promise.resolve(true)],
    ['REVOCATION_UNKNOWN', () => Promise.reject(new Error('the source is down'))],
    [
      'REVOCATION_UNKNOWN',
      () => {
        throw new Error('the source is down')
      },
    ],
  ])('unless its token stands still: %s, with a source that answered at once before: %s', async (code, later) => {
    const agentOptions = { bus: new MessageBus() }
    const issuer = Identity.generate()
    const callee = new AutoGenxBindAgent({ agentOptions })
    const caller = new AutoGenxBindAgent({ agentOptions })
    const approver = new AutoGenxBindAgent({ agentOptions })
    let isRevoked: () => boolean | Promise<boolean> = () => false
    let begun = 0
    approver.handle(
      approvals(approver, () => {
        isRevoked = later
        return true
      }),
    )
    callee.handle(() => ++begun, {
      trust: [issuer.did],
      revocations: { isRevoked: () => isRevoked() },
      approval: { by: approver.getDID() },
    })
    const request = { subject: caller.getDID(), audience: callee.getDID(), scopes: ['a.b'] }
    const token = valueOf(issueToken(issuer, request))
    expect(codeOf(await caller.call(callee.getDID(), 1, { token }))).toBe(code)
    expect(begun).toBe(code === 'ok' ? 1 : 0)
    agentOptions.bus.close()
  })

  test('whose policy changed while somebody was asked', async ({ agent }) => {
    const [callee, caller, approver] = [agent('callee'), agent('caller'), agent('approver')]
    const asked = gate()
    const answer = gate()
    const begun: string[] = []
    approver.handle(
      approvals(approver, async () => {
        asked.open()
        await answer.promise
        return true
      }),
    )
    callee.handle(() => begun.push('old'), { approval: { by: approver.getDID() } })
    const call = caller.call('callee', 1)
    await asked.promise
    callee.handle(() => begun.push('new'), { allow: (from) => from !== caller.getDID() })
    answer.open()
    expect(codeOf(await call)).toBe('NOT_ALLOWED')
    expect(begun).toEqual([])
  })

  test('with rights that a policy before granted', async ({ agent }) => {
    const [callee, caller, approver] = [agent('callee'), agent('caller'), agent('approver')]
    let seen: unknown
    const trust = [approver.getDID()]
    approver.handle(
      approvals(approver, () => {
        callee.handle(({ scopes, chain }) => (seen = { scopes, chain }))
        return true
      }),
    )
    callee.handle(() => 'old', { trust, approval: { by: approver.getDID() } })
    const request = { subject: caller.getDID(), audience: callee.getDID(), scopes: ['a.b'] }
    const token = valueOf(await approver.grant(request))
    expect(codeOf(await caller.call('callee', 1, { token }))).toBe('ok')
    expect(seen).toEqual({ scopes: [], chain: [] })
  })

  test.each([
    ['NOT_ALLOWED', 'allow', { allow: () => Promise.reject<boolean>(new Error('no list')) as never }],
    [
      'APPROVAL_FAILED',
      'when',
      { approval: { by: Identity.generate().did, when: () => Promise.reject<boolean>(new Error('no list')) as never } },
    ],
  ])('%s: nor ends the process, where %s is a promise that fails', async (code, _, options) => {
    const agentOptions = { bus: new MessageBus() }
    const callee = new AutoGenxBindAgent({ agentOptions })
    const caller = new AutoGenxBindAgent({ agentOptions })
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    callee.handle(() => 'begun', options)
    expect(codeOf(await caller.call(callee.getDID(), 1))).toBe(code)
    await turn()
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
    agentOptions.bus.close()
  })
})

describe('whoever is asked may change the policy in the same turn', () => {
  const closed = { allow: () => false }

  test('a predicate, or a source of revocations', async ({ agent }) => {
    const issuer = Identity.generate()
    const [callee, caller, approver] = [agent('callee'), agent('caller'), agent('approver')]
    const begun: string[] = []
    const change = (answer: boolean): boolean => {
      callee.handle(() => begun.push('new'), closed)
      return answer
    }
    const by = approver.getDID()
    const request = { subject: caller.getDID(), audience: callee.getDID(), scopes: ['a.b'] }
    const token = valueOf(issueToken(issuer, request))
    for (const policy of [
      { allow: () => change(true) },
      { approval: { by, when: () => change(false) } },
      { trust: [issuer.did], revocations: { isRevoked: () => change(false) } },
    ]) {
      callee.handle(() => begun.push('old'), policy)
      expect(codeOf(await caller.call('callee', 1, { token }))).toBe('NOT_ALLOWED')
    }
    expect(begun).toEqual([])
  })

  test('a predicate that is asked again after an approver', async ({ agent }) => {
    const [callee, caller, approver] = [agent('callee'), agent('caller'), agent('approver')]
    const begun: string[] = []
    let asked = 0
    approver.handle(approvals(approver, () => true))
    const allow = (): boolean => {
      if (++asked === 2) callee.handle(() => begun.push('new'), closed)
      return true
    }
    callee.handle(() => begun.push('old'), { allow, approval: { by: approver.getDID() } })
    expect([codeOf(await caller.call('callee', 1)), asked, begun]).toEqual(['NOT_ALLOWED', 2, []])
  })

  test('a predicate that revokes what was verified before it', async ({ agent }) => {
    const issuer = Identity.generate()
    const [callee, caller, approver] = [agent('callee'), agent('caller'), agent('approver')]
    const list = new RevocationList()
    let begun = 0
    const when = (): boolean => !list.revokeDID(issuer.did).ok
    callee.handle(() => ++begun, {
      trust: [issuer.did],
      revocations: list,
      approval: { by: approver.getDID(), when },
    })
    const request = { subject: caller.getDID(), audience: callee.getDID(), scopes: ['a.b'] }
    const token = valueOf(issueToken(issuer, request))
    expect([codeOf(await caller.call('callee', 1, { token })), begun]).toEqual(['REVOKED', 0])
  })

  test('each time: the call ends all the same', async ({ agent }) => {
    const [callee, caller] = [agent('callee'), agent('caller')]
    let begun = 0
    const allow = (): boolean => {
      callee.handle(() => ++begun, { allow })
      return true
    }
    callee.handle(() => ++begun, { allow })
    expect([codeOf(await caller.call('callee', 1)), begun]).toEqual(['NOT_ALLOWED', 0])
  })
})

test('what a stopped identity has sent leaves inboxes and queues', async ({ agent, bus }) => {
  const [bad, good, callee] = [agent(), agent(), agent({ name: 'callee', agentOptions: { concurrency: 1 } })]
  for (const sender of [bad, good]) valueOf(await sender.send('callee', 'letter'))
  const { promise, open } = gate()
  let begun = 0
  callee.handle(async () => {
    begun++
    await promise
  })
  const first = good.call('callee', 1)
  const queued = bad.call('callee', 1)
  await turn()
  valueOf(bus.stop(bad.getDID()))
  open()
  expect([codeOf(await first), codeOf(await queued)]).toEqual(['ok', 'REVOKED'])
  expect(begun).toBe(1)
  expect(valueOf(await callee.receive()).map(({ from }) => from)).toEqual([good.getDID()])
})

test('agents of one DID use an approval once, also when they close and come again', async () => {
  const bus = new MessageBus()
  const agentOptions = { bus }
  const first = new AutoGenxBindAgent({ name: 'callee', agentOptions })
  const file = valueOf(await first.exportIdentity())
  const [caller, approver] = [new AutoGenxBindAgent({ agentOptions }), new AutoGenxBindAgent({ agentOptions })]
  const body = Buffer.from('{"pay":1}')
  const call = { caller: caller.getDID(), recipient: first.getDID(), body }
  const approval = valueOf(await approver.decide({ decision: 'approve', call }))
  const policy = { approval: { by: approver.getDID() } }
  first.handle(() => 'paid', policy)
  expect(valueOf(await caller.call('callee', { pay: 1 }, { approval }))).toBe('paid')
  first.close()
  const again = valueOf(await AutoGenxBindAgent.fromIdentity(file, { name: 'callee', agentOptions }))
  again.handle(() => 'paid', policy)
  expect(codeOf(await caller.call('callee', { pay: 1 }, { approval }))).toBe('APPROVAL_REQUIRED')
  bus.close()
})

test('calls to an agent that closes meanwhile end, also those that its list does not let in', async ({ agent }) => {
  const [caller, callee] = [agent(), agent('callee')]
  callee.handle(() => 1, { allow: [callee.getDID()] })
  const calls = Array.from({ length: 50 }, () => caller.call('callee', 1))
  callee.close()
  const codes = (await Promise.all(calls)).map((result) => codeOf(result))
  expect(new Set(codes)).toEqual(new Set(['AGENT_CLOSED']))
})

test('tokens that a stopped identity has issued or delegated count no more, also of calls that wait', async ({
  agent,
  bus,
}) => {
  for (const stopped of ['issuer', 'holder'] as const) {
    const [issuer, holder, caller] = [agent(), agent(), agent()]
    const callee = agent({ name: `callee-${stopped}` })
    let begun = 0
    const source = gate<boolean>()
    const asked = gate()
    const revocations = [{ isRevoked: () => (asked.open(), source.promise) }]
    callee.handle(() => ++begun, { trust: [issuer.getDID()], scopes: ['a:b'] })
    callee.handle('slow', () => ++begun, { revocations })
    const request = { subject: holder.getDID(), audience: callee.getDID(), scopes: ['a:b'] }
    const granted = valueOf(await issuer.grant(request))
    const token = valueOf(await holder.delegate(granted, { subject: caller.getDID() }))
    expect(valueOf(await caller.call(callee.getDID(), 1, { token }))).toBe(1)
    const waiting = caller.call(callee.getDID(), 1, { token, method: 'slow' })
    await asked.promise
    valueOf(bus.stop({ issuer, holder }[stopped].getDID()))
    source.open(false)
    expect(codeOf(await waiting)).toBe('REVOKED')
    expect(codeOf(await caller.call(callee.getDID(), 1, { token }))).toBe('REVOKED')
    expect(begun).toBe(1)
  }
})
