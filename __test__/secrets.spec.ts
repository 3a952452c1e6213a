// A private key leaves through an explicit export, and nowhere else.
import { inspect } from 'node:util'
import { serialize } from 'node:v8'
import { AutoGenxBindAgent, Identity, MessageBus, XBindError } from '@private.me/autogen'
import { MessageVerifier } from '@private.me/autogen/messages'
import { describe, expect, test } from 'vitest'
import { node } from './helpers/child.ts'
import { errorOf, valueOf } from './helpers/result.ts'
import { hex, RFC8032, utf8 } from './helpers/vectors.ts'

const { seed } = RFC8032[0]
const passphrase = 'a-passphrase-nobody-may-see'

/** Every spelling in which the seed, or a part of it, might show. */
const spellings = [
  seed,
  seed.slice(0, 16),
  seed.slice(-16),
  Buffer.from(seed, 'hex').toString('base64').slice(0, 20),
  Buffer.from(seed, 'hex').toString('base64url').slice(0, 20),
  // as the last 32 bytes of PKCS#8, which base64 reaches at another offset
  Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex').toString('base64').slice(24, 60),
  Buffer.from(seed, 'hex').toString('latin1'),
  [...Buffer.from(seed, 'hex').subarray(0, 8)].join(','),
  [...Buffer.from(seed, 'hex').subarray(0, 8)].join(', '),
  passphrase,
]

function expectNoSecret(text: string, where: string): void {
  for (const spelling of spellings) expect(text.toLowerCase(), where).not.toContain(spelling.toLowerCase())
}

/** What any program can learn of a value without asking for an export. */
function visible(value: unknown): string {
  const attempts = [
    () => inspect(value, { depth: Infinity, showHidden: true, getters: true, maxArrayLength: Infinity }),
    () => JSON.stringify(value),
    () => String(value),
    () => JSON.stringify(Object.getOwnPropertyDescriptors(value)),
    () => serialize(value).toString('latin1'),
    () => JSON.stringify(structuredClone(value)),
    () => (value instanceof Error ? `${value.stack} ${JSON.stringify(value, Object.getOwnPropertyNames(value))}` : ''),
  ]
  return attempts.map((attempt) => quietly(attempt)).join('\n')
}

function quietly(attempt: () => string): string {
  try {
    return attempt()
  } catch (error) {
    return String(error)
  }
}

describe('what can be seen of', () => {
  const identity = valueOf(Identity.fromSeed(hex(seed)))
  const encrypted = valueOf(identity.toPKCS8({ passphrase }))

  test('the spellings would be found', () => {
    expect(() => expectNoSecret(visible({ leaked: hex(seed) }), 'leak')).toThrow()
    expect(() => expectNoSecret(visible(valueOf(identity.toPKCS8({ format: 'pem' }))), 'leak')).toThrow()
    expect(() => expectNoSecret(visible({ leaked: passphrase }), 'leak')).toThrow()
  })

  test('an identity', () => {
    expectNoSecret(visible(identity), 'identity')
    expectNoSecret(visible({ nested: [identity, identity.toJWK(), identity.toDIDDocument()] }), 'nested')
    expect(Object.keys(identity)).toEqual(['did'])
    expect('d' in identity.toJWK()).toBe(false)
  })

  test('an agent, its bus, its messages and receipts', async () => {
    const bus = new MessageBus()
    const agentOptions = { bus }
    const agent = valueOf(await AutoGenxBindAgent.fromIdentity(encrypted, { passphrase, agentOptions }))
    const other = new AutoGenxBindAgent({ agentOptions })
    const receipt = await agent.send(other.getDID(), 'hello')
    for (const value of [agent, bus, receipt, await other.receive(), await agent.call('nobody', 1)]) {
      expectNoSecret(visible(value), inspect(value))
    }
    bus.close()
  })

  test('a sealed message and its verifier', () => {
    const to = Identity.generate()
    const sealed = valueOf(identity.seal({ op: 'send', to: to.did, body: utf8('x') }))
    const verifier = new MessageVerifier({ audience: to.did })
    expectNoSecret(visible(sealed), 'sealed')
    expectNoSecret(visible([verifier, verifier.open(sealed.jws, sealed.body)]), 'opened')
  })

  test('the errors of key files', () => {
    const plain = valueOf(identity.toPKCS8())
    const broken = [plain.subarray(1), plain.subarray(0, 47), new Uint8Array([...plain, 0]), plain.toReversed()]
    const pem = valueOf(identity.toPKCS8({ format: 'pem' }))
    const errors = [
      ...broken.map((file) => errorOf(Identity.fromPKCS8(file))),
      errorOf(Identity.fromPKCS8(pem.replace('PRIVATE', 'PUBLIC'))),
      errorOf(Identity.fromPKCS8(`${pem}x`)),
      errorOf(Identity.fromPKCS8(seed)),
      errorOf(Identity.fromSeed(hex(`${seed}00`))),
      errorOf(Identity.fromPKCS8(encrypted)),
      errorOf(Identity.fromPKCS8(encrypted.subarray(0, 150), { passphrase })),
      errorOf(Identity.fromPKCS8(valueOf(identity.toPKCS8({ passphrase: 'another' })), { passphrase })),
    ]
    for (const error of errors) {
      expect(error).toBeInstanceOf(XBindError)
      expectNoSecret(visible(error), error.code)
    }
  })

  test('TypeErrors over secrets', () => {
    const wrong = [
      () => Identity.fromSeed(seed as never),
      () => Identity.fromSeed([...hex(seed)] as never),
      () => Identity.fromPKCS8({ key: hex(seed) } as never),
      () => Identity.fromPKCS8(encrypted, passphrase as never),
      () => identity.toPKCS8(passphrase as never),
      () => new AutoGenxBindAgent(seed as never),
    ]
    for (const attempt of wrong) {
      expect(attempt).toThrow(TypeError)
      try {
        attempt()
      } catch (error) {
        expectNoSecret(visible(error), String(error))
      }
    }
  })
})

test('a program that logs all it can writes no secret and no payload', async () => {
  const { code, stdout, stderr } = await node(`
    import { inspect } from 'node:util'
    import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
    const passphrase = ${JSON.stringify(passphrase)}
    const identity = Identity.fromSeed(Buffer.from('${seed}', 'hex')).value
    const der = identity.toPKCS8({ passphrase }).value
    const { value: agent } = await AutoGenxBindAgent.fromIdentity(der, { passphrase, name: 'chatty', verbose: true })
    const other = new AutoGenxBindAgent({ name: 'other', verbose: true })
    other.handle(({ payload }) => { if (payload.fail) throw new Error('an error of the handler'); return payload })
    for (const payload of [{ secret: 'payload-marker' }, { fail: true, secret: 'payload-marker' }, 5n]) {
      const result = await agent.call('other', payload)
      console.log(inspect([agent, identity, result.error], { depth: 9, showHidden: true }))
    }
    await agent.send('other', 'payload-marker')
    console.error(await AutoGenxBindAgent.fromIdentity(der, { passphrase: passphrase + '!' }))
    process.report.writeReport('/dev/stdout')
  `)
  expect(code).toBe(0)
  for (const part of ['chatty', 'an error of the handler']) expect(stderr).toContain(part)
  for (const text of [stdout.replaceAll(/"commandLine": \[[^\]]*\]/g, ''), stderr]) {
    expectNoSecret(text, 'output')
    expect(text).not.toContain('payload-marker')
  }
})
