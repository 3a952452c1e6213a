import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { describe, expect } from 'vitest'
import { never, test } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

describe('names', () => {
  test.each([
    'a',
    'A9',
    'writer',
    'team.writer-2_x',
    'x'.repeat(64),
    '0',
    'did',
    'constructor',
    'toString',
    'hasOwnProperty',
  ])('reach their agent: %s', async (name) => {
    using agent = new AutoGenxBindAgent({ name })
    using caller = new AutoGenxBindAgent()
    agent.handle(() => 'reached')
    expect(agent.name).toBe(name)
    expect(valueOf(await caller.call(name, 1))).toBe('reached')
  })

  test.each([
    '',
    ' ',
    'a b',
    '.a',
    'a.',
    '-a',
    'a_',
    'x'.repeat(65),
    'did:key:z6Mk',
    'a:b',
    'a/b',
    'ä',
    'a\n',
    '\0',
    'a\u200b',
    '__proto__',
    '*',
    '>',
  ])('INVALID_NAME: %j', async (name) => {
    expect(() => new AutoGenxBindAgent({ name })).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }))
    expect(() => MessageBus.shared(name)).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }))
    const key = valueOf(Identity.generate().toPKCS8())
    expect(codeOf(await AutoGenxBindAgent.fromIdentity(key, { name }))).toBe('INVALID_NAME')
  })

  test('of two identities select neither of them; the DID does', async ({ agent }) => {
    const [first, second, caller] = [agent('twin'), agent('twin'), agent()]
    first.handle(() => 'first')
    second.handle(() => 'second')
    const error = errorOf(await caller.call('twin', 1))
    expect([error.code, error.hint]).toEqual(['AMBIGUOUS_NAME', expect.stringMatching(/DID/)])
    expect(codeOf(await caller.send('twin', 1))).toBe('AMBIGUOUS_NAME')
    expect(valueOf(await caller.call(first.getDID(), 1))).toBe('first')
    second.close()
    expect(valueOf(await caller.call('twin', 1))).toBe('first')
  })

  test('are told apart to the letter', async ({ agent }) => {
    const [writer, caller] = [agent('writer'), agent()]
    writer.handle(() => 'reached')
    expect(codeOf(await caller.call('Writer', 1))).toBe('AGENT_NOT_FOUND')
    expect(codeOf(await caller.call('write', 1))).toBe('AGENT_NOT_FOUND')
  })

  test('prove nothing: the handler sees the DID only', async ({ agent }) => {
    const [admin, impostor, callee] = [agent('admin'), agent('Admin'), agent('callee')]
    callee.handle((call) => Object.keys(call).concat(String((call as { name?: string }).name)), {
      allow: [admin.getDID()],
    })
    expect(valueOf<unknown>(await admin.call('callee', 1))).not.toContain('admin')
    expect(codeOf(await impostor.call('callee', 1))).toBe('NOT_ALLOWED')
  })
})

describe('a bus', () => {
  test('knows who is there, in the order in which they came', ({ agent, bus }) => {
    const agents = [agent('a'), agent(), agent('c')]
    expect(bus.agents()).toEqual(agents.map((one) => ({ did: one.getDID(), name: one.name })))
    agents[1]!.close()
    expect(bus.agents().map(({ name }) => name)).toEqual(['a', 'c'])
  })

  test('is apart from every other', async ({ agent, bus }) => {
    const here = agent('here')
    here.handle(() => 'reached')
    const elsewhere = new MessageBus()
    for (const agentOptions of [{}, { bus: elsewhere }]) {
      using stranger = new AutoGenxBindAgent({ agentOptions })
      expect(codeOf(await stranger.call('here', 1))).toBe('AGENT_NOT_FOUND')
      expect(codeOf(await stranger.call(here.getDID(), 1))).toBe('AGENT_NOT_FOUND')
    }
    expect(bus.agents()).toHaveLength(1)
    elsewhere.close()
  })

  test('of a name is one and the same, until it is closed', async () => {
    const [one, same, other] = ['one', 'one', 'other'].map((name) => MessageBus.shared(`bus-spec.${name}`)) as [
      MessageBus,
      MessageBus,
      MessageBus,
    ]
    const agent = new AutoGenxBindAgent({ name: 'agent', agentOptions: { bus: one } })
    expect([one, same, other].map((bus) => bus.agents().length)).toEqual([1, 1, 0])
    agent.handle(() => 'reached')
    using caller = new AutoGenxBindAgent({ agentOptions: { bus: same } })
    expect(valueOf(await caller.call('agent', 1))).toBe('reached')
    same.close()
    expect(codeOf(await caller.call('agent', 1))).toBe('AGENT_CLOSED')
    expect(MessageBus.shared('bus-spec.one').agents()).toEqual([])
    other.close()
  })

  test('closes with all its agents', async ({ agent, bus }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(() => never)
    const [call, waiting] = [caller.call('callee', 1), caller.receive({ waitMs: 60_000 })]
    const loop = (async () => {
      for await (const message of callee.messages()) expect.unreachable(message.id)
    })()
    await new Promise((resolve) => setImmediate(resolve))
    bus.close()
    bus.close()
    expect([codeOf(await call), codeOf(await waiting)]).toEqual(['AGENT_CLOSED', 'AGENT_CLOSED'])
    await loop
    expect(bus.agents()).toEqual([])
    expect(codeOf(await caller.call('callee', 1))).toBe('AGENT_CLOSED')
    expect(codeOf(await callee.exportIdentity())).toBe('AGENT_CLOSED')
    expect(() => agent('late')).toThrow(expect.objectContaining({ code: 'AGENT_CLOSED' }))
    const key = valueOf(Identity.generate().toPKCS8())
    expect(codeOf(await AutoGenxBindAgent.fromIdentity(key, { agentOptions: { bus } }))).toBe('AGENT_CLOSED')
  })

  test('many agents may come and go', async ({ agent, bus }) => {
    const hub = agent('hub')
    hub.handle(({ payload }) => payload)
    for (let round = 0; round < 5; round++) {
      const agents = Array.from({ length: 200 }, (_, n) => agent(`agent-${n}`))
      const answers = await Promise.all(agents.map((one, n) => one.call('hub', n)))
      expect(answers.map((answer) => valueOf(answer))).toEqual(agents.map((_, n) => n))
      expect(bus.agents()).toHaveLength(201)
      for (const one of agents) one.close()
    }
    expect(bus.agents()).toHaveLength(1)
  })

  test('is made by this class only', () => {
    for (const bus of [{}, null, 'default', Object.create(MessageBus.prototype), { agents: () => [] }]) {
      expect(() => new AutoGenxBindAgent({ agentOptions: { bus: bus as never } })).toThrow(TypeError)
    }
    expect(() => MessageBus.shared(5 as never)).toThrow(TypeError)
  })
})

test('what one bus stops goes on on another', async () => {
  const [first, second] = [new MessageBus(), new MessageBus()]
  const identity = Identity.generate()
  let [go, begin] = [(): void => undefined, (): void => undefined]
  const waiting = (): Promise<unknown> => new Promise<void>((resolve) => (go = resolve))
  const begun = new Promise<void>((resolve) => (begin = resolve))
  using callee = new AutoGenxBindAgent({ identityProvider: identity, agentOptions: { bus: second } })
  using caller = new AutoGenxBindAgent({ agentOptions: { bus: second } })
  using other = new AutoGenxBindAgent({ agentOptions: { bus: first } })
  callee.handle(async () => {
    begin()
    await waiting()
    return 'done'
  })
  const call = caller.call(callee.getDID(), 1)
  await begun
  expect(first.stop(callee.getDID()).ok).toBe(true)
  expect(first.stop(caller.getDID()).ok).toBe(true)
  await new Promise((resolve) => setImmediate(resolve))
  go()
  expect(valueOf(await call)).toBe('done')
  expect(other.getDID()).toBeTruthy()
})
