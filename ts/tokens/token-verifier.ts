import type {
  Answers,
  Failure,
  Json,
  JudgeRef,
  Link,
  Needs,
  Refusal as TokenRefusal,
  Token as VerifiedToken,
} from '../native/binding'
import { OPTIONS, type TokenDemands, type TokenVerifierOptions } from './demands'
import type { Evidence } from './evidence'
import { didIn, Recorder, type Entry } from '../agent/audit'
import { bounded, checkFunction, checkNumber, checkObject, checkString, known, optional, strings } from '../check'
import { failure, isFailure } from '../errors'
import { fetchPublic, type sharedFetch } from './fetch'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, orThrow, type Result } from '../result'
import type { RevocationSource } from './revocation'
import { systemTime } from './seconds'
import { sorted, standingNow, standingOf, type Standing } from './sources'
import type { VerifiersLists } from './status-list'
import type { TokenClaims } from './token'
import { readTrust } from './trust'

interface Known {
  readonly claims: TokenClaims
  readonly place: number
}

const DEMANDS = ['scopes', 'presenter']

/** How much text of known tokens is kept, in characters. */
const KNOWN_SIZE = 1 << 20

/** What is asked of a token. */
interface Asked {
  readonly now: number
  readonly scopes: readonly string[]
  readonly presenter: string | undefined
}

/** What a guard needs of a verifier: its judge, and what the judge asks for. */
export interface Witness {
  readonly judge: JudgeRef
  /** Whether there are sources to ask about every link. */
  hasSources(): boolean
  /** Finds out what the judge needs, at once where nothing takes time. */
  answer(needs: Needs, answers: Answers): Answers | Promise<Answers>
}

/** The judge of a verifier, and who answers it. Set by the class, which alone sees it. */
export let witnessOf: (verifier: TokenVerifier) => Witness

/**
 * Verifies tokens and delegations for one audience, offline but for authorities that are followed, and issuers whose keys or
 * status lists are fetched.
 *
 * @example
 * ```ts
 * const verifier = new TokenVerifier({ audience: 'https://billing.example', trust: [identity.did] })
 * const claims = await verifier.verify(token, { scopes: ['invoice.read'], presenter: friend.did })
 * ```
 */
export class TokenVerifier {
  readonly #judge: JudgeRef
  readonly #now: () => number
  /** Fetches the keys of an issuer. */
  readonly #remote: ReadonlyMap<string, ReturnType<typeof sharedFetch>>
  /** Those that answer for themselves. */
  readonly #sources: () => readonly RevocationSource[]
  readonly #lists: readonly VerifiersLists[]
  readonly #sourceTimeoutMs: number
  /** Tokens verified with the keys of now, so that what they say need not be told again. */
  readonly #known = new Map<string, Known>()
  #knownSize = 0
  readonly #recorder: Recorder | undefined
  /** Who decides, where that is a DID. */
  readonly #by: string | undefined

  /** Throws INVALID_DID, INVALID_KEY (a JWK set), INVALID_CONFIG. */
  constructor(options: TokenVerifierOptions) {
    checkObject(options, 'options')
    known(options, 'TokenVerifier', OPTIONS)
    const { audience, trust, now = systemTime, fetch = fetchPublic, revocations } = options
    const { revocationTimeoutMs, clockSkewSeconds, maxLifetimeSeconds } = options
    const { dangerouslyAcceptUnknownRevocation: acceptUnknown = false, audit, dangerouslyContinueUnrecorded } = options
    checkString(audience, 'audience')
    checkFunction(now, 'now')
    checkFunction(fetch, 'fetch')
    if (typeof acceptUnknown !== 'boolean') throw new TypeError('dangerouslyAcceptUnknownRevocation must be a boolean')
    const { trusted, remote } = readTrust(trust, fetch)
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
      trust: trusted,
      acceptUnknown,
    }
    const shared = lists.map(({ lists }) => lists)
    this.#judge = orThrow(native.newJudge(json(policy), revoked, shared))
    this.#recorder = Recorder.of(audit, dangerouslyContinueUnrecorded)
    this.#by = this.#recorder && didIn(audience)
  }

  /**
   * Verifies a token or a delegation: the checks of docs/tokens.md, in that order. Fetches the keys of an issuer that is
   * trusted by the URL of its JWK set, and status lists, and asks authorities that are trusted by DID and URL.
   * Errors: INVALID_TOKEN, INVALID_DELEGATION, UNTRUSTED_ISSUER, WRONG_AUDIENCE, TOKEN_NOT_YET_VALID, TOKEN_EXPIRED,
   * SCOPE_DENIED, REVOKED, REVOCATION_UNKNOWN, INVALID_DID (the presenter), INVALID_CONFIG (a scope that is none), AUDIT_FAILED.
   *
   * @example
   * ```ts
   * const verifier = new TokenVerifier({ audience: identity.did, trust: [friend.did] })
   * const claims = await verifier.verify(token, { scopes: ['invoice.read'] })
   * console.log(claims.ok ? claims.value.scopes : claims.error.code)
   * ```
   */
  async verify(token: string, options: TokenDemands = {}): Promise<Result<TokenClaims>> {
    const asked = this.#asked(token, options)
    const verified = await this.#verify(token, asked).catch((thrown: unknown) => this.#thrown(asked, thrown))
    const entry = this.#record(verified, asked)
    const done = entry && (await this.#recorder?.commit(entry))
    if (isFailure(done)) return fail(done)
    if (!done) return verified
    // Its record was waited for: what does not hold any more is refused.
    const again = { ...asked, now: this.#timeFor(asked) }
    const still = await this.#verify(token, again).catch((thrown: unknown) => this.#thrown(asked, thrown))
    if (!still.ok) this.#record(still, asked)
    return still
  }

  /**
   * The same without waiting: an issuer whose keys are not in memory answers UNTRUSTED_ISSUER, a source that needs time does not
   * know. Where `verify` has asked an authority before, it is asked again in the background.
   */
  verifySync(token: string, options: TokenDemands = {}): Result<TokenClaims> {
    const asked = this.#asked(token, options)
    const verified = this.#verifyNow(token, asked)
    const entry = this.#record(verified, asked)
    const failed = entry && this.#recorder?.put(entry)
    if (failed) return fail(failed)
    const now = entry ? this.#timeFor(asked) : asked.now
    if (now === asked.now) return verified // this thread has waited, so nothing else has happened here
    const still = this.#verifyNow(token, { ...asked, now })
    if (!still.ok) this.#record(still, asked)
    return still
  }

  #thrown({ presenter }: Pick<Asked, 'presenter'>, thrown: unknown): never {
    this.#recorder?.thrown({ event: 'token', by: this.#by, from: didIn(presenter) })
    throw thrown
  }

  /** What is still to be put on record: that it holds. A refusal is, at once. */
  #record(verified: Result<TokenClaims>, { presenter }: Asked): Entry | undefined {
    if (!this.#recorder) return undefined
    const entry = { event: 'token', by: this.#by, from: didIn(presenter) }
    if (!verified.ok) {
      this.#recorder.refused(entry, verified.error)
      return undefined
    }
    const { id, subject, chain } = verified.value
    return { ...entry, outcome: 'accepted', to: didIn(subject), token: id, chain }
  }

  #verifyNow(token: string, asked: Asked): Result<TokenClaims> {
    const sources = this.#sources()
    const answers: Answers = { sources: sources.length > 0, patient: false }
    const ruling = this.#rule(token, asked, answers)
    if (!('links' in ruling)) return this.#conclude(token, ruling)
    const told = this.#rule(token, asked, { ...answers, standing: standingNow(sources, ruling.links) })
    return this.#conclude(token, told as Exclude<typeof told, Needs>)
  }

  /** Judges, finds out what is needed, and judges again: each is needed once at most. */
  async #verify(token: string, asked: Asked): Promise<Result<TokenClaims>> {
    let answers: Told = { sources: this.#sources().length > 0, patient: true }
    for (let now = asked.now; ; now = this.#time()) {
      const ruling = this.#rule(token, { ...asked, now }, answers)
      if (!('links' in ruling)) return this.#conclude(token, ruling, answers.reasons)
      answers = await this.#answer(ruling, answers)
    }
  }

  #rule(token: string, asked: Asked, answers: Answers): TokenClaims | VerifiedToken | TokenRefusal | Needs {
    const alone = !answers.sources && (!answers.patient || this.#remote.size + this.#lists.length === 0)
    const known = alone ? this.#known.get(token) : undefined
    if (known) {
      const scopes = asked.scopes.length === 0 ? undefined : asked.scopes
      const revocation = native.verifyKnownToken(this.#judge, known.place, asked.now, scopes, asked.presenter)
      if (revocation === known.claims.revocation) return known.claims
    }
    const { now, scopes, presenter } = asked
    return read(native.judgeToken(this.#judge, token, now, scopes, presenter, answersText(answers)))
  }

  #conclude(
    token: string,
    ruling: TokenClaims | VerifiedToken | TokenRefusal,
    reasons?: readonly string[],
  ): Result<TokenClaims> {
    if (isFailure(ruling)) return fail(explained(ruling as TokenRefusal, reasons))
    if (Object.isFrozen(ruling)) return ok(ruling as TokenClaims)
    const verified = ruling as VerifiedToken
    const claims = claimsOf(verified)
    if (verified.known !== undefined) this.#remember(token, { claims, place: verified.known })
    return ok(claims)
  }

  #remember(token: string, known: Known): void {
    this.#knownSize += token.length
    if (this.#knownSize > KNOWN_SIZE) {
      native.forgetKnownTokens(this.#judge)
      this.#known.clear()
      this.#knownSize = 0
    } else {
      this.#known.set(token, known)
    }
  }

  #asked(token: string, options: TokenDemands): Asked {
    checkString(token, 'token')
    checkObject(options, 'options')
    known(options, 'verify()', DEMANDS)
    const { scopes, presenter } = options
    optional(presenter, checkString, 'presenter')
    const needed = scopes === undefined ? [] : strings(scopes, 'scopes')
    return { now: this.#timeFor({ presenter }), scopes: needed, presenter }
  }

  /** The time; a token is refused on record where there is none. */
  #timeFor(asked: Pick<Asked, 'presenter'>): number {
    try {
      return this.#time()
    } catch (thrown) {
      return this.#thrown(asked, thrown)
    }
  }

  #time(): number {
    const now = this.#now()
    checkNumber(now, 'now()')
    return now
  }

  #answer(needs: Needs, answers: Told): Told | Promise<Told> {
    const { keys, authorities, lists, links } = needs
    const told: Told = {
      ...answers,
      keysSought: answers.keysSought || keys !== undefined || authorities,
      listsSought: answers.listsSought || lists,
    }
    const standing = needs.standing ? standingOf(this.#sources(), links, this.#sourceTimeoutMs) : answers.standing
    if (keys === undefined && !authorities && !lists && !(standing instanceof Promise)) return { ...told, standing }
    return this.#fetched(needs, told, standing)
  }

  async #fetched(
    { keys, authorities, lists, links }: Needs,
    told: Told,
    asked: Standing | undefined | Promise<Standing>,
  ): Promise<Told> {
    const now = this.#time()
    const [standing, reasons] = await Promise.all([
      asked,
      lists ? this.#fetchLists(links, now) : told.reasons,
      keys === undefined ? undefined : this.#fetchKeys(keys, now),
      authorities ? native.askAuthorities(this.#judge, now) : undefined,
    ])
    return { ...told, standing, ...(reasons && { reasons }) }
  }

  #fetchKeys(issuer: string, now: number): Promise<void> | undefined {
    const take = (jwks: string | undefined, why: string) => native.keysCame(this.#judge, issuer, now, jwks, why)
    return this.#remote.get(issuer)?.(take)
  }

  async #fetchLists(links: readonly Link[], now: number): Promise<string[]> {
    const put: Parameters<VerifiersLists['refresh']>[2] = (lists, text, uri, issuer) =>
      native.putIssuersList(this.#judge, lists, text, uri, issuer, this.#time())
    return (await Promise.all(this.#lists.map((lists) => lists.refresh(links, now, put)))).flat()
  }

  static {
    witnessOf = (verifier) => ({
      judge: verifier.#judge,
      hasSources: () => verifier.#sources().length > 0,
      answer: (needs, answers) => verifier.#answer(needs, answers),
    })
  }
}

/** What has been found out, and why some of it was not. */
interface Told extends Answers {
  readonly reasons?: readonly string[]
}

/** @internal What has been found out, without what only this side wants to know. */
export function answersText({ sources, patient, standing, keysSought, listsSought }: Answers): Json<Answers> {
  return json({ sources, patient, standing, keysSought, listsSought })
}

/** A refusal with what to do about it, which only this side can name. */
function explained(refusal: TokenRefusal, reasons: readonly string[] = []): Failure {
  const { code, message, retryable, revocation, keysOf, authority, keysAsked, keysFailure } = refusal
  if (code === 'REVOCATION_UNKNOWN') {
    const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`
    return { code, message, retryable, hint: `the evidence is ${revocation}${why}: ${remedies[revocation]}` }
  }
  if (authority !== undefined) {
    if (keysFailure !== undefined) {
      const why = `${message}: ${authority} did not say whether it has that DID: ${keysFailure}`
      return failure('UNTRUSTED_ISSUER', why, undefined, true)
    }
    const asked = `${authority} has no such DID, and is asked again after 5 s at the earliest`
    const unasked = `verify() asks ${authority} which DIDs it has, verifySync() does not wait for it`
    return { code, message, retryable, hint: keysAsked ? asked : unasked }
  }
  if (keysOf === undefined) return refusal
  if (keysFailure !== undefined) {
    return failure('UNTRUSTED_ISSUER', `the keys of ${keysOf} were not fetched: ${keysFailure}`, undefined, true)
  }
  const asked = 'its JWK set holds no such key, and is asked for again after 30 s at the earliest'
  const unasked = 'verify() asks for the keys of this issuer, verifySync() does not'
  return { code, message, retryable, hint: keysAsked ? asked : unasked }
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
    ...(token.quota && { quota: Object.freeze({ ...token.quota }) }),
    id: token.id,
    issuedAt: token.issuedAt,
    expiresAt: token.expiresAt,
    chain: Object.freeze([...token.chain]),
    ...(token.onBehalfOf && { onBehalfOf: Object.freeze({ ...token.onBehalfOf }) }),
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
