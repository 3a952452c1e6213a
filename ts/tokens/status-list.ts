import type { Failure, Link, ListsRef, WeightRef } from '../native/binding'
import type { StatusRef } from './evidence'
import { bounded, checkFunction, checkNumber, checkObject, checkString, known, strings } from '../check'
import { failure, isFailure, XBindError } from '../errors'
import { fetchPublic, isFetchable, obtain, reasonOf, STATUS_LIST, type FetchDocument, type FetchLimits } from './fetch'
import { keyOf, type Identity } from '../agent/identity'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, orThrow, result, type Result } from '../result'
import type { RevocationSource, RevocationSubject } from './revocation'
import { notWhole, systemTime } from './seconds'
import { jwksText } from './jwks'

/**
 * The status of many tokens, for their issuer to publish (Token Status List, draft-ietf-oauth-status-list-18).
 *
 * @example
 * ```ts
 * const list = new StatusList({ size: 1000 })
 * list.set(7, StatusList.INVALID)
 * const published = list.sign(identity, { uri: 'https://status.example/1' })
 * ```
 */
export class StatusList {
  /** The token stands. */
  static readonly VALID = 0
  /** The token was revoked, for good. */
  static readonly INVALID = 1
  /** The token is revoked for the time being; takes lists of 2 bits at least. */
  static readonly SUSPENDED = 2

  /** The bits of each token, and the bytes of all. */
  #list: readonly [bits: number, bytes: Uint8Array]

  /** A list of at least `size` tokens, all of them valid, of 1, 2, 4 or 8 bits each, default 1. Throws INVALID_CONFIG. */
  constructor(options: {
    /** How many tokens it has room for, at least. */ size: number
    /** Of each token; default 1. */ bits?: 1 | 2 | 4 | 8
  }) {
    checkObject(options, 'options')
    known(options, 'StatusList', ['size', 'bits'])
    const { size, bits = 1 } = options
    checkNumber(size, 'size')
    checkNumber(bits, 'bits')
    const wrong = notWhole({ size, bits })
    if (wrong) throw new XBindError(wrong)
    this.#list = orThrow(native.newStatusList(bits, size))
  }

  /** A list that was signed before, to go on with it. Errors: INVALID_TOKEN, INVALID_DID. */
  static read(
    jws: string,
    options: {
      /** Where it was published. */
      uri: string
      /** The DID that signed it. */
      issuer: string
    },
  ): Result<StatusList> {
    checkString(jws, 'jws')
    checkObject(options, 'options')
    known(options, 'read()', ['uri', 'issuer'])
    const { uri, issuer } = options
    checkString(uri, 'uri')
    checkString(issuer, 'issuer')
    const read = native.readStatusList(jws, uri, issuer)
    if (isFailure(read)) return fail(read)
    const list = new StatusList({ size: 1 })
    list.#list = read
    return ok(list)
  }

  /** Errors: INVALID_CONFIG beyond the end, or for a status that the bits cannot hold. */
  set(index: number, status: number): Result<void> {
    checkNumber(index, 'index')
    checkNumber(status, 'status')
    const wrong = notWhole({ index, status })
    if (wrong) return fail(wrong)
    // 255 fits no narrower list, and one byte is what crosses.
    if (status > 255)
      return fail(failure('INVALID_CONFIG', `status is ${status}`, 'give a status that the bits can hold'))
    const failed = native.setStatus(...this.#list, index, status)
    return failed ? fail(failed) : ok(undefined)
  }

  /** The status at an index; undefined beyond the end. */
  get(index: number): number | undefined {
    checkNumber(index, 'index')
    if (notWhole({ index })) return undefined
    return native.getStatus(...this.#list, index) ?? undefined
  }

  /** How many tokens it has room for. */
  get size(): number {
    const [bits, bytes] = this.#list
    return native.statusListSize(bits, bytes.length)
  }

  /** 1, 2, 4 or 8. */
  get bits(): number {
    return this.#list[0]
  }

  /**
   * Signs the list for the address at which it is published: a JWT of type statuslist+jwt. It may be relied upon for
   * `lifetimeSeconds`, default 3600, and a copy kept for `ttlSeconds`, by default as long as that: between a revocation and
   * its being known everywhere lies that time at most. Errors: INVALID_CONFIG, SIGN_FAILED.
   */
  sign(
    issuer: Identity,
    options: {
      /** Where it will be published, as the tokens name it. */
      uri: string
      /** How long it may be relied upon, default 3600. */
      lifetimeSeconds?: number
      /** How long a copy may be kept; by default as long as it may be relied upon. */
      ttlSeconds?: number
      /** Seconds since the epoch, for tests. */
      now?: number
    },
  ): Result<string> {
    const key = keyOf(issuer, 'issuer')
    checkObject(options, 'options')
    known(options, 'sign()', ['uri', 'lifetimeSeconds', 'ttlSeconds', 'now'])
    const { uri, lifetimeSeconds = 3600, ttlSeconds, now } = options
    checkString(uri, 'uri')
    const wrong = notWhole({ lifetimeSeconds, ttlSeconds, now })
    if (wrong) return fail(wrong)
    const draft = json({ uri, lifetime: lifetimeSeconds, ttl: ttlSeconds, now })
    return result(native.signStatusList(key, ...this.#list, draft))
  }
}

/** Where status lists may come from, and how long each is relied upon. */
export interface StatusListSourceOptions {
  /** How long a list is relied upon after it was signed, whatever it says itself; default 86 400. */
  maxAgeSeconds?: number
  /** How old a copy may be before the next is asked for; default 300, 30 to 86 400. While none comes, the old one serves its time. */
  refreshSeconds?: number
  /**
   * Default 1000. Half of it is for issuers that a verifier with this source trusts, each an equal part; of the other half,
   * an issuer that none trusts has an eighth of all at most.
   */
  maxLists?: number
  /** How much memory the lists may take, shared out in the same way; default 64 MiB, at least 1 MiB. */
  maxBytes?: number
  /**
   * Where lists are fetched from, such as `https://status.example`. By default wherever a trusted issuer's own token points,
   * and nowhere for a link of a delegation, whose maker nobody here has chosen. What is listed may be in your own network;
   * tokens choose the path there.
   */
  origins?: readonly string[]
  /** Never fetches; lists come by `put` alone. */
  offline?: boolean
  /** A client of your own, as behind a proxy. */
  fetch?: FetchDocument
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number
}

/** What a list says: its status for a token, or why it says nothing. Only fresh evidence decides. */
export type StatusEvidence =
  | {
      /** A list is at hand that may be relied upon now. */
      readonly evidence: 'fresh'
      /** What it says: 0 is valid. */
      readonly status: number
    }
  | {
      /** Why nothing is known: the list is too old, not there, or has no such place. */
      readonly evidence: 'stale' | 'absent' | 'unreadable'
    }

/** What verifiers do with a source beyond asking it; undefined for other sources. Set by the class, which alone sees it. */
export let statusLists: (source: RevocationSource) => VerifiersLists | undefined

export interface VerifiersLists {
  readonly lists: ListsRef
  /** Whether it answers for itself, so that it has to be asked besides. */
  readonly asksItself: () => boolean
  /** Fetches what the links need, and gives the reasons why some of it did not come. */
  refresh(links: readonly Link[], now: number, put: PutList): Promise<string[]>
}

type PutList = (lists: ListsRef, text: string, uri: string, issuer: string) => Failure | null

/**
 * Status lists of others, fetched when a token names them, or put in by hand. Given to a `TokenVerifier`, it answers for the
 * tokens with a `status` claim; without fresh evidence they are refused with REVOCATION_UNKNOWN.
 *
 * @example
 * ```ts
 * const revocations = new StatusListSource({ origins: ['https://status.example'] })
 * const verifier = new TokenVerifier({ audience: 'https://billing.example', trust: [identity.did], revocations })
 * ```
 */
export class StatusListSource implements RevocationSource {
  readonly #lists: ListsRef
  /** What is being fetched, and why it will not have come. */
  readonly #running = new Map<string, Promise<string | undefined>>()
  readonly #fetch: FetchDocument | undefined
  readonly #now: () => number
  /** What V8 knows of the memory that the lists take. */
  #weights: WeightRef[] = []
  #weighed = 0

  /** Throws INVALID_CONFIG. */
  constructor(options: StatusListSourceOptions = {}) {
    checkObject(options, 'options')
    known(options, 'StatusListSource', SOURCE)
    const { origins, offline = false, fetch = fetchPublic, now = systemTime } = options
    const { refreshSeconds, maxLists, maxBytes, maxAgeSeconds } = options
    checkFunction(fetch, 'fetch')
    checkFunction(now, 'now')
    if (typeof offline !== 'boolean') throw new TypeError('offline must be a boolean')
    const refresh = bounded(refreshSeconds, 300, 'refreshSeconds', 30, 86_400)
    this.#fetch = offline ? undefined : fetch
    this.#now = now
    const policy = {
      refresh: offline ? Number.MAX_SAFE_INTEGER : refresh,
      maxLists: bounded(maxLists, 1000, 'maxLists', 1, 100_000),
      maxBytes: bounded(maxBytes, 64 << 20, 'maxBytes', 1 << 20, 2 ** 40),
      maxAge: bounded(maxAgeSeconds, 86_400, 'maxAgeSeconds', 1, 31_536_000),
      origins: origins === undefined ? undefined : strings(origins, 'origins').map(checkOrigin),
    }
    this.#lists = native.newStatusLists(json(policy))
  }

  /**
   * Takes a signed list in, as where nothing can be fetched. It speaks for the tokens of the DID that signed it, or with
   * `issuer` and `jwks` for those of that issuer. Of two lists of the same second both count. Errors: INVALID_TOKEN,
   * TOKEN_EXPIRED (older than the one at hand), TOKEN_NOT_YET_VALID (from the future, while another is at hand),
   * INVALID_KEY (the JWK set), INVALID_DID, INVALID_CONFIG (no room for it).
   */
  put(
    jws: string,
    by?: {
      /** As its tokens name it in `iss`. */ issuer: string
      /** Its public keys. */ jwks: {
        /** JWKs (RFC 7517). */
        keys: readonly object[]
      }
    },
  ): Result<void> {
    checkString(jws, 'jws')
    const named = by === undefined ? undefined : namedIssuer(by)
    const says = whatItSays(jws)
    if (!says) return fail(failure('INVALID_TOKEN', 'the status list is not a compact JWS with kid and sub'))
    const now = this.#time()
    const failed = native.putList(this.#lists, jws, says.uri, named?.issuer ?? says.signer, named?.jwks, now)
    this.#weigh()
    return failed ? fail(failed) : ok(undefined)
  }

  /** What is known here of a token by that issuer. Fetches nothing. */
  statusOf(issuer: string, status: StatusRef): StatusEvidence {
    checkString(issuer, 'issuer')
    checkObject(status, 'status')
    const { index, uri } = status
    checkNumber(index, 'status.index')
    checkString(uri, 'status.uri')
    if (notWhole({ index })) return { evidence: 'unreadable' }
    const answer = native.askList(this.#lists, issuer, json({ index, uri }), this.#time())
    return typeof answer === 'number' ? { evidence: 'fresh', status: answer } : { evidence: answer }
  }

  /** Throws REVOCATION_UNKNOWN for a token with a status that no fresh list here answers for. */
  isRevoked(subject: RevocationSubject): boolean {
    checkObject(subject, 'subject')
    const { issuer, status } = subject
    if (status === undefined || issuer === undefined) return false
    const answer = this.statusOf(issuer, status)
    if (answer.evidence === 'fresh') return answer.status !== StatusList.VALID
    throw new XBindError(
      failure('REVOCATION_UNKNOWN', `the token's status list is ${answer.evidence}`, undefined, true),
    )
  }

  #time(): number {
    const now = this.#now()
    checkNumber(now, 'now()')
    if (!(Number.isFinite(now) && now >= 0)) throw new TypeError(`now() must be seconds since the epoch, not ${now}`)
    return now
  }

  /** Tells V8 of what grew in native memory, and of what went away. */
  #weigh(): void {
    const bytes = native.listsBytes(this.#lists)
    if (bytes < this.#weighed) {
      this.#weights = []
      this.#weighed = 0
    }
    if (bytes > this.#weighed) this.#weights.push(native.weight(bytes - this.#weighed))
    this.#weighed = bytes
  }

  async #refresh(links: readonly Link[], now: number, put: PutList): Promise<string[]> {
    const fetch = this.#fetch
    if (!fetch) return []
    const failures = await Promise.all(
      links.map(
        async (link, place) => link.status && this.#update(fetch, link.issuer, link.status, place === 0, now, put),
      ),
    )
    return failures.filter((failure) => failure !== undefined)
  }

  /** Fetches a list if it is due, once for all who wait; gives the reason if it did not come. */
  #update(fetch: FetchDocument, issuer: string, status: StatusRef, first: boolean, now: number, put: PutList) {
    const name = `${issuer}\n${status.uri}` // neither holds a control character
    const due = read(native.listDue(this.#lists, issuer, json(status), first, now))
    if (due.fetch === undefined) return due.running ? this.#running.get(name) : due.failure
    const limits = { ...STATUS_LIST, named: due.fetch }
    const running = this.#take(fetch, limits, issuer, status.uri, now, put).finally(() => this.#running.delete(name))
    this.#running.set(name, running)
    return running
  }

  async #take(fetch: FetchDocument, limits: FetchLimits, issuer: string, uri: string, now: number, put: PutList) {
    let failure: string | undefined
    try {
      failure = put(this.#lists, await obtain(fetch, uri, limits), uri, issuer)?.message
    } catch (error) {
      failure = reasonOf(error)
    }
    native.listCame(this.#lists, issuer, uri, now, failure)
    this.#weigh()
    return failure
  }

  static {
    const { isRevoked, statusOf } = StatusListSource.prototype
    statusLists = (source) =>
      #lists in source
        ? {
            lists: source.#lists,
            asksItself: () => source.isRevoked !== isRevoked || source.statusOf !== statusOf,
            refresh: (links, now, put) => source.#refresh(links, now, put),
          }
        : undefined
  }
}

const SOURCE = ['maxAgeSeconds', 'refreshSeconds', 'maxLists', 'maxBytes', 'origins', 'offline', 'fetch', 'now']

function namedIssuer(by: { issuer: string; jwks: { keys: readonly object[] } }): { issuer: string; jwks: string } {
  checkObject(by, 'by')
  known(by, 'by', ['issuer', 'jwks'])
  const { issuer, jwks } = by
  checkString(issuer, 'by.issuer')
  return { issuer, jwks: jwksText(jwks, 'by.jwks') }
}

function checkOrigin(text: string): string {
  if (isFetchable(text) && new URL(text).href === `${new URL(text).origin}/`) return new URL(text).origin
  throw new XBindError(
    failure('INVALID_CONFIG', 'origins holds what is no https origin', 'give https://host or https://host:port'),
  )
}

/** Whom and what a list is by and about, to look it up by; whether it is true is verified where it is taken in. */
function whatItSays(jws: string): { signer: string; uri: string } | undefined {
  const [header, claims] = jws.split('.', 2).map((part) => {
    try {
      return JSON.parse(Buffer.from(part, 'base64url').toString()) as { kid?: unknown; sub?: unknown } | null
    } catch {
      return undefined
    }
  })
  const { kid } = header ?? {}
  const { sub } = claims ?? {}
  return typeof kid === 'string' && typeof sub === 'string'
    ? { signer: kid.split('#', 1)[0] ?? '', uri: sub }
    : undefined
}
