import { checkString, known, strings } from '../check'
import { failure, isFailure } from '../errors'
import { native } from '../native'
import type { Failure } from '../native/binding'
import type { AgentCard } from './card'

/**
 * Where an agent beyond this process is: its URL, best with the DID that must answer there. A card leads to the first of its
 * addresses that is https; those are a stranger's word, and reach the public network only.
 */
export type Address =
  | string
  | {
      /** Who must answer. */
      readonly did: string
      /** Where: https, or http on this machine. */
      readonly url: string
    }
  | Pick<AgentCard, 'did' | 'addresses'>

/** Name, DID or address, as the native side reads it: `url#did`, with a `~` before it where a stranger names the URL. */
export function recipientIn(to: unknown, what: string): string | Failure {
  if (typeof to === 'string') return to.includes('://') ? (refused(to, false) ?? to) : to
  if (typeof to !== 'object' || to === null || !('did' in to)) {
    checkString(to, what)
    return to
  }
  if ('addresses' in to) {
    const { did, addresses } = to as Pick<AgentCard, 'did' | 'addresses'>
    const urls = addresses === undefined ? [] : strings(addresses, `${what}.addresses`)
    return located(urls.find((each) => /^https:/i.test(each)) ?? urls[0], did, `${what}.did`, true)
  }
  known(to, what, ['did', 'url'])
  const { did, url } = to as { did: unknown; url: unknown }
  checkString(url, `${what}.url`)
  return located(url, did, `${what}.did`, false)
}

/** What stands for a DID is one: as a name or a URL it would lead elsewhere, by the rules for what the owner says. */
function located(url: string | undefined, did: unknown, what: string, isStrangers: boolean): string | Failure {
  checkString(did, what)
  const key = native.didToPublicKey(did)
  if (isFailure(key)) return key
  if (url === undefined) return did
  return refused(url, isStrangers) ?? `${isStrangers ? '~' : ''}${url}#${did}`
}

function refused(url: string, isStrangers: boolean): Failure | undefined {
  const why = native.refuseUrl(url, isStrangers ? 'stranger' : 'owner')
  return why === null ? undefined : failure('INVALID_CONFIG', why, 'give https://host/path, or http:// of this machine')
}
