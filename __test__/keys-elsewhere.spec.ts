// Keys made here open in OpenSSL, Node's crypto, WebCrypto and Python's cryptography, and theirs open here.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, webcrypto } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Identity, verifySignature } from '@private.me/autogen'
import { afterAll, describe, expect, test } from 'vitest'
import { codeOf, valueOf } from './helpers/result.ts'
import { openssl, python } from './helpers/tools.ts'
import { utf8 } from './helpers/vectors.ts'

const folder = mkdtempSync(join(tmpdir(), 'xbind-keys-'))
afterAll(() => rmSync(folder, { recursive: true }))
const at = (name: string): string => join(folder, name)

const passphrase = 'Grüße, 密码'
const data = utf8('signed in one place, verified in another')
const identity = Identity.generate()

/** All four forms in which a key leaves. */
const forms = [
  { form: 'DER', key: valueOf(identity.toPKCS8()) },
  { form: 'PEM', key: valueOf(identity.toPKCS8({ format: 'pem' })) },
  { form: 'encrypted DER', key: valueOf(identity.toPKCS8({ passphrase })), passphrase },
  { form: 'encrypted PEM', key: valueOf(identity.toPKCS8({ passphrase, format: 'pem' })), passphrase },
] as const

describe("Node's crypto", () => {
  test.each(forms)('opens our $form', ({ key, ...rest }) => {
    const secret = 'passphrase' in rest ? { passphrase: rest.passphrase } : {}
    const format =
      typeof key === 'string' ? { format: 'pem' as const } : { format: 'der' as const, type: 'pkcs8' as const }
    const theirs = createPrivateKey({ key: typeof key === 'string' ? key : Buffer.from(key), ...format, ...secret })
    expect(theirs.asymmetricKeyType).toBe('ed25519')
    expect(new Uint8Array(sign(null, data, theirs))).toEqual(identity.sign(data))
    expect(createPublicKey(theirs).export({ format: 'jwk' })).toEqual(
      expect.objectContaining({ x: identity.toJWK().x, crv: 'Ed25519' }),
    )
  })

  test('our JWK is a public key for it', () => {
    const { kty, crv, x } = identity.toJWK()
    const theirs = createPublicKey({ key: { kty, crv, x }, format: 'jwk' })
    expect(verify(null, data, theirs, identity.sign(data))).toBe(true)
  })

  const { privateKey } = generateKeyPairSync('ed25519')
  const x = privateKey.export({ format: 'jwk' }).x as string
  const common = { type: 'pkcs8', cipher: 'aes-256-cbc', passphrase } as const
  test.each([
    { form: 'DER', file: new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' })), options: {} },
    { form: 'PEM', file: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, options: {} },
    {
      form: 'encrypted DER',
      file: new Uint8Array(privateKey.export({ ...common, format: 'der' })),
      options: { passphrase },
    },
    { form: 'encrypted PEM', file: privateKey.export({ ...common, format: 'pem' }) as string, options: { passphrase } },
  ])('its $form opens here', ({ file, options }) => {
    const ours = valueOf(Identity.fromPKCS8(file, options))
    expect(ours.toJWK().x).toBe(x)
    expect(Buffer.from(ours.sign(data))).toEqual(sign(null, data, privateKey))
  })

  test('keys of other kinds do not open here', () => {
    const others = [
      generateKeyPairSync('ed448'),
      generateKeyPairSync('x25519'),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ]
    for (const other of others) {
      const der = other.privateKey.export({ type: 'pkcs8', format: 'der' })
      expect(codeOf(Identity.fromPKCS8(new Uint8Array(der))), other.privateKey.asymmetricKeyType).toBe('IMPORT_FAILED')
    }
  })
})

describe('WebCrypto', () => {
  test('opens our DER, and verifies', async () => {
    const theirs = await webcrypto.subtle.importKey('pkcs8', forms[0].key, 'Ed25519', true, ['sign'])
    expect(new Uint8Array(await webcrypto.subtle.sign('Ed25519', theirs, data))).toEqual(identity.sign(data))
    const { kty, crv, x } = identity.toJWK()
    const publicKey = await webcrypto.subtle.importKey('jwk', { kty, crv, x }, 'Ed25519', true, ['verify'])
    expect(await webcrypto.subtle.verify('Ed25519', publicKey, identity.sign(data), data)).toBe(true)
  })

  test('its key opens here', async () => {
    const pair = (await webcrypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
    const file = new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey))
    const ours = valueOf(Identity.fromPKCS8(file))
    expect(ours.publicKey).toEqual(new Uint8Array(await webcrypto.subtle.exportKey('raw', pair.publicKey)))
    const signature = new Uint8Array(await webcrypto.subtle.sign('Ed25519', pair.privateKey, data))
    expect(valueOf(verifySignature(ours.did, data, signature))).toBe(true)
  })
})

if (openssl) {
  describe(openssl.version, () => {
    const run = openssl!.run
    const pass = ['-passin', `pass:${passphrase}`]

    test.each(forms)('opens our $form', ({ form, key, ...rest }) => {
      const file = at(form)
      writeFileSync(file, key)
      const how = ['-inform', form.slice(-3), ...('passphrase' in rest ? pass : [])]
      const publicKey = run(['pkey', '-in', file, ...how, '-pubout', '-outform', 'DER'])
      expect(new Uint8Array(publicKey.subarray(-32))).toEqual(identity.publicKey)
    })

    test('signs with our key what verifies here, and verifies what was signed here', () => {
      writeFileSync(at('key.pem'), forms[1].key)
      writeFileSync(at('data'), data)
      run(['pkeyutl', '-sign', '-inkey', at('key.pem'), '-rawin', '-in', at('data'), '-out', at('signature')])
      expect(new Uint8Array(readFileSync(at('signature')))).toEqual(identity.sign(data))
      writeFileSync(at('ours'), identity.sign(data))
      const verified = [
        'pkeyutl',
        '-verify',
        '-inkey',
        at('key.pem'),
        '-rawin',
        '-in',
        at('data'),
        '-sigfile',
        at('ours'),
      ]
      expect(run(verified).toString()).toMatch(/Signature Verified Successfully/)
    })

    test('its keys open here: plain, PBKDF2 and scrypt, DER and PEM', () => {
      run(['genpkey', '-algorithm', 'ed25519', '-out', at('theirs.pem')])
      const publicKey = run(['pkey', '-in', at('theirs.pem'), '-pubout', '-outform', 'DER'])
      const toPKCS8 = ['pkcs8', '-topk8', '-in', at('theirs.pem'), '-passout', `pass:${passphrase}`]
      run([...toPKCS8, '-v2', 'aes-256-cbc', '-out', at('pbkdf2')])
      run([...toPKCS8, '-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA512', '-out', at('sha512')])
      run([...toPKCS8, '-scrypt', '-out', at('scrypt')])
      run([...toPKCS8, '-scrypt', '-outform', 'DER', '-out', at('scrypt.der')])
      run(['pkcs8', '-topk8', '-nocrypt', '-in', at('theirs.pem'), '-outform', 'DER', '-out', at('theirs.der')])
      for (const name of ['theirs.pem', 'pbkdf2', 'sha512', 'scrypt', 'scrypt.der', 'theirs.der']) {
        const file = new Uint8Array(readFileSync(at(name)))
        const ours = valueOf(Identity.fromPKCS8(file, name.startsWith('theirs') ? {} : { passphrase }))
        expect(Buffer.from(ours.publicKey), name).toEqual(publicKey.subarray(-32))
      }
    })
  })
}

if (python) {
  describe(`Python's cryptography ${python.version}`, () => {
    const run = python!.run

    test.each(forms)('opens our $form', ({ form, key, ...rest }) => {
      writeFileSync(at(`python ${form}`), key)
      const loaded = run(
        `from cryptography.hazmat.primitives.serialization import *
load = load_pem_private_key if sys.argv[1].endswith('PEM') else load_der_private_key
key = load(open(sys.argv[1], 'rb').read(), sys.argv[2].encode() or None)
print(key.sign(${JSON.stringify(Buffer.from(data).toString())}.encode()).hex())`,
        [at(`python ${form}`), 'passphrase' in rest ? rest.passphrase : ''],
      )
      expect(loaded.trim()).toBe(Buffer.from(identity.sign(data)).toString('hex'))
    })

    test('its keys open here: plain and BestAvailableEncryption, DER and PEM', () => {
      const files = run(
        `from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import *
import base64, json
key = Ed25519PrivateKey.generate()
raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
files = [key.private_bytes(encoding, PrivateFormat.PKCS8, how)
  for encoding in (Encoding.DER, Encoding.PEM)
  for how in (NoEncryption(), BestAvailableEncryption(sys.argv[1].encode()))]
print(json.dumps({ 'public': raw.hex(), 'files': [base64.b64encode(file).decode() for file in files] }))`,
        [passphrase],
      )
      const theirs = JSON.parse(files) as { public: string; files: string[] }
      expect(theirs.files).toHaveLength(4)
      for (const [i, text] of theirs.files.entries()) {
        const file = new Uint8Array(Buffer.from(text, 'base64'))
        const ours = valueOf(Identity.fromPKCS8(file, i % 2 === 0 ? {} : { passphrase }))
        expect(Buffer.from(ours.publicKey).toString('hex')).toBe(theirs.public)
      }
    })
  })
}
