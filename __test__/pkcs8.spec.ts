import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
import { describe, expect, test } from 'vitest'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { base64, hex, vectors } from './helpers/vectors.ts'

interface Vectors {
  cases: {
    name: string
    derBase64?: string
    pem?: string
    passphrase?: string
    did?: string
    code?: string
    why: string
  }[]
  exports: { name: string; seedHex: string; derBase64: string; pem: string; passphrase?: string }[]
}
const { cases, exports: exported } = vectors<Vectors>('pkcs8.json')
const withPassphrase = (passphrase: string | undefined) => (passphrase === undefined ? {} : { passphrase })

describe('key files of vectors/pkcs8.json', () => {
  // Files that would make a careless reader allocate gigabytes, or derive keys for hours, are among these.
  test.each(cases)('$name: $why', async ({ derBase64, pem, passphrase, did, code }) => {
    const file = pem ?? base64(derBase64 ?? '')
    const result = Identity.fromPKCS8(file, withPassphrase(passphrase))
    expect(codeOf(result)).toBe(code ?? 'ok')
    if (did !== undefined) expect(valueOf(result).did).toBe(did)
    const agent = await AutoGenxBindAgent.fromIdentity(file, withPassphrase(passphrase))
    expect(codeOf(agent)).toBe(code ?? 'ok')
    if (agent.ok) {
      expect(agent.value.getDID()).toBe(did)
      agent.value.close()
    }
  })

  test('refusals are among them, of every kind', () => {
    expect(new Set(cases.map(({ code }) => code))).toEqual(new Set([undefined, 'IMPORT_FAILED', 'WRONG_PASSPHRASE']))
  })

  test.each(exported.filter(({ passphrase }) => passphrase === undefined))('export: $name', (vector) => {
    const identity = valueOf(Identity.fromSeed(hex(vector.seedHex)))
    expect(valueOf(identity.toPKCS8())).toEqual(base64(vector.derBase64))
    expect(valueOf(identity.toPKCS8({ format: 'der' }))).toEqual(base64(vector.derBase64))
    expect(valueOf(identity.toPKCS8({ format: 'pem' }))).toBe(vector.pem)
  })
})

describe('there and back', () => {
  const identity = Identity.generate()
  const passphrases = ['p', 'correct horse battery staple', 'Grüße, 密码 🔑', ' ', '\0', 'x'.repeat(1000)]

  test('plain: 48 bytes of version 1, or PEM', () => {
    const der = valueOf(identity.toPKCS8())
    expect(der).toHaveLength(48)
    expect(Buffer.from(der).toString('hex', 0, 16)).toBe('302e020100300506032b657004220420')
    const pem = valueOf(identity.toPKCS8({ format: 'pem' }))
    expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/]{64}\n-----END PRIVATE KEY-----\n$/)
    expect(valueOf(Identity.fromPKCS8(der)).did).toBe(identity.did)
    expect(valueOf(Identity.fromPKCS8(pem)).did).toBe(identity.did)
    expect(valueOf(Identity.fromPKCS8(new TextEncoder().encode(pem))).did).toBe(identity.did)
  })

  test.each(passphrases)('with the passphrase %j', (passphrase) => {
    const der = valueOf(identity.toPKCS8({ passphrase }))
    const pem = valueOf(identity.toPKCS8({ passphrase, format: 'pem' }))
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
    expect(valueOf(Identity.fromPKCS8(der, { passphrase })).did).toBe(identity.did)
    expect(valueOf(Identity.fromPKCS8(pem, { passphrase })).did).toBe(identity.did)
    const wrong = errorOf(Identity.fromPKCS8(der, { passphrase: `${passphrase}!` }))
    expect(wrong.code).toBe('WRONG_PASSPHRASE')
    expect(`${wrong.message} ${wrong.hint ?? ''}`).not.toContain(`${passphrase}!`)
  })

  test('an encrypted key does not open without a passphrase, and says what is missing', () => {
    const error = errorOf(Identity.fromPKCS8(valueOf(identity.toPKCS8({ passphrase: 'p' }))))
    expect(error.code).toBe('IMPORT_FAILED')
    expect(error.hint).toMatch(/passphrase/)
  })

  test('an empty passphrase protects nothing', () => {
    expect(codeOf(identity.toPKCS8({ passphrase: '' }))).toBe('EXPORT_FAILED')
  })

  test('no two encryptions are alike', () => {
    const files = [1, 2, 3].map(() => Buffer.from(valueOf(identity.toPKCS8({ passphrase: 'p' }))).toString('hex'))
    expect(new Set(files).size).toBe(3)
    const seed = Buffer.from(valueOf(identity.toPKCS8())).subarray(16).toString('hex')
    for (const file of files) expect(file).not.toContain(seed)
  })

  test('an agent takes its identity along', async () => {
    using agent = new AutoGenxBindAgent()
    const plain = valueOf(await agent.exportIdentity())
    const encrypted = valueOf(await agent.exportIdentity({ passphrase: 'p' }))
    expect(plain).toHaveLength(48)
    expect(Object.getPrototypeOf(plain)).toBe(Uint8Array.prototype)
    using again = valueOf(await AutoGenxBindAgent.fromIdentity(plain, { name: 'again' }))
    using third = valueOf(await AutoGenxBindAgent.fromIdentity(encrypted, { passphrase: 'p' }))
    expect([again.getDID(), third.getDID(), again.name]).toEqual([agent.getDID(), agent.getDID(), 'again'])
    expect(codeOf(await AutoGenxBindAgent.fromIdentity(encrypted, { passphrase: 'q' }))).toBe('WRONG_PASSPHRASE')
    expect(codeOf(await AutoGenxBindAgent.fromIdentity(plain, { name: 'no good' }))).toBe('INVALID_NAME')
  })
})

test('no single flipped bit of a key file opens as another identity unnoticed', () => {
  const identity = Identity.generate()
  const der = valueOf(identity.toPKCS8())
  for (let bit = 0; bit < 16 * 8; bit++) {
    const flipped = new Uint8Array(der)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    expect(codeOf(Identity.fromPKCS8(flipped)), `bit ${bit}`).toBe('IMPORT_FAILED')
  }
  for (let length = 0; length < der.length; length++) {
    expect(codeOf(Identity.fromPKCS8(der.subarray(0, length))), `${length} bytes`).toBe('IMPORT_FAILED')
  }
})
