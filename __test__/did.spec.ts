import { AutoGenxBindAgent, didToPublicKey, Identity, publicKeyToDID } from '@private.me/autogen'
import { MessageVerifier } from '@private.me/autogen/messages'
import { describe, expect, test } from 'vitest'
import { codeOf, valueOf } from './helpers/result.ts'
import { hex, vectors } from './helpers/vectors.ts'

interface Vectors {
  cases: { name: string; did: string; publicKeyHex?: string; code?: string; why: string }[]
  keys: { name: string; publicKeyHex: string; did?: string; code?: string; why: string }[]
}
const { cases, keys } = vectors<Vectors>('did-key.json')
const refused = cases.filter(({ code }) => code !== undefined)

describe('DIDs of vectors/did-key.json', () => {
  test.each(cases)('$name: $why', ({ did, publicKeyHex, code }) => {
    const result = didToPublicKey(did)
    expect(codeOf(result)).toBe(code ?? 'ok')
    if (publicKeyHex !== undefined) expect(valueOf(result)).toEqual(hex(publicKeyHex))
  })

  test('there are refusals, and each is refused wherever a DID is taken', async () => {
    expect(refused.length).toBeGreaterThan(100)
    const identity = Identity.generate()
    using agent = new AutoGenxBindAgent()
    for (const { did, name, code } of refused) {
      const body = new Uint8Array()
      expect(codeOf(identity.seal({ op: 'send', to: did, body })), name).toBe(code)
      expect(() => new MessageVerifier({ audience: did }), name).toThrow(expect.objectContaining({ code }))
      expect(() => agent.handle(() => 1, { allow: [did] }), name).toThrow(expect.objectContaining({ code }))
      const provider = { getDID: () => did, sign: () => new Uint8Array(64) }
      expect(() => new AutoGenxBindAgent({ identityProvider: provider }), name).toThrow(
        expect.objectContaining({ code }),
      )
    }
    for (const { did, name } of refused) {
      const code = codeOf(await agent.call(did, null))
      if (did.startsWith('did:')) expect(code, name).toBe('INVALID_DID')
      else expect(['INVALID_NAME', 'AGENT_NOT_FOUND'], name).toContain(code)
    }
  })
})

describe('public keys of vectors/did-key.json', () => {
  test.each(keys)('$name: $why', ({ publicKeyHex, did, code }) => {
    const result = publicKeyToDID(hex(publicKeyHex))
    expect(codeOf(result)).toBe(code ?? 'ok')
    if (did !== undefined) expect(valueOf(result)).toBe(did)
  })
})

test('a DID has one spelling: no alias reaches an agent, an allow list or a verifier', async () => {
  using agent = new AutoGenxBindAgent()
  using caller = new AutoGenxBindAgent()
  agent.handle(() => 'reached')
  const did = agent.getDID()
  expect(valueOf(await caller.call(did, null))).toBe('reached')
  const multibase = did.slice('did:key:'.length)
  const aliases = [
    did.toUpperCase(),
    `DID:key:${multibase}`,
    `did:KEY:${multibase}`,
    `did:key:1:${multibase}`,
    `did:key:1.1:${multibase}`,
    `${did}#${multibase}`,
    `${did}?x`,
    `${did}/`,
    ` ${did}`,
    `${did}\n`,
    `${did}\0`,
    `did:key:%7A${multibase.slice(1)}`,
    `did:key:z1${multibase.slice(1)}`,
    `did:key:u${Buffer.from(`ed01${Buffer.from(valueOf(didToPublicKey(did))).toString('hex')}`, 'hex').toString('base64url')}`,
  ]
  for (const alias of aliases) {
    expect(codeOf(didToPublicKey(alias)), JSON.stringify(alias)).toBe('INVALID_DID')
    expect(['INVALID_DID', 'INVALID_NAME'], JSON.stringify(alias)).toContain(codeOf(await caller.call(alias, null)))
  }
})

test('a text that is far too long is refused before it is decoded', () => {
  const long = `did:key:z6Mk${'1'.repeat(5_000_000)}`
  for (let i = 0; i < 20; i++) expect(codeOf(didToPublicKey(long))).toBe('INVALID_DID')
})
