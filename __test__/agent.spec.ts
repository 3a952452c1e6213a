import { AutoGenxBindAgent, Identity, MessageBus, XBindError, type AgentConfig } from '@private.me/autogen'
import { describe, expect, test } from 'vitest'
import { codeOf, valueOf } from './helpers/result.ts'

describe('making an agent', () => {
  test('needs nothing, and gives a new identity every time', () => {
    const agents = [new AutoGenxBindAgent(), new AutoGenxBindAgent({}), new AutoGenxBindAgent({ name: 'named' })]
    expect(new Set(agents.map((agent) => agent.getDID())).size).toBe(3)
    expect(agents.map(({ name }) => name)).toEqual([undefined, undefined, 'named'])
    for (const agent of agents) {
      expect(agent.getDID()).toMatch(/^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/)
      agent.close()
    }
  })

  test.each<AgentConfig['agentOptions'] & object>([
    { timeoutMs: 0 },
    { timeoutMs: 2 ** 31 },
    { messageTtlSeconds: 0 },
    { messageTtlSeconds: 301 },
    { messageTtlSeconds: 2.5 },
    { maxPayloadBytes: 0 },
    { maxPayloadBytes: -1 },
    { maxPayloadBytes: Infinity },
    { concurrency: 0 },
    { concurrency: Number.NaN },
    { inbox: { maxMessages: 0 } },
    { inbox: { maxBytes: 0 } },
    { inbox: { maxBytes: 1.5 } },
  ])('INVALID_CONFIG: %o', async (agentOptions) => {
    const make = () => new AutoGenxBindAgent({ agentOptions })
    expect(make).toThrow(XBindError)
    expect(make).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', hint: expect.stringMatching(/from \d+ to \d+/) }),
    )
    const key = valueOf(Identity.generate().toPKCS8())
    expect(codeOf(await AutoGenxBindAgent.fromIdentity(key, { agentOptions }))).toBe('INVALID_CONFIG')
  })

  test('the bounds themselves are allowed', () => {
    const least = {
      timeoutMs: 1,
      messageTtlSeconds: 1,
      maxPayloadBytes: 1,
      concurrency: 1,
      inbox: { maxMessages: 1, maxBytes: 1 },
    }
    const most = {
      timeoutMs: 2 ** 31 - 1,
      messageTtlSeconds: 300,
      maxPayloadBytes: 2 ** 31 - 1,
      concurrency: 2 ** 31 - 1,
      bus: new MessageBus({ maxLifetimeSeconds: 300 }),
    }
    for (const agentOptions of [least, most])
      expect(() => new AutoGenxBindAgent({ agentOptions }).close()).not.toThrow()
  })

  test.each<[string, unknown]>([
    ['config', 'researcher'],
    ['config', 5],
    ['config', null],
    ['name', { name: 5 }],
    ['name', { name: null }],
    ['verbose', { verbose: 'yes' }],
    ['agentOptions', { agentOptions: 5 }],
    ['agentOptions', { agentOptions: null }],
    ['timeoutMs', { agentOptions: { timeoutMs: '5' } }],
    ['concurrency', { agentOptions: { concurrency: 5n } }],
    ['inbox', { agentOptions: { inbox: 5 } }],
    ['inbox', { agentOptions: { inbox: { maxMessages: '5' } } }],
    ['logger', { logger: {} }],
    ['logger', { logger: { info() {} } }],
    ['logger', { logger: 'stderr' }],
    ['handler', { handler: null }],
    ['handler', { handler: { handle: () => 1 } }],
    ['onHandlerError', { onHandlerError: null }],
    ['onHandlerError', { onHandlerError: 'ignore' }],
    ['identityProvider', { identityProvider: {} }],
    ['identityProvider', { identityProvider: { getDID: () => 'x' } }],
    ['identityProvider', { identityProvider: { getDID: () => 5, sign: () => 5 } }],
    ['exportPKCS8', { identityProvider: { getDID: () => 'x', sign: () => 5, exportPKCS8: 5 } }],
  ])('a wrong type throws a TypeError that names it: %s', (name, config) => {
    const make = () => new AutoGenxBindAgent(config as never)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(name)
  })

  test('a constructor that throws leaves nobody behind', () => {
    const { length } = process.listeners('exit')
    for (let i = 0; i < 100; i++) expect(() => new AutoGenxBindAgent({ name: '-' })).toThrow(XBindError)
    expect(process.listeners('exit')).toHaveLength(length)
  })
})

describe('misuse throws, or rejects where a promise is returned', () => {
  const wrong = (value: unknown): never => value as never

  test('of every method', async () => {
    using agent = new AutoGenxBindAgent()
    for (const value of [undefined, null, 5, {}, ['x'], Symbol('x')]) {
      await expect(agent.call(wrong(value), 1)).rejects.toThrow(TypeError)
      await expect(agent.send(wrong(value), 1)).rejects.toThrow(TypeError)
    }
    for (const value of [null, 5, 'x']) {
      await expect(agent.call('x', 1, wrong(value))).rejects.toThrow(TypeError)
      await expect(agent.send('x', 1, wrong(value))).rejects.toThrow(TypeError)
      await expect(agent.receive(wrong(value))).rejects.toThrow(TypeError)
      expect(() => agent.handle(() => 1, wrong(value))).toThrow(TypeError)
      await expect(agent.exportIdentity(wrong(value))).rejects.toThrow(TypeError)
    }
    for (const options of [{ max: '5' }, { waitMs: '5' }, { max: null }])
      await expect(agent.receive(wrong(options))).rejects.toThrow(TypeError)
    await expect(agent.exportIdentity({ passphrase: wrong(5) })).rejects.toThrow(TypeError)
  })

  test('of fromIdentity', async () => {
    const key = valueOf(Identity.generate().toPKCS8())
    for (const value of [undefined, null, 5, {}, [...key], key.buffer]) {
      await expect(AutoGenxBindAgent.fromIdentity(wrong(value))).rejects.toThrow(TypeError)
    }
    for (const config of [null, 5, { passphrase: 5 }, { name: 5 }, { agentOptions: 5 }]) {
      await expect(AutoGenxBindAgent.fromIdentity(key, wrong(config))).rejects.toThrow(TypeError)
    }
  })

  test('methods torn off their agent', async () => {
    const { call, getDID, close } = AutoGenxBindAgent.prototype
    await expect(call.call(wrong({}), 'x', 1)).rejects.toThrow(TypeError)
    for (const method of [() => getDID.call(wrong({})), () => (close as () => void).call(wrong(null))]) {
      expect(method).toThrow(TypeError)
    }
  })
})

describe('importing', () => {
  test('takes no identity provider along, and keeps nothing of a failure', async () => {
    const identity = Identity.generate()
    const key = valueOf(identity.toPKCS8())
    const provider = { getDID: () => Identity.generate().did, sign: () => new Uint8Array(64) }
    await expect(AutoGenxBindAgent.fromIdentity(key, { identityProvider: provider } as never)).rejects.toThrow(
      TypeError,
    )
    expect(codeOf(await AutoGenxBindAgent.fromIdentity(key, { name: '-' }))).toBe('INVALID_NAME')
    using again = valueOf(await AutoGenxBindAgent.fromIdentity(key))
    expect(again.getDID()).toBe(identity.did)
    expect([...key.subarray(0, 4)]).toEqual([0x30, 0x2e, 0x02, 0x01])
  })
})
