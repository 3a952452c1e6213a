import type { Failure } from '../native/binding'
import type { Asked, Evidence, Link, TokenVerifierRef, VerifiedToken } from '../native/binding-rights'
import { bounded, checkFunction, checkNumber, checkObject, checkString, known, optional, strings } from '../check'
import { failure, isFailure, XBindError } from '../errors'
import { fetchPublic, isFetchable, JWKS, RemoteDocument, type FetchDocument } from './fetch'
import { jwksText } from './jwks'
import { native } from '../native'
import { fail, ok, orThrow, type Result } from '../result'
import { listOf, type RevocationSource, type RevocationSubject } from './revocation'
import { systemTime } from './seconds'
import { statusLists, type VerifiersLists } from './status-list'
import { clearTimeout, setTimeout } from '../agent/timers'
import type { TokenClaims } from './token'

/** An issuer that is known by an address, and its keys: a JWK set, or the https URL (on this machine, http) it is fetched from. */
export interface TrustedIssuer {
  /** Exactly as its tokens name it in `iss`. */
  issuer: string
  /** Its public keys (RFC 7517), or the https URL where it publishes them. */
  jwks:
    | {
        /** JWKs; those that are no Ed25519 keys are passed over. */
        keys: readonly object[]
      }
    | string
}

/** For whom tokens are verified, whose are accepted, and where revocations are asked. */
export interface TokenVerifierOptions {
  /** The recipient, exactly as tokens name it. */
  audience: string
  /** DIDs whose tokens are accepted, and issuers known by their JWKS. */
  trust: readonly (string | TrustedIssuer)[]
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number
  /** Default 30. */
  clockSkewSeconds?: number
  /** Default 86 400. */
  maxLifetimeSeconds?: number
  /** All of them are asked about every link of a chain. None by default. */
  revocations?: RevocationSource | readonly RevocationSource[]
  /** How long a source may take, default 5000; then it does not know. */
  revocationTimeoutMs?: number
  /**
   * Accepts tokens of which nobody can tell whether they were revoked: whoever can cut this verifier off from its sources
   * brings revoked tokens back to life. Look at `revocation` in the claims.
   */
  dangerouslyAcceptUnknownRevocation?: boolean
  /** A client of your own for JWK sets, as behind a proxy. */
  fetch?: FetchDocument
}

/** What one presentation of a token must satisfy. */
export interface TokenDemands {
  /** What it must grant, all of it. */
  scopes?: readonly string[]
  /** Who presents it, proven by other means: it must be the subject. Without, the token is taken from anybody. */
  presenter?: string
}

interface Known {
  readonly claims: TokenClaims
  readonly place: number
}

const OPTIONS = [
  'audience',
  'trust',
  'now',
  'clockSkewSeconds',
  'maxLifetimeSeconds',
  'revocations',
  'revocationTimeoutMs',
  'dangerouslyAcceptUnknownRevocation',
  'fetch',
]

const DEMANDS = ['scopes', 'presenter']

/** How much text of known tokens is kept, in characters. */
const KNOWN_SIZE = 1 << 20

/** After how many seconds keys are asked for again, and after how many they are forgotten if none come. */
const KEYS_REFRESH = 600
const KEYS_MAX_AGE = 3600

/**
 * Verifies tokens and delegations for one audience, offline but for issuers whose keys or status lists are fetched.
 *
 * @example
 * ```ts
 * const verifier = new TokenVerifier({ audience: 'https://billing.example', trust: [identity.did] })
 * const claims = await verifier.verify(token, { scopes: ['invoice.read'], presenter: friend.did })
 * ```
 */
export class TokenVerifier {
  readonly #verifier: TokenVerifierRef
  readonly #now: () => number
  readonly #remote: ReadonlyMap<string, RemoteDocument>
  /** Those that answer for themselves. */
  readonly #sources: () => readonly RevocationSource[]
  readonly #lists: readonly VerifiersLists[]
  readonly #sourceTimeoutMs: number
  /** Tokens verified with the keys of now, so that what they say need not be told again. */
  readonly #known = new Map<string, Known>()
  #knownSize = 0

  /** Throws INVALID_DID, INVALID_KEY (a JWK set), INVALID_CONFIG. */
  constructor(options: TokenVerifierOptions) {
    checkObject(options, 'options')
    known(options, 'TokenVerifier', OPTIONS)
    const { audience, trust, now = systemTime, fetch = fetchPublic, revocations } = options
    const { revocationTimeoutMs, clockSkewSeconds, maxLifetimeSeconds } = options
    const { dangerouslyAcceptUnknownRevocation: acceptUnknown = false } = options
    checkString(audience, 'audience')
    checkFunction(now, 'now')
    checkFunction(fetch, 'fetch')
    if (typeof acceptUnknown !== 'boolean') throw new TypeError('dangerouslyAcceptUnknownRevocation must be a boolean')
    const { dids, issuers, remote } = readTrust(trust, fetch)
    const { own, revoked, lists } = sorted(revocations)
    this.#now = now
    this.#remote = remote
    this.#sources = own
    this.#lists = lists
    this.#sourceTimeoutMs = bounded(revocationTimeoutMs, 5000, 'revocationTimeoutMs', 1, 600_000)
    const policy = {
      audience,
      clockSkew: bounded(clockSkewSeconds, 30, 'clockSkewSeconds', 0, 300),
      maxLifetime: bounded(maxLifetimeSeconds, 86_400, 'maxLifetimeSeconds', 1, 31_536_000),
      dids,
      issuers,
      acceptUnknown,
    }
    const shared = lists.map(({ lists }) => lists)
    this.#verifier = orThrow(native.newTokenVerifier(policy, revoked, shared))
  }

  /**
   * Verifies a token or a delegation: the checks of docs/tokens.md, in that order. Fetches the keys of an issuer that is
   * trusted by the URL of its JWK set, and status lists.
   * Errors: INVALID_TOKEN, INVALID_DELEGATION, UNTRUSTED_ISSUER, WRONG_AUDIENCE, TOKEN_NOT_YET_VALID, TOKEN_EXPIRED,
   * SCOPE_DENIED, REVOKED, REVOCATION_UNKNOWN, INVALID_DID (the presenter), INVALID_CONFIG (a scope that is none).
   */
  async verify(token: string, options: TokenDemands = {}): Promise<Result<TokenClaims>> {
    return await this.#verify(token, this.#asked(token, options))
  }

  /** The same without I/O: an issuer whose keys are not in memory answers UNTRUSTED_ISSUER, a source that needs time does not know. */
  verifySync(token: string, options: TokenDemands = {}): Result<TokenClaims> {
    const asked = this.#asked(token, options)
    this.#forgetOldKeys(asked.now)
    const sources = this.#sources()
    if (sources.length === 0) return this.#judge(token, asked, [])
    const links = native.tokenLinks(this.#verifier, token, asked)
    if (isFailure(links)) return this.#refuse(token, links)
    const answers = links.map((link) => conclusion(ask(sources, link).map(atOnce)))
    return this.#judge(token, asked, answers)
  }

  async #verify(token: string, asked: Asked): Promise<Result<TokenClaims>> {
    this.#forgetOldKeys(asked.now)
    const missing = this.#remote.size === 0 ? null : native.missingKey(this.#verifier, token)
    if (missing !== null) await this.#fetchKeys(missing, asked.now)
    const sources = this.#sources()
    if (this.#remote.size + sources.length + this.#lists.length === 0) return this.#judge(token, asked, [])
    let links = native.tokenLinks(this.#verifier, token, asked)
    const issuer = isFailure(links) ? undefined : links[0]?.issuer
    // Only a good token makes us look whether its issuer has taken the key back meanwhile.
    if (issuer !== undefined && this.#remote.get(issuer)?.isOlder(KEYS_REFRESH, asked.now)) {
      await this.#fetchKeys(issuer, asked.now)
      links = native.tokenLinks(this.#verifier, token, asked)
    }
    if (isFailure(links)) return this.#refuse(token, links)
    const [answers, reasons] = await Promise.all([this.#askAll(sources, links), this.#fetchLists(links, asked.now)])
    return this.#judge(token, { ...asked, now: this.#time() }, answers, reasons)
  }

  #judge(
    token: string,
    asked: Asked,
    answers: readonly (boolean | undefined)[],
    reasons: readonly string[] = [],
  ): Result<TokenClaims> {
    const known = answers.length === 0 ? this.#known.get(token) : undefined
    if (known) {
      const scopes = asked.scopes.length === 0 ? undefined : asked.scopes
      const revocation = native.verifyKnownToken(this.#verifier, known.place, asked.now, scopes, asked.presenter)
      if (revocation === known.claims.revocation) return ok(known.claims)
    }
    const verified = native.verifyToken(this.#verifier, token, asked, answers)
    if (isFailure(verified)) return this.#refuse(token, verified, reasons)
    const claims = claimsOf(verified)
    if (verified.known !== undefined) this.#remember(token, { claims, place: verified.known })
    return ok(claims)
  }

  #remember(token: string, known: Known): void {
    this.#knownSize += token.length
    if (this.#knownSize > KNOWN_SIZE) this.#forget()
    else this.#known.set(token, known)
  }

  #forget(): void {
    native.forgetKnownTokens(this.#verifier)
    this.#known.clear()
    this.#knownSize = 0
  }

  #refuse(
    token: string,
    refusal: Failure & { revocation?: Evidence },
    reasons: readonly string[] = [],
  ): Result<TokenClaims> {
    if (refusal.code === 'REVOCATION_UNKNOWN') {
      const { revocation = 'unknown' } = refusal
      const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`
      return fail({ ...refusal, hint: `the evidence is ${revocation}${why}: ${remedies[revocation]}` })
    }
    const missing = refusal.code === 'UNTRUSTED_ISSUER' ? native.missingKey(this.#verifier, token) : null
    const document = missing === null ? undefined : this.#remote.get(missing)
    if (!document) return fail(refusal)
    const { failure: why, fetchedAt } = document
    if (why === undefined) {
      const asked = 'its JWK set holds no such key, and is asked for again after 30 s at the earliest'
      const unasked = 'verify() asks for the keys of this issuer, verifySync() does not'
      return fail({ ...refusal, hint: fetchedAt === undefined ? unasked : asked })
    }
    return fail(failure('UNTRUSTED_ISSUER', `the keys of ${missing} were not fetched: ${why}`, undefined, true))
  }

  #asked(token: string, options: TokenDemands): Asked {
    checkString(token, 'token')
    checkObject(options, 'options')
    known(options, 'verify()', DEMANDS)
    const { scopes, presenter } = options
    optional(presenter, checkString, 'presenter')
    return { now: this.#time(), scopes: scopes === undefined ? [] : strings(scopes, 'scopes'), presenter }
  }

  #time(): number {
    const now = this.#now()
    checkNumber(now, 'now()')
    return now
  }

  #fetchKeys(issuer: string, now: number): Promise<void> | undefined {
    return this.#remote.get(issuer)?.refresh(now, (jwks) => this.#setKeys(issuer, jwks))
  }

  /** What was verified with the keys before is forgotten. */
  #setKeys(issuer: string, jwks?: string): string | undefined {
    this.#forget()
    return native.setKeys(this.#verifier, issuer, jwks)?.message
  }

  #forgetOldKeys(now: number): void {
    for (const [issuer, document] of this.#remote) {
      if (!document.isOlder(KEYS_MAX_AGE, now)) continue
      this.#setKeys(issuer)
      document.fetchedAt = undefined
    }
  }

  async #fetchLists(links: readonly Link[], now: number): Promise<string[]> {
    if (!links.some(({ status }) => status)) return []
    const put: Parameters<VerifiersLists['refresh']>[2] = (lists, text, uri, issuer) =>
      native.putIssuersList(this.#verifier, lists, text, uri, issuer, this.#time())
    return (await Promise.all(this.#lists.map((lists) => lists.refresh(links, now, put)))).flat()
  }

  async #askAll(sources: readonly RevocationSource[], links: readonly Link[]): Promise<(boolean | undefined)[]> {
    if (sources.length === 0) return []
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#sourceTimeoutMs)
    })
    const inTime = async (answer: unknown): Promise<unknown> => {
      try {
        return await Promise.race([answer, late])
      } catch {
        return undefined
      }
    }
    const answers = await Promise.all(links.map((link) => Promise.all(ask(sources, link).map(inTime))))
    clearTimeout(timer)
    return answers.map(conclusion)
  }
}

/** Every source's answer to every question about a link: anything at all. */
function ask(sources: readonly RevocationSource[], link: Link): unknown[] {
  return questions(link).flatMap((question) =>
    sources.map((source) => {
      try {
        return source.isRevoked(question)
      } catch {
        return undefined
      }
    }),
  )
}

/** Who speaks for the rights is asked about as well as who uses them. */
function questions({ id, issuer, subject, issuedAt, status }: Link): RevocationSubject[] {
  const about: RevocationSubject = { tokenId: id, issuer, issuedAt, ...(status && { status }) }
  return [about, { did: issuer, issuedAt }, { did: subject, issuedAt }].map((question) => Object.freeze(question))
}

/** An answer that takes time is none. */
function atOnce(answer: unknown): unknown {
  if (typeof answer !== 'object') return answer
  try {
    Promise.resolve(answer).catch(() => {})
  } catch {
    // a promise whose own members throw: it does not know either
  }
  return undefined
}

/** One yes decides, and then one who does not know. */
function conclusion(answers: readonly unknown[]): boolean | undefined {
  if (answers.includes(true)) return true
  return answers.every((answer) => answer === false) ? false : undefined
}

const remedies: Record<Evidence, string> = {
  fresh: 'ask again',
  unchecked: 'ask again',
  stale: 'the issuer has to publish its status list anew',
  absent: 'give the verifier a StatusListSource that may fetch the list, or put it there',
  unreadable: 'the issuer has to publish a status list that can be read and is long enough',
  unknown: 'ask again when the source answers',
}

const noClaims = Object.freeze({})

/** Field by field, because this is most of what a new token costs on this side. */
function claimsOf(token: VerifiedToken): TokenClaims {
  const { claims } = token
  return Object.freeze({
    issuer: token.issuer,
    subject: token.subject,
    audience: token.audience,
    scopes: Object.freeze([...token.scopes]),
    id: token.id,
    issuedAt: token.issuedAt,
    expiresAt: token.expiresAt,
    chain: Object.freeze([...token.chain]),
    claims: claims === '{}' ? noClaims : frozen(JSON.parse(claims) as Record<string, unknown>),
    revocation: token.revocation,
  })
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(frozen)
    Object.freeze(value)
  }
  return value
}

interface Trusted {
  dids: string[]
  issuers: { issuer: string; jwks?: string }[]
  remote: Map<string, RemoteDocument>
}

function readTrust(trust: TokenVerifierOptions['trust'], fetch: FetchDocument): Trusted {
  if (!Array.isArray(trust)) throw new TypeError('trust must be a list of DIDs and issuers')
  const trusted: Trusted = { dids: [], issuers: [], remote: new Map() }
  for (const each of trust as TokenVerifierOptions['trust']) {
    if (typeof each === 'string') {
      trusted.dids.push(each)
      continue
    }
    checkObject(each, 'trust')
    known(each, 'trust', ['issuer', 'jwks'])
    const { issuer, jwks } = each
    checkString(issuer, 'trust.issuer')
    if (trusted.issuers.some((other) => other.issuer === issuer)) {
      throw new XBindError(failure('INVALID_CONFIG', `trust names ${issuer} twice`, 'put its keys into one JWK set'))
    }
    if (typeof jwks === 'string') {
      if (!isFetchable(jwks)) {
        throw new XBindError(failure('INVALID_CONFIG', 'trust.jwks is no https URL in its plain spelling'))
      }
      trusted.remote.set(issuer, new RemoteDocument(jwks, JWKS, fetch))
      trusted.issuers.push({ issuer })
    } else {
      trusted.issuers.push({ issuer, jwks: jwksText(jwks, 'trust.jwks') })
    }
  }
  return trusted
}

/**
 * The lists of this package are asked in native memory, all else here: also what a subclass or an object has put in the place
 * of their methods, now or later.
 */
function sorted(revocations: TokenVerifierOptions['revocations'] = []) {
  const sources = Array.isArray(revocations)
    ? [...(revocations as readonly RevocationSource[])]
    : [revocations as RevocationSource]
  for (const source of sources) {
    checkObject(source, 'revocations')
    checkFunction(source.isRevoked, 'revocations.isRevoked')
  }
  const lists = new Map(sources.map((source) => [source, statusLists(source)]))
  return {
    revoked: sources.flatMap((source) => listOf(source) ?? []),
    lists: [...lists.values()].filter((list) => list !== undefined),
    own: () => sources.filter((source) => lists.get(source)?.asksItself() ?? !listOf(source)),
  }
}
