import { checkString, known, strings } from '../check'
import { failure } from '../errors'
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
  if (typeof to === 'string') return to.includes('://') ? located(to, undefined, false) : to
  if (typeof to !== 'object' || to === null || !('did' in to)) {
    checkString(to, what)
    return to
  }
  if ('addresses' in to) {
    const { did, addresses } = to as Pick<AgentCard, 'did' | 'addresses'>
    checkString(did, `${what}.did`)
    if (addresses === undefined) return did
    const urls = strings(addresses, `${what}.addresses`)
    const url = urls.find((each) => /^https:/i.test(each)) ?? urls[0]
    return url === undefined ? did : located(url, did, true)
  }
  known(to, what, ['did', 'url'])
  const { did, url } = to as { did: unknown; url: unknown }
  checkString(did, `${what}.did`)
  checkString(url, `${what}.url`)
  return located(url, did, false)
}

function located(url: string, did: string | undefined, isStrangers: boolean): string | Failure {
  const why = native.refuseUrl(url, isStrangers ? 'stranger' : 'owner')
  if (why !== null) return failure('INVALID_CONFIG', why, 'give https://host/path, or http:// of this machine')
  return `${isStrangers ? '~' : ''}${url}${did === undefined ? '' : `#${did}`}`
}
