import { createHash } from 'node:crypto'
import { didToPublicKey, Identity, publicKeyToDID, verifySignature, XBindError } from '@private.me/autogen'
import { describe, expect, test } from 'vitest'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { hex, RFC8032, utf8, vectors } from './helpers/vectors.ts'

const asHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a fresh identity', () => {
  test('has a did:key of an Ed25519 key, and another every time', () => {
    const identities = Array.from({ length: 50 }, () => Identity.generate())
    for (const { did, publicKey } of identities) {
      expect(did).toMatch(/^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/)
      expect(publicKey).toHaveLength(32)
      expect(valueOf(didToPublicKey(did))).toEqual(publicKey)
      expect(valueOf(publicKeyToDID(publicKey))).toBe(did)
    }
    expect(new Set(identities.map(({ did }) => did)).size).toBe(50)
  })

  test('gives its bytes as plain Uint8Arrays that belong to the caller', () => {
    const identity = Identity.generate()
    for (const bytes of [identity.publicKey, identity.sign(utf8('x')), valueOf(identity.toPKCS8())]) {
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype)
    }
    identity.publicKey.fill(0)
    expect(valueOf(publicKeyToDID(identity.publicKey))).toBe(identity.did)
  })
})

describe('RFC 8032 section 7.1', () => {
  test.each(RFC8032)('$name', ({ seed, publicKey, message, signature }) => {
    const identity = valueOf(Identity.fromSeed(hex(seed)))
    expect(asHex(identity.publicKey)).toBe(publicKey)
    expect(asHex(identity.sign(hex(message)))).toBe(signature)
    expect(valueOf(verifySignature(identity.did, hex(message), hex(signature)))).toBe(true)
  })

  test('a seed has 32 bytes', () => {
    for (const length of [0, 1, 31, 33, 64]) {
      expect(codeOf(Identity.fromSeed(new Uint8Array(length)))).toBe('INVALID_KEY')
    }
  })

  test('the seed is read once: changing it later changes nothing', () => {
    const seed = hex(RFC8032[0].seed)
    const identity = valueOf(Identity.fromSeed(seed))
    seed.fill(0)
    expect(asHex(identity.sign(new Uint8Array()))).toBe(RFC8032[0].signature)
  })

  test('a view into a larger buffer is only itself', () => {
    const whole = Buffer.from(`ff${RFC8032[1].seed}ff`, 'hex')
    const identity = valueOf(Identity.fromSeed(whole.subarray(1, 33)))
    expect(asHex(identity.publicKey)).toBe(RFC8032[1].publicKey)
    const data = Buffer.from(`00${RFC8032[1].message}00`, 'hex')
    expect(asHex(identity.sign(data.subarray(1, 2)))).toBe(RFC8032[1].signature)
  })
})

describe('verification', () => {
  const identity = Identity.generate()
  const data = utf8('what was said')
  const signature = identity.sign(data)

  test('is false for every single flipped bit of the signature', () => {
    for (let bit = 0; bit < 512; bit++) {
      const flipped = new Uint8Array(signature)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(valueOf(verifySignature(identity.did, data, flipped)), `bit ${bit}`).toBe(false)
    }
  })

  test('is false for other data, another DID, another length', () => {
    expect(valueOf(verifySignature(identity.did, data, signature))).toBe(true)
    expect(valueOf(verifySignature(identity.did, utf8('what was not said'), signature))).toBe(false)
    expect(valueOf(verifySignature(Identity.generate().did, data, signature))).toBe(false)
    for (const length of [0, 63, 65]) {
      const other = new Uint8Array(length)
      other.set(signature.subarray(0, length))
      expect(valueOf(verifySignature(identity.did, data, other))).toBe(false)
    }
  })

  test('knows S below L only: S + L does not sign the same again', () => {
    const L = 2n ** 252n + 27742317777372353535851937790883648493n
    const scalar = BigInt(`0x${asHex(signature.slice(32).toReversed())}`) + L
    const malleated = new Uint8Array(signature)
    malleated.set(hex(scalar.toString(16).padStart(64, '0')).toReversed(), 32)
    expect(valueOf(verifySignature(identity.did, data, malleated))).toBe(false)
  })

  test('is false for a small-order R, and refuses small-order keys outright', () => {
    const neutral = hex('01'.padEnd(64, '0'))
    const forged = new Uint8Array(64)
    forged.set(neutral)
    expect(valueOf(verifySignature(identity.did, data, forged))).toBe(false)
    expect(codeOf(publicKeyToDID(neutral))).toBe('INVALID_KEY')
    const base58 = 'did:key:z6MkeTG3bFFSLYVU7VqhgZxqr6YzpaGrQtFMh1uvqGy1vDnP' // 32 zero bytes, of order 4
    expect(codeOf(verifySignature(base58, data, forged))).toBe('INVALID_DID')
  })

  test('answers an unusable DID with an error', () => {
    for (const did of ['', 'did:key:', 'did:web:example.com', `${identity.did}x`, `${identity.did} `]) {
      const error = errorOf(verifySignature(did, data, signature))
      expect(error.code).toBe('INVALID_DID')
      expect(error).toBeInstanceOf(XBindError)
      expect(error).toBeInstanceOf(Error)
    }
  })
})

describe('what is derived from a DID', () => {
  const { documents } = vectors<{
    documents: { did: string; jwk: Record<string, string>; thumbprint: string; didDocument: object }[]
  }>('did-key.json')

  test.each(documents)('$did', ({ did, jwk, thumbprint, didDocument }) => {
    const identity = valueOf(Identity.fromSeed(hex(RFC8032[0].seed)))
    expect(identity.did).toBe(did)
    expect(identity.toJWK()).toEqual(jwk)
    expect(identity.toDIDDocument()).toEqual(didDocument)
    // RFC 7638 section 3.2: the required members of an OKP key, in this order, nothing else.
    const { crv, kty, x } = identity.toJWK()
    expect(createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url')).toBe(thumbprint)
    expect(thumbprint).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k') // RFC 8037 appendix A.3
  })

  test('the JWK is public, and its kid names the DID', () => {
    const identity = Identity.generate()
    const jwk = identity.toJWK()
    expect(Object.keys(jwk).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x'])
    expect(Buffer.from(jwk.x, 'base64url')).toEqual(Buffer.from(identity.publicKey))
    expect(jwk.kid).toBe(`${identity.did}#${identity.did.slice('did:key:'.length)}`)
  })
})

describe('a destroyed identity', () => {
  test('keeps its public half, and does nothing with the other', () => {
    const identity = Identity.generate()
    const { did, publicKey } = identity
    identity.destroy()
    identity.destroy()
    expect([identity.did, identity.publicKey, identity.toJWK().kid.split('#')[0]]).toEqual([did, publicKey, did])
    expect(() => identity.sign(utf8('x'))).toThrow(expect.objectContaining({ code: 'SIGN_FAILED' }))
    expect(codeOf(identity.toPKCS8())).toBe('EXPORT_FAILED')
    expect(codeOf(identity.toPKCS8({ passphrase: 'p', format: 'pem' }))).toBe('EXPORT_FAILED')
    const to = Identity.generate().did
    expect(codeOf(identity.seal({ op: 'send', to, body: new Uint8Array() }))).toBe('SIGN_FAILED')
  })

  test('dispose destroys', () => {
    const identity = Identity.generate()
    identity[Symbol.dispose]()
    expect(() => identity.sign(utf8('x'))).toThrow(XBindError)
  })
})

test('values of the wrong type throw a TypeError', () => {
  const identity = Identity.generate()
  const wrong = (value: unknown): never => value as never
  for (const value of [undefined, null, 5, 'text', [1, 2], {}, new ArrayBuffer(32), new Uint16Array(16)]) {
    expect(() => Identity.fromSeed(wrong(value))).toThrow(TypeError)
    expect(() => identity.sign(wrong(value))).toThrow(TypeError)
    expect(() => publicKeyToDID(wrong(value))).toThrow(TypeError)
    expect(() => verifySignature(identity.did, wrong(value), new Uint8Array(64))).toThrow(TypeError)
    expect(() => verifySignature(identity.did, new Uint8Array(), wrong(value))).toThrow(TypeError)
  }
  for (const value of [undefined, null, 5, new Uint8Array(32), new String(identity.did)]) {
    expect(() => didToPublicKey(wrong(value))).toThrow(TypeError)
    expect(() => verifySignature(wrong(value), new Uint8Array(), new Uint8Array(64))).toThrow(TypeError)
  }
  expect(() => identity.toPKCS8(wrong({ format: 'jwk' }))).toThrow(TypeError)
  expect(() => identity.toPKCS8(wrong({ passphrase: 5 }))).toThrow(TypeError)
  expect(() => Identity.fromPKCS8(wrong(5))).toThrow(TypeError)
  expect(() => Identity.fromPKCS8(new Uint8Array(), wrong({ passphrase: 5 }))).toThrow(TypeError)
  expect(() => new (Identity as unknown as new (key: unknown) => Identity)({})).toThrow()
})

test('an identity is what it is: its DID cannot be overwritten', () => {
  const identity = Identity.generate()
  const { did } = identity
  try {
    ;(identity as { did: string }).did = Identity.generate().did
  } catch {
    // refusing loudly is as good
  }
  expect([identity.did, identity.toJWK().kid.split('#')[0], identity.toDIDDocument().id]).toEqual([did, did, did])
})
