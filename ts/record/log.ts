import {
  register,
  type AuditEntry,
  type AuditHead,
  type AuditLog,
  type AuditQuery,
  type AuditRecord,
} from '../agent/audit'
import { keyIn, type Identity } from '../agent/identity'
import { bounded, checkDID, checkNumber, checkObject, checkString, halved, known, optional, strings } from '../check'
import { failure, isFailure } from '../errors'
import { native } from '../native'
import { json } from '../native/json'
import type { Failure, KeyRef, LogRef, TakerRef } from '../native/binding'
import { fail, ok, orFail, orThrow, type Result } from '../result'
import { notWhole } from '../tokens/seconds'

/** Lines of a log, the last of which is its signature over all before. */
export interface AuditBatch {
  /** What a file of the log would hold: lines of JSON, a line feed behind each. */
  readonly text: string
  /** The number of the first line. Where a batch was not taken before, the next begins with the same: put it in its place. */
  readonly seq: number
  /** How far the log goes with them. */
  readonly head: AuditHead
}

/**
 * Takes the lines of a log that is not kept in files, one batch at a time. They are there for good when it returns, or its promise is
 * fulfilled; when it throws, or rejects, or takes longer than `timeoutMs`, they are not, and come again.
 */
export type AuditSink = (batch: AuditBatch) => unknown

/** How a log is kept. */
export interface AuditLogOptions {
  /**
   * The identity that signs the log, always the same one. The log keeps a copy of its key until it is closed, also if the identity is
   * destroyed before.
   */
  signer: Identity
  /**
   * What a decision waits for. `always`: a call begins when the disk has its record. `batch`, the default: records go to the disk
   * together, within some 10 ms, and calls do not wait; a crash of the process or machine can lose these. `none`: the same,
   * and when they are on the disk is for the operating system to decide.
   */
  sync?: 'always' | 'batch' | 'none'
  /** A file that is longer is continued in the next: default 256 MiB, at least 4096. Not with a callback. */
  maxFileBytes?: number
  /** Line that its files must begin with, or before it: with 0 all of them must be there. Not with a callback. */
  first?: number
  /**
   * With a callback: the last line that it has taken before, without its line feed, where the log goes on. A new log begins without.
   */
  lastLine?: string
  /** With a callback: how long it may take for a batch, default 30 000, at most 600 000. */
  timeoutMs?: number
}

class Log implements AuditLog {
  readonly did: string
  readonly records: number
  readonly first: number
  readonly lostBytes: number
  readonly lostTo: string | undefined
  readonly #log: LogRef

  constructor(log: LogRef) {
    this.#log = log
    const { did, records, first, lostBytes, lostTo } = JSON.parse(native.logState(log)) as AuditLog
    ;[this.did, this.records, this.first, this.lostBytes, this.lostTo] = [did, records, first, lostBytes, lostTo]
    register(this, log)
    Object.freeze(this)
  }

  append(record: AuditEntry): boolean {
    return orThrow(native.appendRecord(this.#log, json(entryIn(record))))
  }

  async flush(): Promise<Result<AuditHead>> {
    return parsed(await native.flushLog(this.#log, false))
  }

  async query(query: AuditQuery = {}): Promise<Result<AuditRecord[]>> {
    return orFail(async () => parsed(await native.queryLog(this.#log, json(queryIn(query)))))
  }

  async close(): Promise<Result<AuditHead>> {
    return parsed(await native.flushLog(this.#log, true))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = await this.close()
    if (!closed.ok) throw closed.error
  }
}

/**
 * Opens the log at that path, or begins one there: `path`, then `path.1`, `path.2` and so on. It is read through first: one that was
 * changed does not open, and what a crash has torn off its end is said in `lostBytes`, and kept in `lostTo`. One process writes a log at a time.
 * With a callback in the place of the path, that gets the lines; it is for you that one process at a time goes on with them. Such a log
 * is not searched (`query` is INVALID_CONFIG), and with `always` a call begins when the callback has its record.
 * Errors: INVALID_AUDIT, AUDIT_FAILED (it cannot be read or written, or is open already), INVALID_CONFIG, SIGN_FAILED.
 *
 * @example
 * ```ts
 * const log = await openAuditLog('audit.jsonl', { signer: identity })
 * if (!log.ok) throw log.error
 * const audited = new AutoGenxBindAgent({ audit: log.value })
 * ```
 */
export async function openAuditLog(path: string | AuditSink, options: AuditLogOptions): Promise<Result<AuditLog>> {
  if (typeof path !== 'function') checkPath(path)
  checkObject(options, 'options')
  known(options, 'openAuditLog()', ['signer', 'sync', 'maxFileBytes', 'first', 'lastLine', 'timeoutMs'])
  const { signer, sync = 'batch', maxFileBytes, first, lastLine, timeoutMs } = options
  const key = keyOf(signer, 'signer')
  checkString(sync, 'sync')
  optional(lastLine, checkString, 'lastLine')
  const misplaced = typeof path === 'function' ? (maxFileBytes ?? first) : (lastLine ?? timeoutMs)
  if (misplaced !== undefined) {
    return fail(
      failure('INVALID_CONFIG', 'maxFileBytes and first are of files, lastLine and timeoutMs are of a callback'),
    )
  }
  return orFail(async () => {
    const longest = bounded(maxFileBytes, 256 << 20, 'maxFileBytes', 4096, Number.MAX_SAFE_INTEGER)
    const patience = bounded(timeoutMs, 30_000, 'timeoutMs', 1, 600_000)
    const opening =
      typeof path === 'function'
        ? native.handOver(takerOf(path, patience), key, sync, lastLine)
        : native.openLog(path, key, sync, longest, firstIn(first))
    const log = await opening
    return isFailure(log) ? fail(log) : ok(new Log(log))
  })
}

/** What the native side calls with the lines of a log; what it says of them is said once. */
function takerOf(sink: AuditSink, patience: number): TakerRef {
  const taker = native.newTaker((number, text, head) => void take(number, text, head), patience)
  const take = async (number: number, text: string, said: string): Promise<void> => {
    try {
      const head = Object.freeze(JSON.parse(said) as AuditHead)
      const lines = text.split('\n').length - 1
      await sink(Object.freeze({ text, seq: head.seq + 2 - lines, head }))
    } catch (error) {
      return native.taken(taker, number, reasonOf(error))
    }
    native.taken(taker, number, undefined)
  }
  return taker
}

/** The words of what was thrown, whatever it was. */
function reasonOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown).slice(0, 256)
  } catch {
    return 'what takes its lines has thrown'
  }
}

/** What a log must be, and hold. */
export interface AuditDemands {
  /** Whose log it must be. Whoever can write the files can begin another one with a key of his own: name it. */
  did?: string
  /** What it must hold: a head that was kept elsewhere. */
  head?: Pick<AuditHead, 'seq' | 'digest'> & Partial<AuditHead>
  /** Line that its files must begin with, or before it: with 0 all of them must be there. */
  first?: number
}

/** What a log that was verified holds. */
export interface VerifiedAudit {
  /** How many records. */
  readonly records: number
  /** The number of its first line; above 0 where earlier files are elsewhere. */
  readonly first: number
  /** Whose log it is. */
  readonly did: string
  /** Its last line, to be kept elsewhere; a head that `close` or `flush` gave is an earlier one. */
  readonly head: Pick<AuditHead, 'seq' | 'digest'>
}

/**
 * Reads a log through and verifies all of it, with the memory of one line, on another thread. A change, a cut, lines that were swapped,
 * inserted or taken from another log, and an end that was torn or cut off are INVALID_AUDIT, with file, line and reason.
 * Errors: INVALID_AUDIT, AUDIT_FAILED (it cannot be read), INVALID_DID, INVALID_CONFIG (a head or a `first` that is none).
 *
 * @example
 * ```ts
 * const verified = await verifyAudit('audit.jsonl', { did: identity.did })
 * if (!verified.ok) console.error(verified.error.message)
 * ```
 */
export async function verifyAudit(path: string, options: AuditDemands = {}): Promise<Result<VerifiedAudit>> {
  checkPath(path)
  checkObject(options, 'options')
  known(options, 'verifyAudit()', ['did', 'head', 'first'])
  const { did, head, first: begin } = options
  optional(did, checkString, 'did')
  const wanted = head === undefined ? undefined : headIn(head)
  if (isFailure(wanted)) return fail(wanted)
  const verified = await orFail(async () =>
    parsed<Omit<VerifiedAudit, 'head'> & VerifiedAudit['head']>(
      await native.verifyLog(path, did, wanted && json(wanted), firstIn(begin)),
    ),
  )
  if (!verified.ok) return verified
  const { records, first, did: owner, seq, digest } = verified.value
  return ok({ records, first, did: owner, head: { seq, digest } })
}

/**
 * Signs that this identity has seen how far a log goes: a second pair of eyes, which need not trust whoever keeps the log. What the
 * log has signed is verified first, and must say what the head says. Errors: INVALID_AUDIT, SIGN_FAILED, INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const log = await openAuditLog('audit.jsonl', { signer: identity })
 * const head = log.ok ? await log.value.flush() : log
 * if (head.ok) witnessHead(friend, head.value)
 * ```
 */
export function witnessHead(witness: Identity, head: AuditHead): Result<string> {
  const key = keyOf(witness, 'witness')
  const kept = headIn(head)
  if (isFailure(kept)) return fail(kept)
  checkString(kept.jws, 'head.jws')
  const signed = native.witnessHead(key, json(kept))
  return isFailure(signed) ? fail(signed) : ok(signed)
}

/** Verifies what a witness has signed; `time` is the witness's. Errors: INVALID_AUDIT, UNTRUSTED_ISSUER, INVALID_DID. */
export function verifyWitness(
  statement: string,
  options: {
    /** The DID that must have signed. */
    witness: string
  },
): Result<AuditHead> {
  checkString(statement, 'statement')
  checkObject(options, 'options')
  known(options, 'verifyWitness()', ['witness'])
  const { witness } = options
  checkString(witness, 'witness')
  return parsed(native.readWitness(statement, witness))
}

function parsed<T>(json: string | Failure): Result<T> {
  return typeof json === 'string' ? ok(JSON.parse(json) as T) : fail(json)
}

function keyOf(identity: unknown, what: string): KeyRef {
  const key = keyIn(identity)
  if (!key) throw new TypeError(`${what} must be an Identity`)
  return key
}

/** Native code would end the path at a zero. */
function checkPath(path: unknown): void {
  checkString(path, 'path')
  if (path === '' || path.includes('\0')) throw new TypeError('path must be the path of a file')
}

const HEAD = ['did', 'log', 'seq', 'digest', 'time', 'jws'] as const

/** A copy, each member of which was read once; or why it is no head. */
function headIn(head: object): Partial<AuditHead> | Failure {
  checkObject(head, 'head')
  known(head, 'a head', HEAD)
  const { did, log, seq, digest, time, jws } = head as Partial<AuditHead>
  checkNumber(seq, 'head.seq')
  checkString(digest, 'head.digest')
  optional(did, checkString, 'head.did')
  optional(log, checkString, 'head.log')
  optional(time, checkNumber, 'head.time')
  optional(jws, checkString, 'head.jws')
  return (
    notWhole({ 'head.seq': seq, 'head.time': time }) ?? ({ did, log, seq, digest, time, jws } as Partial<AuditHead>)
  )
}

const firstIn = (first: number | undefined): number | undefined =>
  first === undefined ? undefined : bounded(first, 0, 'first', 0, Number.MAX_SAFE_INTEGER)

const ENTRY = [
  'event',
  'outcome',
  'by',
  'from',
  'to',
  'method',
  'messageId',
  'digest',
  'token',
  'chain',
  'code',
  'note',
] as const

/** A copy, each member of which was read once. Halves of surrogate pairs are no text. */
function entryIn(record: AuditEntry): Record<string, unknown> {
  checkObject(record, 'record')
  known(record, 'a record', ENTRY)
  const entry: Record<string, unknown> = {}
  for (const name of ENTRY) {
    const value: unknown = record[name]
    if (value === undefined && name !== 'event' && name !== 'outcome') continue
    if (name === 'chain') entry[name] = strings(value, name)
    else checkString(value, name)
    entry[name] ??= value
    for (const text of [entry[name]].flat()) orThrow(halved(text as string, name))
  }
  return entry
}

function queryIn(query: AuditQuery): object {
  checkObject(query, 'query')
  known(query, 'query()', ['agent', 'token', 'since', 'until', 'after', 'limit'])
  const { agent, token, since, until, after, limit } = query
  optional(agent, checkDID, 'agent')
  optional(token, checkString, 'token')
  if (token !== undefined) orThrow(halved(token, 'token'))
  const most = Number.MAX_SAFE_INTEGER
  const time = (value: number | undefined, what: string): number | undefined =>
    value === undefined ? undefined : bounded(value, 0, what, 0, most)
  return {
    agent,
    token,
    since: time(since, 'since'),
    until: time(until, 'until'),
    after: time(after, 'after'),
    limit: bounded(limit, 1000, 'limit', 1, 100_000),
  }
}
