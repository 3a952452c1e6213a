import type { xBindIdentityProvider } from './config'
import { checkBytes, checkFunction, checkObject, checkString, optional } from '../check'
import { failure, isFailure } from '../errors'
import { readKey, writeKeyAsync } from './key-file'
import { native } from '../native'
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
