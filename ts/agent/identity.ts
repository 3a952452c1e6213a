import type { KeyRef } from '../native/binding'
import { checkBytes, checkObject, checkString, checkNumber, known, optional } from '../check'
import { failure, isFailure, XBindError } from '../errors'
import { lend, passphraseIn, readKey, readKeyAsync, writeKey, writeKeyAsync } from './key-file'
import type { OutgoingMessage, SealedMessage } from '../messages/message'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, orThrow, result, type Result } from '../result'

/** The document that a `did:key` stands for (DID Core). */
export interface DIDDocument {
  /** The vocabularies of the document. */
  readonly '@context': string[]
  /** The DID itself. */
  readonly id: string
  /** Keys and what each may be used for. */
  readonly [member: string]: unknown
}

/** The public key of an identity as a JSON Web Key (RFC 8037). */
export interface PublicJWK {
  /** Always `OKP`. */
  kty: 'OKP'
  /** Always `Ed25519`. */
  crv: 'Ed25519'
  /** The 32 bytes of the public key, base64url. */
  x: string
  /** What names the key in its DID document: the DID, and after `#` the key. */
  kid: string
  /** Always `EdDSA`. */
  alg: 'EdDSA'
  /** Always `sig`. */
  use: 'sig'
}

/** The native key behind one, for those who sign with it; set by the class, which alone sees it. */
export let keyOf: (identity: Identity, what: string) => KeyRef

/** The native key of any value; undefined for what is no Identity of this module. */
export let keyIn: (value: unknown) => KeyRef | undefined

interface ExportOptions {
  /** Encrypts; without it the key stands there plainly. */
  passphrase?: string
  /** Bytes or text; default `der`. */
  format?: 'der' | 'pem'
}

/**
 * An Ed25519 key (RFC 8032) and its `did:key`. The private key stays in native memory.
 *
 * @example
 * ```ts
 * const identity = Identity.generate()
 * const signature = identity.sign(new TextEncoder().encode('hello'))
 * ```
 */
export class Identity {
  readonly #key: KeyRef
  /** Who this is: `did:key:z6Mk…`, which spells the public key. */
  declare readonly did: string

  private constructor(key: KeyRef) {
    if (typeof key !== 'object' || key === null) {
      throw new TypeError('an Identity is not made with new: take Identity.generate(), fromSeed() or fromPKCS8()')
    }
    this.#key = key
    // Not to be overwritten: the key and what is derived from the DID must stay one.
    Object.defineProperty(this, 'did', { value: orThrow(native.keyDid(key)), enumerable: true })
  }

  /** A fresh key from the operating system's random source. */
  static generate(): Identity {
    return new Identity(orThrow(native.generateKey()))
  }

  /** From an RFC 8032 seed, 32 bytes. Errors: INVALID_KEY. */
  static fromSeed(seed: Uint8Array): Result<Identity> {
    checkBytes(seed, 'seed')
    return Identity.#from(lend(seed, (bytes) => native.keyFromSeed(bytes)))
  }

  /**
   * From PKCS#8 (RFC 5958, RFC 8410) version 1 or 2, DER or PEM, plain or encrypted with PBES2 (RFC 8018): docs/keys.md.
   * A passphrase may take up to seconds, in which nothing else happens: see `fromPKCS8Async`.
   * Errors: IMPORT_FAILED, WRONG_PASSPHRASE.
   */
  static fromPKCS8(
    pkcs8: Uint8Array | string,
    options: {
      /** Of an encrypted file. */
      passphrase?: string
    } = {},
  ): Result<Identity> {
    return Identity.#from(readKey(pkcs8, passphraseIn(options, 'fromPKCS8', ['passphrase'])))
  }

  /** The same; a passphrase is worked on by another thread. Errors: IMPORT_FAILED, WRONG_PASSPHRASE. */
  static async fromPKCS8Async(
    pkcs8: Uint8Array | string,
    options: {
      /** Of an encrypted file. */
      passphrase?: string
    } = {},
  ): Promise<Result<Identity>> {
    return Identity.#from(await readKeyAsync(pkcs8, passphraseIn(options, 'fromPKCS8Async', ['passphrase'])))
  }

  static #from(key: ReturnType<typeof native.generateKey>): Result<Identity> {
    return isFailure(key) ? fail(key) : ok(new Identity(key))
  }

  /** 32 bytes. */
  get publicKey(): Uint8Array {
    return new Uint8Array(orThrow(native.didToPublicKey(this.did)))
  }

  /**
   * The 64-byte Ed25519 signature of `data`. Throws SIGN_FAILED after `destroy()`, and for what somebody could take for a
   * message, token or other statement of this package: there are functions that make those.
   */
  sign(data: Uint8Array): Uint8Array {
    checkBytes(data, 'data')
    return signWith(this.#key, data, false)
  }

  /**
   * The same for any bytes, also those of a message or token that a stranger made up: whoever chooses what is signed here
   * can speak in the name of this identity. Throws SIGN_FAILED after `destroy()`.
   */
  dangerouslySign(data: Uint8Array): Uint8Array {
    checkBytes(data, 'data')
    return signWith(this.#key, data, true)
  }

  /**
   * The private key as PKCS#8 version 1: 48 bytes of DER, or PEM; encrypted (PBES2, scrypt, AES-256-CBC) with a passphrase,
   * which takes some 30 ms: see `toPKCS8Async`. Errors: EXPORT_FAILED.
   */
  toPKCS8(options?: {
    /** Encrypts; without it the key stands there plainly. */
    passphrase?: string
    /** Default `der`. */
    format?: 'der'
  }): Result<Uint8Array>
  toPKCS8(options: {
    /** Encrypts; without it the key stands there plainly. */
    passphrase?: string
    /** Text instead of bytes. */
    format: 'pem'
  }): Result<string>
  toPKCS8(options: ExportOptions = {}): Result<Uint8Array | string> {
    const passphrase = passphraseIn(options, 'toPKCS8', EXPORT_OPTIONS)
    return writeKey(this.#key, isPem(options), passphrase)
  }

  /** The same; a passphrase is worked on by another thread. Errors: EXPORT_FAILED, also if it is destroyed meanwhile. */
  toPKCS8Async(options?: {
    /** Encrypts; without it the key stands there plainly. */
    passphrase?: string
    /** Default `der`. */
    format?: 'der'
  }): Promise<Result<Uint8Array>>
  toPKCS8Async(options: {
    /** Encrypts; without it the key stands there plainly. */
    passphrase?: string
    /** Text instead of bytes. */
    format: 'pem'
  }): Promise<Result<string>>
  async toPKCS8Async(options: ExportOptions = {}): Promise<Result<Uint8Array | string>> {
    const passphrase = passphraseIn(options, 'toPKCS8Async', EXPORT_OPTIONS)
    return await writeKeyAsync(this.#key, isPem(options), passphrase)
  }

  /** The public key as a JWK (RFC 8037). */
  toJWK(): PublicJWK {
    return JSON.parse(orThrow(native.jwkJson(this.did))) as PublicJWK
  }

  /** The document that `did:key` derives from the DID. */
  toDIDDocument(): DIDDocument {
    return JSON.parse(orThrow(native.didDocumentJson(this.did))) as DIDDocument
  }

  /**
   * Builds and signs one message; the body travels beside the JWS (docs/wire-format.md).
   * Errors: INVALID_DID, WRONG_AUDIENCE (to oneself), MALFORMED_MESSAGE (an option out of bounds), SIGN_FAILED (destroyed).
   *
   * @example
   * ```ts
   * const sealed = identity.seal({ op: 'send', to: friend.did, body: new TextEncoder().encode('"hello"') })
   * ```
   */
  seal(message: OutgoingMessage): Result<SealedMessage> {
    checkObject(message, 'message')
    known(message, 'seal()', OUTGOING)
    const { op, to, body, contentType = 'application/json', ttlSeconds = 30, token, inReplyTo, now } = message
    checkString(op, 'op')
    checkString(to, 'to')
    checkBytes(body, 'body')
    const own = new Uint8Array(body) // what was signed is what is returned, whoever writes meanwhile
    checkString(contentType, 'contentType')
    checkNumber(ttlSeconds, 'ttlSeconds')
    optional(token, checkString, 'token')
    optional(now, checkNumber, 'now')
    if (token === '')
      return fail(failure('MALFORMED_MESSAGE', 'token is empty', 'leave `token` out where there is none'))
    const { method, deadlineMs, traceparent, seq, window, session } = message
    optional(method, checkString, 'method')
    optional(deadlineMs, checkNumber, 'deadlineMs')
    optional(traceparent, checkString, 'traceparent')
    optional(seq, checkNumber, 'seq')
    optional(window, checkNumber, 'window')
    optional(session, checkString, 'session')
    optional(inReplyTo, checkObject, 'inReplyTo')
    const { id: requestId, jws: request } = inReplyTo ?? {}
    if (inReplyTo !== undefined) {
      checkString(requestId, 'inReplyTo.id')
      checkString(request, 'inReplyTo.jws')
    }
    for (const [what, value, units] of [
      ['ttlSeconds', ttlSeconds, 'whole seconds'],
      ['now', now ?? 0, 'whole seconds'],
      ['deadlineMs', deadlineMs ?? 0, 'whole milliseconds'],
      ['seq', seq ?? 0, 'a whole number'],
      ['window', window ?? 0, 'a whole number'],
    ] as const) {
      if (!Number.isSafeInteger(value) || value < 0) {
        return fail(failure('MALFORMED_MESSAGE', `${what} is ${value}`, `give ${units}`))
      }
    }
    const draft = {
      op,
      to,
      contentType,
      ttl: ttlSeconds,
      now,
      token,
      requestId,
      request,
      method,
      deadlineMs,
      traceparent,
      seq,
      window,
      session,
    }
    const sealed = native.seal(this.#key, json(draft), own)
    if (isFailure(sealed)) return fail(sealed)
    const { jws, id } = read(sealed)
    return ok({ jws, body: own, token, id })
  }

  /** Wipes the key; the identity is unusable afterwards. */
  destroy(): void {
    native.destroyKey(this.#key)
  }

  /** The same as `destroy()`, for `using identity = …`. */
  [Symbol.dispose](): void {
    this.destroy()
  }

  static {
    keyIn = (value) => (typeof value === 'object' && value !== null && #key in value ? value.#key : undefined)
    keyOf = (identity, what) => {
      const key = keyIn(identity)
      if (key) return key
      throw new TypeError(`${what} must be an Identity`)
    }
  }
}

const OUTGOING = [
  'op',
  'to',
  'body',
  'contentType',
  'ttlSeconds',
  'token',
  'inReplyTo',
  'now',
  'method',
  'deadlineMs',
  'traceparent',
  'seq',
  'window',
  'session',
] as const satisfies readonly (keyof OutgoingMessage)[]

const EXPORT_OPTIONS = ['passphrase', 'format']

function isPem({ format = 'der' }: ExportOptions): boolean {
  if (format !== 'der' && format !== 'pem') throw new TypeError("format must be 'der' or 'pem'")
  return format === 'pem'
}

/** @internal `dangerously` for what this package makes itself. */
export function signWith(key: KeyRef, data: Uint8Array, dangerously: boolean): Uint8Array {
  const signature = new Uint8Array(64)
  const failed = native.keySign(key, data, dangerously, signature)
  if (failed) throw new XBindError(failed)
  return signature
}

/** The 32 bytes of an Ed25519 `did:key`. Errors: INVALID_DID. */
export function didToPublicKey(did: string): Result<Uint8Array> {
  checkString(did, 'did')
  const key = native.didToPublicKey(did)
  return isFailure(key) ? fail(key) : ok(new Uint8Array(key))
}

/** The `did:key` of a 32-byte Ed25519 public key. Errors: INVALID_KEY. */
export function publicKeyToDID(publicKey: Uint8Array): Result<string> {
  checkBytes(publicKey, 'publicKey')
  return result(native.publicKeyToDid(publicKey))
}

/**
 * Strict Ed25519 verification: false for a wrong signature; INVALID_DID only for an unusable DID.
 *
 * @example
 * ```ts
 * const verified = verifySignature(friend.did, data, signature)
 * if (verified.ok && verified.value) console.log('signed by', friend.did)
 * ```
 */
export function verifySignature(did: string, data: Uint8Array, signature: Uint8Array): Result<boolean> {
  checkString(did, 'did')
  checkBytes(data, 'data')
  checkBytes(signature, 'signature')
  return result(native.verifySignature(did, data, signature))
}
