import { Recorder, type AuditOptions, type Entry } from '../agent/audit'
import { XBindError } from '../errors'
import type { Failure, ListRef } from '../native/binding'
import { bounded, checkDID, checkObject, checkString, halved, known, optional } from '../check'
import { native } from '../native'
import { fail, ok, type Result } from '../result'
import { checkTime, notWhole } from './seconds'

/** What is asked about: a token or a link of a delegation by its id, or somebody in it by DID. */
export interface RevocationSubject {
  /** The id of the token or link; absent where a DID is asked about. */
  readonly tokenId?: string
  /** A DID in the chain; absent where a token is asked about. */
  readonly did?: string
  /** When the token or link was issued, in seconds since the epoch. */
  readonly issuedAt: number
  /** With tokenId: who issued it. */
  readonly issuer?: string
  /** With tokenId: where its issuer publishes whether it still stands. */
  readonly status?: {
    /** Its place in the list. */
    readonly index: number
    /** Where the list is published. */
    readonly uri: string
  }
}

/** Knows what was revoked. Whoever throws, rejects or answers anything but a boolean does not know, and refuses the token. */
export interface RevocationSource {
  /** Whether it was revoked, now or when the promise settles. */
  isRevoked(subject: RevocationSubject): boolean | Promise<boolean>
}

/** The native list behind one, for verifiers that ask it there; undefined for a source that answers for itself. */
export let listOf: (source: RevocationSource) => ListRef | undefined

/**
 * Revoked tokens and DIDs in this process, bounded. A chain of delegations falls with any of its links: by the link's id, or
 * by the DID of anybody in it. What is revoked is revoked for every verifier that has the list, from the next token on.
 *
 * @example
 * ```ts
 * const revocations = new RevocationList()
 * revocations.revokeDID(friend.did)
 * agent.handle(() => 'paid', { trust: [identity.did], scopes: ['invoice.pay'], revocations })
 * ```
 */
export class RevocationList implements RevocationSource {
  readonly #list: ListRef
  readonly #recorder: Recorder | undefined

  /**
   * Room for 100 000 entries by default. With `audit` each revocation is on record, or not done: AUDIT_FAILED. Throws INVALID_CONFIG.
   */
  constructor(
    options: AuditOptions & {
      /** At most 10 000 000. */
      maxEntries?: number
    } = {},
  ) {
    checkObject(options, 'options')
    known(options, 'RevocationList', ['maxEntries', 'audit', 'dangerouslyContinueUnrecorded'])
    const { maxEntries, audit, dangerouslyContinueUnrecorded } = options
    this.#recorder = Recorder.of(audit, dangerouslyContinueUnrecorded)
    this.#list = native.newRevocationList(bounded(maxEntries, 100_000, 'maxEntries', 1, 10_000_000))
  }

  /** On record, and then done: what could not be done is not on record, and what is not on record is not done. */
  #done(revoke: (trial: boolean) => Failure | null | undefined, entry: Entry): Result<void> {
    const failed = (this.#recorder && (revoke(true) ?? this.#recorder.put(entry))) ?? revoke(false)
    return failed ? fail(failed) : ok(undefined)
  }

  /**
   * Revokes a token or a link of a delegation, and everything delegated from it. With `keepUntil`, the entry may be dropped
   * after that second: give the token's expiry and the verifiers' clock skew. Errors: INVALID_CONFIG if the list is full, or the id is no text (half
   * a surrogate pair), AUDIT_FAILED; then nothing was revoked.
   */
  revokeToken(
    tokenId: string,
    options: {
      /** Seconds since the epoch; for ever by default. */
      keepUntil?: number
    } = {},
  ): Result<void> {
    checkString(tokenId, 'tokenId')
    checkObject(options, 'options')
    known(options, 'revokeToken()', ['keepUntil'])
    const { keepUntil } = options
    const wrong = halved(tokenId, 'tokenId') ?? notWhole({ keepUntil })
    const revoke = (trial: boolean) => wrong ?? native.revokeToken(this.#list, tokenId, keepUntil, trial)
    return this.#done(revoke, { event: 'token.revoked', outcome: 'accepted', token: tokenId })
  }

  /**
   * Revokes whatever the DID issues or is granted, whenever: a thief of its key writes what time of issue he likes. With
   * `issuedUntil` only what was issued up to that second, so that rights can be granted anew to a key that is not in doubt.
   * The later of two calls' times holds. Errors: INVALID_DID, INVALID_CONFIG if the list is full, AUDIT_FAILED; then
   * nothing was revoked.
   */
  revokeDID(
    did: string,
    options: {
      /** Seconds since the epoch. */
      issuedUntil?: number
    } = {},
  ): Result<void> {
    checkString(did, 'did')
    checkObject(options, 'options')
    known(options, 'revokeDID()', ['issuedUntil'])
    const { issuedUntil } = options
    const wrong = notWhole({ issuedUntil })
    const revoke = (trial: boolean) => wrong ?? native.revokeDid(this.#list, did, issuedUntil, trial)
    return this.#done(revoke, { event: 'did.revoked', outcome: 'accepted', to: did })
  }

  /**
   * Takes the revocation of a DID back, as after a suspension; tells whether there was one. Tokens stay revoked.
   * Throws AUDIT_FAILED; then it stays revoked.
   */
  reinstate(did: string): boolean {
    checkDID(did, 'did')
    const isThere = this.#recorder && native.isRevoked(this.#list, undefined, did, 0)
    const failed = isThere && this.#recorder?.put({ event: 'did.reinstated', outcome: 'accepted', to: did })
    if (failed) throw new XBindError(failed)
    return native.reinstate(this.#list, did)
  }

  /** Whether the token, link or DID stands on this list. */
  isRevoked(subject: RevocationSubject): boolean {
    checkObject(subject, 'subject')
    const { tokenId, did, issuedAt } = subject
    optional(tokenId, checkString, 'subject.tokenId')
    optional(did, checkString, 'subject.did')
    checkTime(issuedAt, 'subject.issuedAt')
    return native.isRevoked(this.#list, tokenId, did, issuedAt)
  }

  /** Drops the entries that need not be kept any longer. `now` is in seconds since the epoch. */
  purge(
    options: {
      /** The system clock by default. */
      now?: number
    } = {},
  ): void {
    checkObject(options, 'options')
    known(options, 'purge()', ['now'])
    const { now } = options
    optional(now, checkTime, 'now')
    native.purgeRevocations(this.#list, now)
  }

  /** How many tokens and DIDs it holds. */
  get size(): number {
    return native.revocations(this.#list)
  }

  static {
    // What a subclass, an object or a prototype has put in its place is asked itself.
    const { isRevoked } = RevocationList.prototype
    listOf = (source) => (#list in source && source.isRevoked === isRevoked ? source.#list : undefined)
  }
}
