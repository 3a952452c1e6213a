import type { Trusted } from '../native/binding'
import type { TokenVerifierOptions, TrustedAuthority } from './demands'
import { checkObject, checkString, known } from '../check'
import { failure, XBindError } from '../errors'
import { isFetchable, JWKS, sharedFetch, type FetchDocument } from './fetch'
import { jwksText } from './jwks'

interface Trust {
  /** In the order of the option, of whose places errors speak. */
  readonly trusted: Trusted[]
  readonly remote: Map<string, ReturnType<typeof sharedFetch>>
}

/** Whose tokens count, each member read once. */
export function readTrust(trust: TokenVerifierOptions['trust'], fetch: FetchDocument): Trust {
  if (!Array.isArray(trust)) throw new TypeError('trust must be a list of DIDs, authorities and issuers')
  const trusted: Trusted[] = []
  const remote: Trust['remote'] = new Map()
  const names = new Set<string>()
  for (const each of trust as TokenVerifierOptions['trust']) {
    if (typeof each === 'string') {
      trusted.push(each)
      continue
    }
    checkObject(each, 'trust')
    if (isAuthority(each)) {
      known(each, 'trust', ['did', 'url'])
      const { did, url } = each
      checkString(did, 'trust.did')
      checkString(url, 'trust.url')
      trusted.push({ did, url })
      continue
    }
    known(each, 'trust', ['issuer', 'jwks'])
    const { issuer, jwks } = each
    checkString(issuer, 'trust.issuer')
    if (names.has(issuer)) {
      throw new XBindError(failure('INVALID_CONFIG', `trust names ${issuer} twice`, 'put its keys into one JWK set'))
    }
    if (typeof jwks === 'string') {
      if (!isFetchable(jwks)) {
        throw new XBindError(failure('INVALID_CONFIG', 'trust.jwks is no https URL in its plain spelling'))
      }
      remote.set(issuer, sharedFetch(jwks, JWKS, fetch))
      trusted.push({ issuer })
    } else {
      trusted.push({ issuer, jwks: jwksText(jwks, 'trust.jwks') })
    }
    names.add(issuer)
  }
  return { trusted, remote }
}

function isAuthority(each: object): each is TrustedAuthority {
  return 'did' in each || 'url' in each
}
