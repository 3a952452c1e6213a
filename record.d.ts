/// <reference lib="esnext.disposable" preserve="true" />
import type { AuditHead, AuditLog, Identity, Result } from './index'
export type { AuditEntry, AuditHead, AuditLog, AuditOptions, AuditOutcome, AuditQuery, AuditRecord } from './index'

/** A receipt as somebody shows it: what `call` gave with `receipt`, or as much of it as is to be shown. */
export interface ShownReceipt {
  /** The JWS of the call. */
  readonly call: string;
  /** The JWS of the answer. */
  readonly answer: string;
  /** What is said to be the body of the call; compared if it is there. */
  readonly request?: Uint8Array | undefined;
  /** What is said to be the body of the answer; compared if it is there. */
  readonly result?: Uint8Array | undefined;
}
/** Between whom a receipt must be, and what else it is compared with. */
export interface ReceiptDemands {
  /** The DID that must have asked. */
  caller: string;
  /** The DID that must have answered. */
  agent: string;
  /** What you know as the body of the call, compared too. */
  request?: Uint8Array;
  /** What you know as the body of the answer, compared too. */
  result?: Uint8Array;
}
/** What a receipt proves: the caller signed this call for the agent, and the agent signed this answer to it. */
export interface VerifiedReceipt {
  /** The id of the call. */
  readonly messageId: string;
  /** What was asked. */
  readonly op: "call" | "send";
  /** What came back: a value, a refusal, or that it stands in an inbox. */
  readonly answer: "result" | "error" | "receipt";
  /** The method asked for. */
  readonly method: string | undefined;
  /** When the caller signed, by its clock: seconds since the epoch. */
  readonly issuedAt: number;
  /** When the agent signed its answer, by its clock: seconds since the epoch. */
  readonly answeredAt: number;
  /** How many parts were sent before the end of the answer; a receipt does not say what they held. */
  readonly parts: number | undefined;
  /** SHA-256 of the body of the call, in base64url. */
  readonly requestDigest: string;
  /** SHA-256 of the body of the answer, in base64url. */
  readonly resultDigest: string;
  /** SHA-256 of what the call presented, token and approval, in base64url. */
  readonly tokenDigest: string | undefined;
}
/**
 * Verifies a receipt, offline and at any time: that `caller` signed this call for `agent`, that `agent` signed this answer to this
 * very call, and that every body that is given is the one that was signed. See docs/record.md for what that proves and what not.
 * Errors: MALFORMED_MESSAGE, REPLY_MISMATCH, WRONG_AUDIENCE (a receipt between others), INVALID_SIGNATURE, INVALID_DID.
 *
 * @example
 * ```ts
 * const answer = await agent.call('writer', { topic: 'identity' }, { method: 'summarise', receipt: true })
 * if (answer.ok) verifyReceipt(answer.receipt, { caller: agent.getDID(), agent: friend.did })
 * ```
 */
export declare function verifyReceipt(receipt: ShownReceipt, options: ReceiptDemands): Result<VerifiedReceipt>;
/** Lines of a log, the last of which is its signature over all before. */
export interface AuditBatch {
  /** What a file of the log would hold: lines of JSON, a line feed behind each. */
  readonly text: string;
  /** The number of the first line. Where a batch was not taken before, the next begins with the same: put it in its place. */
  readonly seq: number;
  /** How far the log goes with them. */
  readonly head: AuditHead;
}
/**
 * Takes the lines of a log that is not kept in files, one batch at a time. They are there for good when it returns, or its promise is
 * fulfilled; when it throws, or rejects, or takes longer than `timeoutMs`, they are not, and come again.
 */
export type AuditSink = (batch: AuditBatch) => unknown;
/** How a log is kept. */
export interface AuditLogOptions {
  /**
   * The identity that signs the log, always the same one. The log keeps a copy of its key until it is closed, also if the identity is
   * destroyed before.
   */
  signer: Identity;
  /**
   * What a decision waits for. `always`: a call begins when the disk has its record. `batch`, the default: records go to the disk
   * together, within some 10 ms, and calls do not wait; a crash of the process or machine can lose these. `none`: the same,
   * and when they are on the disk is for the operating system to decide.
   */
  sync?: "always" | "batch" | "none";
  /** A file that is longer is continued in the next: default 256 MiB, at least 4096. Not with a callback. */
  maxFileBytes?: number;
  /** Line that its files must begin with, or before it: with 0 all of them must be there. Not with a callback. */
  first?: number;
  /**
   * With a callback: the last line that it has taken before, without its line feed, where the log goes on. A new log begins without.
   */
  lastLine?: string;
  /** With a callback: how long it may take for a batch, default 30 000, at most 600 000. */
  timeoutMs?: number;
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
export declare function openAuditLog(path: string | AuditSink, options: AuditLogOptions): Promise<Result<AuditLog>>;
/** What a log must be, and hold. */
export interface AuditDemands {
  /** Whose log it must be. Whoever can write the files can begin another one with a key of his own: name it. */
  did?: string;
  /** What it must hold: a head that was kept elsewhere. */
  head?: Pick<AuditHead, "seq" | "digest"> & Partial<AuditHead>;
  /** Line that its files must begin with, or before it: with 0 all of them must be there. */
  first?: number;
}
/** What a log that was verified holds. */
export interface VerifiedAudit {
  /** How many records. */
  readonly records: number;
  /** The number of its first line; above 0 where earlier files are elsewhere. */
  readonly first: number;
  /** Whose log it is. */
  readonly did: string;
  /** Its last line, to be kept elsewhere; a head that `close` or `flush` gave is an earlier one. */
  readonly head: Pick<AuditHead, "seq" | "digest">;
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
export declare function verifyAudit(path: string, options?: AuditDemands): Promise<Result<VerifiedAudit>>;
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
export declare function witnessHead(witness: Identity, head: AuditHead): Result<string>;
/** Verifies what a witness has signed; `time` is the witness's. Errors: INVALID_AUDIT, UNTRUSTED_ISSUER, INVALID_DID. */
export declare function verifyWitness(statement: string, options: {
  /** The DID that must have signed. */
  witness: string;
}): Result<AuditHead>;

export {};
