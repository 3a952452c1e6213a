// Agents whose key lives elsewhere.
import { AutoGenxBindAgent, Identity, type MessageBus, type xBindIdentityProvider } from '@private.me/autogen'
import { describe, expect } from 'vitest'
import { gate, never, test, turn } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

type Sign = xBindIdentityProvider['sign']

function keptElsewhere(sign?: (identity: Identity) => Sign, more: Partial<xBindIdentityProvider> = {}) {
  const identity = Identity.generate()
  const provider = {
    getDID: () => identity.did,
    sign: sign?.(identity) ?? ((bytes: Uint8Array) => identity.dangerouslySign(bytes)),
    ...more,
  }
  return { identity, provider }
}
const join = (bus: MessageBus, identityProvider: xBindIdentityProvider, name?: string): AutoGenxBindAgent =>
  new AutoGenxBindAgent({ identityProvider, agentOptions: { bus }, ...(name === undefined ? {} : { name }) })

describe('a provider that signs', () => {
  test.each<[string, (identity: Identity) => Sign]>([
    ['at once', (identity) => (bytes) => identity.dangerouslySign(bytes)],
    ['later', (identity) => async (bytes) => (await turn(), identity.dangerouslySign(bytes))],
    ['with a Buffer', (identity) => (bytes) => Buffer.from(identity.dangerouslySign(bytes))],
    [
      'with a view',
      (identity) => (bytes) => new Uint8Array([0, ...identity.dangerouslySign(bytes), 0]).subarray(1, 65),
    ],
  ])('%s: its agent calls, answers, sends and receives', async (_, sign) => {
    const { MessageBus: Bus } = await import('@private.me/autogen')
    const bus = new Bus()
    const one = keptElsewhere(sign)
    const [remote, plain] = [
      join(bus, one.provider, 'remote'),
      new AutoGenxBindAgent({ name: 'plain', agentOptions: { bus } }),
    ]
    expect(remote.getDID()).toBe(one.identity.did)
    remote.handle(({ payload }) => [payload, 'remote'])
    plain.handle(({ from }) => from)
    expect(valueOf(await plain.call('remote', 1))).toEqual([1, 'remote'])
    expect(valueOf(await remote.call('plain', 1))).toBe(one.identity.did)
    expect(valueOf(await remote.send('plain', 2)).status).toBe('delivered')
    const many = await Promise.all(Array.from({ length: 50 }, (__, n) => plain.call('remote', n)))
    expect(many.map((result) => valueOf(result))).toEqual(Array.from({ length: 50 }, (__, n) => [n, 'remote']))
    bus.close()
  })

  test('one by one keeps the order, however long each takes', async ({ agent, bus }) => {
    let [asked, most] = [0, 0]
    const { provider } = keptElsewhere((identity) => async (bytes) => {
      most = Math.max(most, ++asked)
      for (let i = 0; i < asked * 3; i++) await turn()
      asked--
      return identity.dangerouslySign(bytes)
    })
    const [sender, recipient] = [join(bus, provider), agent('recipient')]
    const sent: Promise<unknown>[] = []
    for (let n = 0; n < 30; n++) {
      sent.push(sender.send('recipient', n))
      if (n % 4 === 0) await turn()
    }
    await Promise.all(sent)
    expect(valueOf(await recipient.receive()).map(({ payload }) => payload)).toEqual(
      Array.from({ length: 30 }, (_, n) => n),
    )
    expect(most).toBe(1)
  })
})

describe('a provider that fails', () => {
  const other = Identity.generate()
  test.each<[string, (identity: Identity) => Sign]>([
    ['signs with another key', () => (bytes) => other.dangerouslySign(bytes)],
    ['signs other bytes', (identity) => (bytes) => identity.dangerouslySign(bytes.subarray(1))],
    ['gives too few bytes', (identity) => (bytes) => identity.dangerouslySign(bytes).subarray(1)],
    ['gives zeros', () => () => new Uint8Array(64)],
    ['gives hex', (identity) => (bytes) => Buffer.from(identity.dangerouslySign(bytes)).toString('hex') as never],
    ['gives an array', (identity) => (bytes) => [...identity.dangerouslySign(bytes)] as never],
    ['gives nothing', () => () => undefined as never],
    [
      'throws',
      () => () => {
        throw new Error('swordfish')
      },
    ],
    ['rejects', () => () => Promise.reject(new Error('swordfish'))],
    ['rejects with nothing', () => () => Promise.reject()], // oxlint-disable-line prefer-promise-reject-errors
    [
      'gives a thenable that throws',
      () => () =>
        ({
          // oxlint-disable-next-line no-thenable -- what a careless library might do
          then() {
            throw new Error('swordfish')
          },
        }) as never,
    ],
    [
      'gives a thenable that cannot be looked at',
      () => () =>
        new Proxy(
          {},
          {
            get() {
              throw new Error('swordfish')
            },
          },
        ) as never,
    ],
  ])('%s: SIGN_FAILED, and nothing arrives', async (_, sign) => {
    const { MessageBus: Bus } = await import('@private.me/autogen')
    const bus = new Bus()
    const { provider } = keptElsewhere(sign)
    const [remote, plain] = [
      join(bus, provider, 'remote'),
      new AutoGenxBindAgent({ name: 'plain', agentOptions: { bus } }),
    ]
    for (const result of await Promise.all([remote.call('plain', 1), remote.send('plain', 2)])) {
      const error = errorOf(result)
      expect(error.code).toBe('SIGN_FAILED')
      expect(JSON.stringify([error, error.message, error.hint, error.stack])).not.toContain('swordfish')
    }
    expect(valueOf(await plain.receive())).toEqual([])
    remote.handle(() => 'unsigned')
    // It never showed that its key is there, so it is not listed.
    expect(codeOf(await plain.call('remote', 1))).toBe('AGENT_NOT_FOUND')
    expect(bus.agents().map(({ name }) => name)).toEqual(['plain'])
    bus.close()
  })

  test('never settles: the call runs out of time, and so does the call of another to its agent', async ({
    agent,
    bus,
  }) => {
    const { provider } = keptElsewhere(() => () => never)
    const [remote, plain] = [join(bus, provider, 'remote'), agent('plain')]
    remote.handle(() => 'never signed')
    const calls = [remote.call('plain', 1, { timeoutMs: 20 }), plain.call('remote', 1, { timeoutMs: 20 })]
    expect((await Promise.all(calls)).map((result) => codeOf(result))).toEqual(['TIMEOUT', 'TIMEOUT'])
    expect(valueOf(await plain.receive())).toEqual([])
  })

  test('hangs once: the calls after the one that ran out of time go through', async ({ agent, bus }) => {
    let hangs = true
    const { provider } = keptElsewhere((identity) => (bytes) => (hangs ? never : identity.dangerouslySign(bytes)))
    const [remote, plain] = [join(bus, provider), agent('plain')]
    plain.handle(({ payload }) => payload)
    expect(codeOf(await remote.call('plain', 1, { timeoutMs: 20 }))).toBe('TIMEOUT')
    hangs = false
    expect(valueOf(await remote.call('plain', 2))).toBe(2)
  })

  test('fails once: what comes after goes through', async ({ agent, bus }) => {
    let calls = 0
    const { provider } = keptElsewhere(
      (identity) => (bytes) => (calls++ === 0 ? new Uint8Array(64) : identity.dangerouslySign(bytes)),
    )
    const [remote, plain] = [join(bus, provider), agent('plain')]
    plain.handle(({ payload }) => payload)
    expect(codeOf(await remote.call('plain', 1))).toBe('SIGN_FAILED')
    expect(valueOf(await remote.call('plain', 2))).toBe(2)
  })

  test('answers when its agent is closed already', async ({ agent, bus }) => {
    const late = gate()
    const { provider } = keptElsewhere(
      (identity) => async (bytes) => (await late.promise, identity.dangerouslySign(bytes)),
    )
    const [remote, plain] = [join(bus, provider), agent('plain')]
    const call = remote.call('plain', 1)
    await turn()
    remote.close()
    expect(codeOf(await call)).toBe('AGENT_CLOSED')
    late.open()
    await turn()
    expect(valueOf(await plain.receive())).toEqual([])
  })

  test('has no say in who it is: a DID that is none is refused', ({ bus }) => {
    for (const did of ['', 'me', 'did:web:example.com', 'did:key:z6Mk']) {
      const provider = { getDID: () => did, sign: () => new Uint8Array(64) }
      expect(() => join(bus, provider)).toThrow(expect.objectContaining({ code: 'INVALID_DID' }))
    }
    const provider = {
      sign: () => new Uint8Array(64),
      getDID(): string {
        throw new RangeError('no DID today')
      },
    }
    expect(() => join(bus, provider)).toThrow('no DID today')
    expect(bus.agents()).toEqual([])
  })

  test('changes its DID: the agent keeps the one it joined with', async ({ agent, bus }) => {
    const [first, second] = [Identity.generate(), Identity.generate()]
    let current = first
    const remote = join(bus, { getDID: () => current.did, sign: (bytes) => current.dangerouslySign(bytes) })
    current = second
    expect(remote.getDID()).toBe(first.did)
    agent('plain')
    expect(codeOf(await remote.call('plain', 1))).toBe('SIGN_FAILED')
  })
})

describe('exportIdentity', () => {
  test('asks the provider, if it lets its key out', async ({ bus }) => {
    const plain = keptElsewhere()
    expect(codeOf(await join(bus, plain.provider).exportIdentity())).toBe('EXPORT_FAILED')
    const { identity, provider } = keptElsewhere(undefined)
    const remote = join(bus, { ...provider, exportPKCS8: async () => valueOf(identity.toPKCS8()) })
    expect(valueOf(await remote.exportIdentity())).toEqual(valueOf(identity.toPKCS8()))
    const encrypted = valueOf(await remote.exportIdentity({ passphrase: 'p' }))
    expect(codeOf(Identity.fromPKCS8(encrypted))).toBe('IMPORT_FAILED')
    expect(valueOf(Identity.fromPKCS8(encrypted, { passphrase: 'p' })).did).toBe(identity.did)
  })

  test.each<[string, () => never]>([
    ["another's key", () => valueOf(Identity.generate().toPKCS8()) as never],
    ['no key', () => new Uint8Array(48) as never],
    ['text', () => 'key' as never],
    ['nothing', () => undefined as never],
    [
      'an exception',
      () => {
        throw new Error('swordfish')
      },
    ],
    ['a rejection', () => Promise.reject(new Error('swordfish')) as never],
  ])('EXPORT_FAILED for %s', async (_, exportPKCS8) => {
    const { provider } = keptElsewhere(undefined, { exportPKCS8 })
    using remote = new AutoGenxBindAgent({ identityProvider: provider })
    const error = errorOf(await remote.exportIdentity())
    expect(error.code).toBe('EXPORT_FAILED')
    expect(JSON.stringify([error, error.message, error.stack])).not.toContain('swordfish')
  })
})
