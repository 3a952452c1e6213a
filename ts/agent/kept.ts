import { bounded, checkBytes, checkObject, checkString, known, optional } from '../check'
import { isFailure, XBindError } from '../errors'
import { native } from '../native'
import { json } from '../native/json'
import { fail, ok, orThrow, type Result } from '../result'
import type { xBindIdentityProvider } from './config'

/** An Ed25519 key of the transit engine of a Vault or OpenBao server: see `vault`. */
export interface VaultKey {
  /** `https://vault.example:8200`; on this machine http as well. */
  readonly url: string
  /** Its name there. */
  readonly key: string
  /** A file with the token, read for each signature: whoever renews it replaces it. */
  readonly tokenFile: string
  /** Which version it has to be, by its DID; the newest unless given. */
  readonly did?: string
  /** Where the engine is mounted: `transit`. */
  readonly mount?: string
  /** In which namespace. */
  readonly namespace?: string
  /** A PEM file with certificates to trust beside the usual ones. */
  readonly caFile?: string
  /** How long a signature may take: 5000, at most 30,000. */
  readonly timeoutMs?: number
}

/** An Ed25519 key of a PKCS#11 module: see `pkcs11`. */
export interface PKCS11Key {
  /** The file of the module, which is loaded into this process. */
  readonly module: string
  /** The label of the token. */
  readonly token?: string
  /** Or the number of its slot. */
  readonly slot?: number
  /** The label of the key. */
  readonly key?: string
  /** Its id, in hex; with the label, or instead of it. */
  readonly id?: string
  /** A file with the user's PIN. */
  readonly pinFile?: string
  /** Or a variable of the environment with it. */
  readonly pinEnv?: string
  /** Whose key it has to be. */
  readonly did?: string
  /** How long a signature may take: 5000, at most 30,000. */
  readonly timeoutMs?: number
}

const OF_VAULT = ['url', 'key', 'tokenFile', 'mount', 'namespace', 'caFile']
const OF_PKCS11 = ['module', 'token', 'key', 'id', 'pinFile', 'pinEnv']

/**
 * An identity provider whose key stays at a Vault or OpenBao server.
 * Errors: SIGN_FAILED (the key cannot be asked for), INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const kept = await vault({ url: 'https://vault.example:8200', key: 'writer', tokenFile: '/run/secrets/vault-token' })
 * if (kept.ok) new AutoGenxBindAgent({ name: 'writer', identityProvider: kept.value })
 * ```
 */
export async function vault(key: VaultKey): Promise<Result<xBindIdentityProvider>> {
  const place = once(key, 'vault()', [...OF_VAULT, 'did', 'timeoutMs'])
  for (const name of ['url', 'key', 'tokenFile'] as const) checkString(place[name], name)
  for (const name of ['mount', 'namespace', 'caFile'] as const) optional(place[name], checkString, name)
  return kept(place)
}

/**
 * An identity provider whose key stays in a security module, a smart card or SoftHSM.
 * Errors: SIGN_FAILED (the key cannot be asked for), INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const module = '/usr/lib/softhsm/libsofthsm2.so'
 * const kept = await pkcs11({ module, token: 'agents', key: 'writer', pinFile: '/run/secrets/pin' })
 * if (kept.ok) new AutoGenxBindAgent({ name: 'writer', identityProvider: kept.value })
 * ```
 */
export async function pkcs11(key: PKCS11Key): Promise<Result<xBindIdentityProvider>> {
  const place = once(key, 'pkcs11()', [...OF_PKCS11, 'slot', 'did', 'timeoutMs'])
  checkString(place.module, 'module')
  for (const name of ['token', 'key', 'id', 'pinFile', 'pinEnv'] as const) optional(place[name], checkString, name)
  bounded(place.slot, 0, 'slot', 0, Number.MAX_SAFE_INTEGER)
  return kept(place)
}

/** A plain copy of options, each of them read once, those that are inherited too: what is checked is what counts. */
function once<T extends object>(options: T, what: string, names: readonly string[]): T {
  checkObject(options, 'key')
  known(options, what, names)
  return Object.fromEntries(names.map((name) => [name, options[name as keyof T]])) as T
}

async function kept({ did: wanted, ...place }: VaultKey | PKCS11Key): Promise<Result<xBindIdentityProvider>> {
  optional(wanted, checkString, 'did')
  bounded(place.timeoutMs, 5000, 'timeoutMs', 1, 30_000)
  const at = json(place)
  const found = await native.askKept(at, wanted)
  if (isFailure(found)) return fail(found)
  const did = orThrow(native.publicKeyToDid(found))
  return ok({
    getDID: () => did,
    async sign(data) {
      checkBytes(data, 'data')
      const signature = await native.askKept(at, did, data)
      if (isFailure(signature)) throw new XBindError(signature)
      return signature
    },
  })
}
