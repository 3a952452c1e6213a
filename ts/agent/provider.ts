import { types } from 'node:util'
import type { xBindIdentityProvider } from './config'
import { checkBytes, checkFunction, checkObject, checkString, optional } from '../check'
import type { Settle } from './calls'
import { caused, failure, isFailure, XBindError } from '../errors'
import { readKey, writeKeyAsync } from './key-file'
import { clearTimeout, setTimeout } from './timers'
import { native } from '../native'
import type { Failure } from '../native/binding'
import { fail, type Result } from '../result'

export function checkProvider(provider: xBindIdentityProvider): void {
  checkObject(provider, 'identityProvider')
  checkFunction(provider.getDID, 'identityProvider.getDID')
  checkFunction(provider.sign, 'identityProvider.sign')
  optional(provider.exportPKCS8, checkFunction, 'identityProvider.exportPKCS8')
}

export function didOf(provider: xBindIdentityProvider): string {
  const did = provider.getDID()
  checkString(did, 'identityProvider.getDID()')
  const key = native.didToPublicKey(did)
  if (isFailure(key)) throw new XBindError({ ...key, message: `identityProvider.getDID() gave no DID: ${key.message}` })
  return did
}

/** A provider's key, if it lets it out: only the key of its DID, encrypted here where a passphrase is given. */
export async function exportFrom(
  provider: xBindIdentityProvider,
  did: string,
  passphrase: string | undefined,
): Promise<Result<Uint8Array>> {
  if (!provider.exportPKCS8) {
    return fail(
      failure('EXPORT_FAILED', 'the identity provider does not export its key', 'ask the system that keeps it'),
    )
  }
  let bytes: Uint8Array
  try {
    bytes = await provider.exportPKCS8()
    checkBytes(bytes, 'exportPKCS8()')
  } catch {
    return fail(failure('EXPORT_FAILED', 'the identity provider failed to export its key'))
  }
  const key = readKey(bytes, undefined)
  try {
    if (isFailure(key) || native.keyDid(key) !== did) {
      return fail(failure('EXPORT_FAILED', 'the identity provider exported another key than that of its DID'))
    }
    return (await writeKeyAsync(key, false, passphrase)) as Result<Uint8Array>
  } finally {
    if (!isFailure(key)) native.destroyKey(key)
  }
}

/** What becomes of the signatures that an identity provider is asked for, so that its agent's own calls can say why they fail. */
export class Signing {
  #begun = 0
  #open = 0
  /** The latest round that ended with a signature. */
  #signed = 0
  #lost: { readonly thrown: unknown } | undefined

  begin(): number {
    this.#open += 1
    return (this.#begun += 1)
  }

  signed(round: number): void {
    this.#open -= 1
    this.#signed = Math.max(this.#signed, round)
  }

  /** Without `lost`, what it gave was no signature. */
  failed(lost?: { readonly thrown: unknown }): void {
    this.#open -= 1
    this.#lost = lost
  }

  /** For a call that begins now. */
  explained(settle: Settle): Settle {
    const before = this.#begun
    return (ended) => settle(ended.ok ? ended : { ...ended, failure: this.#explained(ended.failure, before) })
  }

  #explained(why: Failure, before: number): Failure {
    // A round signs what was there when it began.
    if (why.code === 'TIMEOUT' && this.#open > 0 && this.#signed <= before) return unsigned
    if (why.code !== 'SIGN_FAILED' || !this.#lost) return why
    return lost(this.#lost.thrown)
  }
}

function lost(thrown: unknown): Failure {
  const own = thrown instanceof XBindError ? thrown : undefined
  const usual = own?.hint ?? 'its `cause` is what the provider threw'
  const hint = usual.includes('dangerouslySign') ? REFUSES : usual
  return caused(failure('SIGN_FAILED', 'the identity provider failed to sign', hint, own?.retryable ?? true), thrown)
}

/** The key of an agent that its identity provider keeps, for what does not go over the bus. */
export class RemoteKey {
  readonly did: string
  readonly #provider: xBindIdentityProvider
  readonly #timeoutMs: number
  readonly #closed: () => Failure | undefined

  constructor(
    did: string,
    provider: xBindIdentityProvider,
    timeoutMs: number,
    /** Why nothing is signed any more. */
    closed: () => Failure | undefined,
  ) {
    this.did = did
    this.#provider = provider
    this.#timeoutMs = timeoutMs
    this.#closed = closed
  }

  /** What the provider gave, which nobody has checked: within the agent's time limit, and so many milliseconds. */
  async sign(bytes: Uint8Array, milliseconds: number): Promise<Uint8Array | Failure> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<Failure>((resolve) => {
      timer = setTimeout(resolve, Math.min(milliseconds, this.#timeoutMs), unsigned)
    })
    try {
      const signature = await Promise.race([this.#provider.sign(bytes), late])
      if (signature === unsigned) return unsigned
      return this.#closed() ?? (types.isUint8Array(signature) ? signature : new Uint8Array())
    } catch (thrown) {
      return this.#closed() ?? lost(thrown)
    } finally {
      clearTimeout(timer)
    }
  }
}

const REFUSES = 'sign with dangerouslySign() in identityProvider.sign, or give the Identity itself as identityProvider'

const unsigned = failure(
  'TIMEOUT',
  "the agent's own identity provider did not sign in time",
  'look why identityProvider.sign() is slow, or raise timeoutMs',
  true,
)
