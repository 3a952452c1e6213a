import type { Failure, KeyRef } from '../native/binding'
import { checkBytes, checkObject, checkString, known } from '../check'
import { isFailure } from '../errors'
import { native } from '../native'
import { fail, ok, type Result } from '../result'

/**
 * Where secret bytes stand while they cross, and are wiped. The caller's own array is not handed over: V8 keeps a small one
 * among its objects, and leaves a copy there when native code asks for its address.
 */
const scratch = new Uint8Array(8 << 10)
const { get: length } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length') as {
  get: () => number
}

/** Gives secret bytes to a native function, which copies them. */
export function lend<T>(secret: Uint8Array, use: (bytes: Uint8Array) => T): T {
  const size = length.call(secret)
  if (size === 0 || size > scratch.length) return use(secret) // no key has that length
  try {
    scratch.set(secret)
    return use(scratch.subarray(0, size))
  } finally {
    scratch.fill(0)
  }
}

/** The passphrase in options. One that is there has a value: `undefined` would export a plain key by accident. */
export function passphraseIn(
  options: { passphrase?: string },
  what: string,
  names: readonly string[],
): string | undefined {
  checkObject(options, 'options')
  known(options, what, names)
  if (!('passphrase' in options)) return undefined
  const { passphrase } = options
  checkString(passphrase, 'passphrase, which is to be left out where there is none,')
  return passphrase
}

/** The key in a key file. */
export function readKey(file: Uint8Array | string, passphrase: string | undefined): KeyRef | Failure {
  if (typeof file === 'string') return native.keyFromPkcs8(file, passphrase)
  checkBytes(file, 'pkcs8, where it is no text,')
  return lend(file, (bytes) => native.keyFromPkcs8(bytes, passphrase))
}

/** The same; a passphrase is worked on by another thread. */
export function readKeyAsync(file: Uint8Array | string, passphrase: string | undefined): Promise<KeyRef | Failure> {
  if (passphrase === undefined) return Promise.resolve(readKey(file, passphrase))
  if (typeof file === 'string') return native.importKey(file, passphrase)
  checkBytes(file, 'pkcs8, where it is no text,')
  return lend(file, (bytes) => native.importKey(bytes, passphrase))
}

export function writeKey(key: KeyRef, pem: boolean, passphrase: string | undefined): Result<Uint8Array | string> {
  return written(native.exportKey(key, pem, passphrase))
}

/** The same; a passphrase is worked on by another thread, without the key. */
export async function writeKeyAsync(
  key: KeyRef,
  pem: boolean,
  passphrase: string | undefined,
): Promise<Result<Uint8Array | string>> {
  if (passphrase === undefined) return writeKey(key, pem, passphrase)
  const wrapping = await native.prepareExport(passphrase)
  return isFailure(wrapping) ? fail(wrapping) : written(native.exportPrepared(key, pem, wrapping))
}

/** What the caller gets is the only copy, and stands where wiping it leaves none behind. */
function written(exported: string | Uint8Array | Failure): Result<Uint8Array | string> {
  if (typeof exported === 'string') return ok(exported)
  if (isFailure(exported)) return fail(exported)
  const own = new Uint8Array(new ArrayBuffer(exported.length))
  own.set(exported)
  exported.fill(0)
  return ok(own)
}
