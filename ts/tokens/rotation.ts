import type { Failure, HistoryRef, Json, Rotation as Rotated } from '../native/binding'
import { checkDID, checkObject, checkString, known, optional } from '../check'
import { isFailure, XBindError } from '../errors'
import { Recorder, type AuditOptions } from '../agent/audit'
import { keyOf, type Identity } from '../agent/identity'
import { native } from '../native'
import { read } from '../native/json'
import { fail, ok, orThrow, result, type Result } from '../result'
import { checkTime, notWhole, systemTime } from './seconds'

/** From one key to the next, as both of them signed it. Times in seconds since the epoch. */
export interface Rotation {
  /** The DID until now. */
  readonly old: string
  /** The DID from now on. */
  readonly new: string
  /** When both keys signed it. */
  readonly issuedAt: number
  /** From when on the new key may sign. */
  readonly activeFrom: number
  /** How long the old key may sign beside the new one from then on. 0 is an emergency: the old key is not to be trusted. */
  readonly overlapSeconds: number
}

/** When the next key begins, and how long the old one may sign beside it. */
export interface RotationRequest {
  /** By default at once; at most 30 days ahead. */
  activeFrom?: number
  /** Default 86 400, at most 604 800. */
  overlapSeconds?: number
  /** Seconds since the epoch, for tests. */
  now?: number
}

/**
 * Signs with both keys that one follows the other: a JWS with two signatures (RFC 7515 section 7.2.1).
 * Errors: INVALID_CONFIG (anything out of its bounds, or one key twice), SIGN_FAILED (destroyed), AUDIT_FAILED.
 *
 * @example
 * ```ts
 * const statement = signRotation(identity, friend, { overlapSeconds: 3600 })
 * ```
 */
export function signRotation(
  old: Identity,
  next: Identity,
  request: RotationRequest = {},
  options: AuditOptions = {},
): Result<string> {
  const [oldKey, nextKey] = [keyOf(old, 'old'), keyOf(next, 'next')]
  checkObject(request, 'request')
  known(request, 'request', ['activeFrom', 'overlapSeconds', 'now'])
  const { activeFrom, overlapSeconds = 86_400, now } = request
  const wrong = notWhole({ activeFrom, overlapSeconds, now })
  const recorder = Recorder.in(options, 'signRotation()')
  if (wrong) return fail(wrong)
  const signed = result(native.signRotation(oldKey, nextKey, activeFrom, overlapSeconds, now))
  const entry = { event: 'rotation.signed', outcome: 'accepted', by: old.did, to: next.did } as const
  const failed = signed.ok ? recorder?.put(entry) : undefined
  return failed ? fail(failed) : signed
}

/**
 * Verifies both signatures. Whether the old key had the right to choose its successor at that time is for a `KeyHistory` to
 * say. Errors: INVALID_TOKEN.
 */
export function verifyRotation(statement: string): Result<Rotation> {
  checkString(statement, 'statement')
  return rotation(native.verifyRotation(statement))
}

/**
 * Where a key stands: announced (`prepared`), in use (`active`), in use beside its successor (`retiring`), replaced
 * (`retired`), doubtful from some time on (`tainted`), or taken back for all times (`revoked`).
 */
export type KeyState = 'prepared' | 'active' | 'retiring' | 'retired' | 'tainted' | 'revoked'

/**
 * The keys of one agent, from the first on; the first one's DID is the agent's lasting name. All who hold the same rotations
 * give the same answers: an earlier start, taint and revocation are the holder's own verdicts. Times are in seconds since
 * the epoch, by default the system clock's.
 *
 * @example
 * ```ts
 * const history = new KeyHistory(identity.did)
 * const taken = history.prepare(statement)
 * console.log(history.current(), history.maySign(identity.did))
 * ```
 */
export class KeyHistory {
  readonly #history: HistoryRef
  readonly #recorder: Recorder | undefined
  /** The DID of the first key. */
  declare readonly name: string

  /**
   * The history of an agent whose first key is in use since `activeFrom`, default 0. With `audit` what it takes in and what its
   * holder decides is on record, or not done: AUDIT_FAILED.
   * Throws INVALID_DID, INVALID_CONFIG.
   */
  constructor(
    did: string,
    options: AuditOptions & {
      /** Seconds since the epoch. */
      activeFrom?: number
    } = {},
  ) {
    checkString(did, 'did')
    checkObject(options, 'options')
    known(options, 'KeyHistory', ['activeFrom', 'audit', 'dangerouslyContinueUnrecorded'])
    const { activeFrom = 0, audit, dangerouslyContinueUnrecorded } = options
    this.#recorder = Recorder.of(audit, dangerouslyContinueUnrecorded)
    const wrong = notWhole({ activeFrom })
    if (wrong) throw new XBindError(wrong)
    this.#history = orThrow(native.newKeyHistory(did, activeFrom))
    Object.defineProperty(this, 'name', { value: did, enumerable: true })
  }

  /**
   * Verifies a rotation and takes it in: the successor becomes active when the rotation says. Errors: INVALID_TOKEN;
   * TOKEN_NOT_YET_VALID if it is dated more than 30 s after `now`; INVALID_DELEGATION if the old key is not the latest, had
   * no right to sign then, or has chosen another successor before, if the new key was used before, or after 64 keys;
   * AUDIT_FAILED.
   */
  prepare(
    statement: string,
    options: {
      /** In seconds since the epoch; the system clock's by default. */
      now?: number
    } = {},
  ): Result<Rotation> {
    checkString(statement, 'statement')
    checkObject(options, 'options')
    known(options, 'prepare()', ['now'])
    const { now } = options
    const wrong = notWhole({ now })
    if (wrong) return fail(wrong)
    const blocked = this.#recorder?.blocked
    if (blocked) return fail(blocked)
    const prepare = (trial: boolean) => rotation(native.prepareKey(this.#history, statement, now, trial))
    if (!this.#recorder) return prepare(false)
    const taken = prepare(true)
    if (!taken.ok) {
      this.#recorder.refused({ event: 'key.prepared', from: this.name }, taken.error)
      return taken
    }
    const { old, new: next } = taken.value
    const failed = this.#recorder.put({ event: 'key.prepared', outcome: 'accepted', from: old, to: next })
    return failed ? fail(failed) : prepare(false)
  }

  /**
   * Brings the start of a prepared key forward, as when the one before it was lost. Tells whether anything has changed: not
   * for a later start, nor for a key that is not known or was revoked. Throws AUDIT_FAILED.
   */
  activate(
    did: string,
    options: {
      /** Now by default. */
      from?: number
    } = {},
  ): boolean {
    const from = timeIn(did, options)
    const blocked = this.#recorder?.blocked
    if (blocked) throw new XBindError(blocked)
    return this.#noted('key.activated', did, (trial) => native.activateKey(this.#history, did, from, trial))
  }

  /**
   * Marks a key as doubtful from some time on: what it signed before stands. The earliest of several such times holds. Tells whether
   * anything has changed. Throws AUDIT_FAILED.
   */
  taint(
    did: string,
    options: {
      /** Now by default. */
      from?: number
    } = {},
  ): boolean {
    const from = timeIn(did, options)
    return this.#noted('key.tainted', did, (trial) => native.taintKey(this.#history, did, from, trial))
  }

  /** Takes a key back: nothing that it signed stands, whenever. Tells whether anything has changed. Throws AUDIT_FAILED. */
  revoke(did: string): boolean {
    checkDID(did, 'did')
    return this.#noted('key.revoked', did, (trial) => native.revokeKey(this.#history, did, trial))
  }

  /** What changes anything: on record, and then done. */
  #noted(event: string, to: string, act: (trial: boolean) => boolean): boolean {
    const failed = act(true) && this.#recorder?.put({ event, outcome: 'accepted', from: this.name, to })
    if (failed) throw new XBindError(failed)
    return act(false)
  }

  /** Where a key stands; undefined for a key that is not the agent's. */
  state(did: string, at?: number): KeyState | undefined {
    checkString(did, 'did')
    optional(at, checkTime, 'at')
    return (native.keyState(this.#history, did, at) ?? undefined) as KeyState | undefined
  }

  /** Whether a key may sign for the agent. */
  maySign(did: string, at?: number): boolean {
    checkString(did, 'did')
    optional(at, checkTime, 'at')
    return native.maySign(this.#history, did, at)
  }

  /**
   * Whether something signed by that key at `signedAt` stands, asked at any later time. `signedAt` must come from a witness:
   * who holds a stolen key writes what time he likes.
   */
  verifies(did: string, signedAt: number): boolean {
    checkString(did, 'did')
    checkTime(signedAt, 'signedAt')
    return native.receiptStands(this.#history, did, signedAt)
  }

  /** The newest key that may sign; undefined if none may. */
  current(at?: number): string | undefined {
    optional(at, checkTime, 'at')
    return native.currentKey(this.#history, at) ?? undefined
  }
}

function timeIn(did: string, options: { from?: number }): number {
  checkDID(did, 'did')
  checkObject(options, 'options')
  known(options, 'options', ['from'])
  const { from } = options
  optional(from, checkTime, 'from')
  return from ?? systemTime()
}

function rotation(verified: Json<Rotated> | Failure): Result<Rotation> {
  if (isFailure(verified)) return fail(verified)
  const { overlap, ...rest } = read(verified)
  return ok(Object.freeze({ ...rest, overlapSeconds: overlap }))
}
