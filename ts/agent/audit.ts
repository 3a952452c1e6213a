import type { Result } from '../result'
import type { LogRef } from '../native/binding'
import { checkObject, known } from '../check'
import { failure, isFailure, XBindError } from '../errors'
import { native } from '../native'
import { json } from '../native/json'
import type { Failure } from '../native/binding'

/** A log that somebody opened: `openAuditLog` in `./record` gives it. */
export interface AuditLog {
  /** Whose key signs it. */
  readonly did: string
  /** How many records it held when it was opened. */
  readonly records: number
  /** The number of its first line; above 0 where earlier files are elsewhere, or with `lastLine` earlier lines. */
  readonly first: number
  /**
   * How many bytes were cut off its end when it was opened: what a crash had left of records that nobody was told of. The log says
   * so itself, too.
   */
  readonly lostBytes: number
  /** The file beside the log where these are kept; undefined where nothing was cut off. */
  readonly lostTo: string | undefined
  /**
   * Puts something of your own on record. False if the log cannot be written, has no room, or is closed: what cannot be recorded is
   * not to be done. With `always` it is on the disk when this returns; a callback has it after a `flush`.
   * Throws TypeError, XBindError: INVALID_CONFIG, INVALID_DID.
   */
  append(record: AuditEntry): boolean
  /** Waits until all that was decided so far is on record. Errors: AUDIT_FAILED. */
  flush(): Promise<Result<AuditHead>>
  /**
   * The records that fit all that is given, oldest first. Those of the last milliseconds may be missing before a `flush`. What is
   * read is verified: it is what was verified when the log was opened, or written since. Errors: INVALID_AUDIT, AUDIT_FAILED,
   * PAYLOAD_TOO_LARGE (more than 64 MiB: ask for less at once), INVALID_DID, INVALID_CONFIG.
   */
  query(query?: AuditQuery): Promise<Result<AuditRecord[]>>
  /** Puts on record what was decided so far, and takes nothing more. Errors: AUDIT_FAILED, if something could not be. */
  close(): Promise<Result<AuditHead>>
  /** The same as `close()`, for `await using log = …`; rejects where that fails. */
  [Symbol.asyncDispose](): Promise<void>
}

/** What became of something: it was let in or done, or not, or answered with a value, or begun and ended without one. */
export type AuditOutcome = 'accepted' | 'refused' | 'answered' | 'failed'

/** Something to put on record. Never a payload. */
export interface AuditEntry {
  /** What happened: 1 to 64 of `a-z 0-9 . _ -`, not beginning with `log.`. */
  event: string
  /** What became of it. */
  outcome: AuditOutcome
  /** The DID that decided; that of the log by default. */
  by?: string
  /** The DID that asked. */
  from?: string
  /** The DID that it is about, or for. */
  to?: string
  /** The method asked for. */
  method?: string
  /** The id of a message. */
  messageId?: string
  /** The SHA-256 of its whole JWS, in base64url. */
  digest?: string
  /** The id of a token, at most 1024 bytes. */
  token?: string
  /** On whose behalf, from the issuer on; at most 16. */
  chain?: readonly string[]
  /** Why it was refused or failed: `A-Z` and `_`. */
  code?: string
  /** A word of your own, at most 1024 bytes. */
  note?: string
}

/** A record as it stands in the log. */
export interface AuditRecord {
  /** Its number in the log. */
  readonly seq: number
  /** When it was decided, by the clock here: seconds since the epoch. */
  readonly time: number
  /** The digest of the line before it, in base64url. */
  readonly previous: string
  /** What happened. */
  readonly event: string
  /** What became of it. */
  readonly outcome: AuditOutcome
  /** The DID that decided. */
  readonly by: string
  /** The DID that asked. */
  readonly from?: string
  /** The DID that it is about, or for. */
  readonly to?: string
  /** The method asked for. */
  readonly method?: string
  /** The id of the message. */
  readonly messageId?: string
  /** The digest of its whole JWS, in base64url: a receipt has the JWS. */
  readonly digest?: string
  /** The id of the token. */
  readonly token?: string
  /** On whose behalf, from the issuer on. */
  readonly chain?: readonly string[]
  /** Why it was refused or failed. */
  readonly code?: string
  /** A word of whoever recorded it. */
  readonly note?: string
}

/** Where something is put on record that is decided outside agents. */
export interface AuditOptions {
  /** A log that `openAuditLog` has opened. What cannot be recorded there is not done: AUDIT_FAILED. None by default. */
  audit?: AuditLog
  /** Goes on where nothing can be recorded: what is done then, nobody can show. Default false. */
  dangerouslyContinueUnrecorded?: boolean
}

/** What to look for in a log. */
export interface AuditQuery {
  /** A DID that decided, asked, was asked, or on whose behalf it was. */
  agent?: string
  /** The id of a token. */
  token?: string
  /** Not before that second. */
  since?: number
  /** Before that second. */
  until?: number
  /** Behind the record of that `seq`: the next page. */
  after?: number
  /** At most so many; default 1000, at most 100 000. */
  limit?: number
}

/** How far a log goes. Kept elsewhere, it shows that nothing before it was changed, and that the end was not cut off. */
export interface AuditHead {
  /** Whose log it is. */
  readonly did: string
  /** Which of them: its id. */
  readonly log: string
  /** The number of its last line then. */
  readonly seq: number
  /** The digest of that line, in base64url; it names all lines before it. */
  readonly digest: string
  /** When it was signed: seconds since the epoch. */
  readonly time: number
  /** What the log, or a witness, has signed. */
  readonly jws: string
}

/** The logs of this module, and their native halves. */
const logs = new WeakMap<object, LogRef>()

export function register(log: AuditLog, native: LogRef): void {
  logs.set(log, native)
}

/** Where decisions are put on record, as agents and buses are told; each option is read once before. */
export function auditIn(audit: unknown, unrecorded: unknown): { log: LogRef | undefined; unrecorded: boolean } {
  if (unrecorded !== undefined && typeof unrecorded !== 'boolean') {
    throw new TypeError('dangerouslyContinueUnrecorded must be a boolean')
  }
  if (audit === undefined) {
    if (unrecorded === undefined) return { log: undefined, unrecorded: false }
    const why = 'dangerouslyContinueUnrecorded is of the audit log that is given beside it, and none is'
    const hint =
      'say it where the log is given, as to the bus whose log its agents use, or give this one a log of its own'
    throw new XBindError(failure('INVALID_CONFIG', why, hint))
  }
  const log = typeof audit === 'object' && audit !== null ? logs.get(audit) : undefined
  if (!log) throw new TypeError('audit must be a log that openAuditLog has opened')
  return { log, unrecorded: unrecorded === true }
}

/** The record of a token, delegation or approval that was just made: of the last link, for whom it is, and its id. */
export function statementRecord(event: string, text: string): Entry {
  const last = text.slice(text.lastIndexOf('~') + 1)
  const claims = JSON.parse(Buffer.from(last.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
  const { sub: to, jti: token } = claims
  return { event, outcome: 'accepted', to: didIn(to), ...(typeof token === 'string' && { token }) }
}

/** A record of this module's own; what is undefined is left out. */
export type Entry = { [member in keyof AuditEntry]: AuditEntry[member] | undefined }

/** A text that is a DID. */
export function didIn(text: unknown): string | undefined {
  return typeof text === 'string' && !isFailure(native.didToPublicKey(text)) ? text : undefined
}

const OPTIONS = ['audit', 'dangerouslyContinueUnrecorded'] as const

/** Where decisions are put on record that no agent makes. */
export class Recorder {
  readonly #log: LogRef
  readonly #unrecorded: boolean

  private constructor(log: LogRef, unrecorded: boolean) {
    this.#log = log
    this.#unrecorded = unrecorded
  }

  /** None without a log; each option is read once before. */
  static of(audit: unknown, unrecorded: unknown): Recorder | undefined {
    const { log, unrecorded: goesOn } = auditIn(audit, unrecorded)
    return log && new Recorder(log, goesOn)
  }

  static in(options: AuditOptions, what: string): Recorder | undefined {
    checkObject(options, 'options')
    known(options, what, OPTIONS)
    const { audit, dangerouslyContinueUnrecorded } = options
    return Recorder.of(audit, dangerouslyContinueUnrecorded)
  }

  /** Why nothing is to begin now, if it is not: then nobody has to forget what was done. */
  get blocked(): Failure | undefined {
    return this.#unrecorded || native.canWrite(this.#log) ? undefined : unrecorded
  }

  /** Of what is done next: a failure says that it must not be. Where decisions wait for the disk, this does. */
  put(entry: Entry): Failure | undefined {
    return native.putDecision(this.#log, json(entry), this.#unrecorded, false) ?? undefined
  }

  /** The same for who can wait for the disk, where the log says so: true if he has, and has to judge again. */
  async commit(entry: Entry): Promise<Failure | boolean> {
    return native.commitDecision(this.#log, json(entry), this.#unrecorded)
  }

  /** A refusal, which holds whether it is on record or not. */
  refused(entry: Omit<Entry, 'outcome'>, { code, message }: { code: string; message: string }): void {
    const why = cut(message)
    const note = entry.note === undefined || why === undefined ? (entry.note ?? why) : `${entry.note}: ${why}`
    native.putDecision(this.#log, json({ ...entry, outcome: 'refused', code, note }), this.#unrecorded, true)
  }

  /** A refusal because the program's own function has thrown, which is thrown on. */
  thrown(entry: Omit<Entry, 'outcome'>): void {
    this.refused(entry, { code: 'INTERNAL', message: 'a function that was given to the verifier has thrown' })
  }

  /** What was signed is on record, or nobody gets it. */
  signed(event: string, by: string, text: string): Failure | undefined {
    return this.put({ ...statementRecord(event, text), by })
  }
}

/** A text as a note takes two of them: 1 to 255 bytes, and an ellipsis for the rest. */
export function cut(text: string): string | undefined {
  if (text === '') return undefined
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(255))
  return read === text.length ? text : `${text.slice(0, read)}…`
}

const unrecorded = failure('AUDIT_FAILED', 'it cannot be put on record, and so it was not done', undefined, true)
