/// <reference lib="esnext.disposable" preserve="true" />
/** Stable for ever: codes are added, never renamed. Each has a heading in docs/errors.md. */
export type XBindErrorCode = "INVALID_DID" | "INVALID_KEY" | "IMPORT_FAILED" | "EXPORT_FAILED" | "WRONG_PASSPHRASE" | "SIGN_FAILED" | "INVALID_NAME" | "AGENT_NOT_FOUND" | "AMBIGUOUS_NAME" | "AGENT_CLOSED" | "INVALID_PAYLOAD" | "PAYLOAD_TOO_LARGE" | "MALFORMED_MESSAGE" | "INVALID_SIGNATURE" | "WRONG_AUDIENCE" | "MESSAGE_EXPIRED" | "MESSAGE_NOT_YET_VALID" | "REPLAYED" | "REPLAY_WINDOW_FULL" | "STALE_SESSION" | "ENCRYPTION_REQUIRED" | "DECRYPTION_FAILED" | "REPLY_MISMATCH" | "TIMEOUT" | "ABORTED" | "INBOX_FULL" | "NOT_ALLOWED" | "HANDLER_FAILED" | "METHOD_NOT_FOUND" | "INVALID_INPUT" | "INVALID_TOKEN" | "TOKEN_EXPIRED" | "TOKEN_NOT_YET_VALID" | "UNTRUSTED_ISSUER" | "SCOPE_DENIED" | "INVALID_DELEGATION" | "REVOKED" | "REVOCATION_UNKNOWN" | "APPROVAL_REQUIRED" | "APPROVAL_REFUSED" | "APPROVAL_TIMEOUT" | "APPROVAL_FAILED" | "AUDIT_FAILED" | "INVALID_AUDIT" | "REGISTRY_UNAVAILABLE" | "BROKER_UNAVAILABLE" | "NAME_TAKEN" | "INVALID_CONFIG" | "INTERNAL";
/** What the other agent's handler chose to tell, by throwing a `HandlerError`. */
export interface RemoteError {
  /** The code that the handler chose; its own words, none of `XBindErrorCode`. */
  readonly code: string;
  /** What the handler says went wrong. */
  readonly message: string;
  /** What the handler added, as JSON carried it. */
  readonly data?: unknown;
}
/**
 * The error of every failed `Result`. Recognised across realms and copies of this package:
 * `error instanceof XBindError` tests a brand, not a prototype.
 *
 * @example
 * ```ts
 * const answer = await agent.call('nobody', null)
 * if (!answer.ok) console.log(answer.error.code, answer.error.hint, JSON.stringify(answer.error))
 * ```
 */
export declare class XBindError extends Error {
  /** Always `XBindError`. */
  readonly name: "XBindError";
  /** What went wrong, for programs; each code has a heading in docs/errors.md. */
  readonly code: XBindErrorCode;
  /** What to do about it, in one sentence; never holds key material or payload. */
  readonly hint: string | undefined;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** Id of the message concerned, for the log and the audit trail. */
  readonly messageId: string | undefined;
  /** With HANDLER_FAILED: what the other agent's handler chose to tell. */
  readonly remote: RemoteError | undefined;
  /**
   * Whether the other side ran the call: `yes` and `no` are known, because it said so, signed, or because nothing left. Only
   * after `no` is it safe to make the call again.
   */
  readonly handled: "yes" | "no" | "unknown";
  /** What `JSON.stringify` writes: all that the error says, and no stack. */
  toJSON(): Pick<XBindError, "name" | "code" | "message" | "hint" | "retryable" | "messageId" | "remote" | "handled">;
  /** Tests a brand, so that errors of another realm or copy of this package count too. */
  static [Symbol.hasInstance](value: unknown): boolean;
}
/**
 * Thrown by a handler to tell the caller something. Any other thrown value stays on the handler's side.
 *
 * @example
 * ```ts
 * agent.handle(() => {
 *   throw new HandlerError('OFF_TOPIC', 'ask about something else', { data: { try: ['identity'] } })
 * })
 * ```
 */
export declare class HandlerError extends Error {
  /** Always `HandlerError`. */
  readonly name: "HandlerError";
  /** A code of your own; the caller reads it in `error.remote.code`. */
  readonly code: string;
  /** Anything that JSON can hold; the caller reads it in `error.remote.data`. */
  readonly data: unknown;
  /** The caller is told `code`, `message` and `data`; the `cause` stays here. */
  constructor(code: string, message: string, options?: {
    /** Told to the caller. */
    data?: unknown;
    /** Stays on this side. */
    cause?: unknown;
  });
  /** What `JSON.stringify` writes: what the caller is told. */
  toJSON(): Pick<HandlerError, "name" | "code" | "message" | "data">;
  /** Tests a brand, so that errors of another realm or copy of this package count too. */
  static [Symbol.hasInstance](value: unknown): boolean;
}
/**
 * What every function returns that can fail because of its input or of the outside world.
 *
 * @example
 * ```ts
 * const result = await agent.call('writer', { topic: 'identity' })
 * if (result.ok) console.log(result.value)
 * else console.error(result.error.code, result.error.hint)
 * ```
 */
export type Result<T, E = XBindError> = {
  /** It went well. */
  readonly ok: true;
  /** What was asked for. */
  readonly value: T;
} | {
  /** It failed. */
  readonly ok: false;
  /** Why, with a code to tell one reason from another. */
  readonly error: E;
};
/** A log that somebody opened: `openAuditLog` in `./record` gives it. */
export interface AuditLog {
  /** Whose key signs it. */
  readonly did: string;
  /** How many records it held when it was opened. */
  readonly records: number;
  /** The number of its first line; above 0 where earlier files are elsewhere, or with `lastLine` earlier lines. */
  readonly first: number;
  /**
   * How many bytes were cut off its end when it was opened: what a crash had left of records that nobody was told of. The log says
   * so itself, too.
   */
  readonly lostBytes: number;
  /** The file beside the log where these are kept; undefined where nothing was cut off. */
  readonly lostTo: string | undefined;
  /**
   * Puts something of your own on record. False if the log cannot be written, has no room, or is closed: what cannot be recorded is
   * not to be done. With `always` it is on the disk when this returns; a callback has it after a `flush`.
   * Throws TypeError, XBindError: INVALID_CONFIG, INVALID_DID.
   */
  append(record: AuditEntry): boolean;
  /** Waits until all that was decided so far is on record. Errors: AUDIT_FAILED. */
  flush(): Promise<Result<AuditHead>>;
  /**
   * The records that fit all that is given, oldest first. Those of the last milliseconds may be missing before a `flush`. What is
   * read is verified: it is what was verified when the log was opened, or written since. Errors: INVALID_AUDIT, AUDIT_FAILED,
   * PAYLOAD_TOO_LARGE (more than 64 MiB: ask for less at once), INVALID_DID, INVALID_CONFIG.
   */
  query(query?: AuditQuery): Promise<Result<AuditRecord[]>>;
  /** Puts on record what was decided so far, and takes nothing more. Errors: AUDIT_FAILED, if something could not be. */
  close(): Promise<Result<AuditHead>>;
  /** The same as `close()`, for `await using log = …`; rejects where that fails. */
  [Symbol.asyncDispose](): Promise<void>;
}
/** What became of something: it was let in or done, or not, or answered with a value, or begun and ended without one. */
export type AuditOutcome = "accepted" | "refused" | "answered" | "failed";
/** Something to put on record. Never a payload. */
export interface AuditEntry {
  /** What happened: 1 to 64 of `a-z 0-9 . _ -`, not beginning with `log.`. */
  event: string;
  /** What became of it. */
  outcome: AuditOutcome;
  /** The DID that decided; that of the log by default. */
  by?: string;
  /** The DID that asked. */
  from?: string;
  /** The DID that it is about, or for. */
  to?: string;
  /** The method asked for. */
  method?: string;
  /** The id of a message. */
  messageId?: string;
  /** The SHA-256 of its whole JWS, in base64url. */
  digest?: string;
  /** The id of a token, at most 1024 bytes. */
  token?: string;
  /** On whose behalf, from the issuer on; at most 16. */
  chain?: readonly string[];
  /** Why it was refused or failed: `A-Z` and `_`. */
  code?: string;
  /** A word of your own, at most 1024 bytes. */
  note?: string;
}
/** A record as it stands in the log. */
export interface AuditRecord {
  /** Its number in the log. */
  readonly seq: number;
  /** When it was decided, by the clock here: seconds since the epoch. */
  readonly time: number;
  /** The digest of the line before it, in base64url. */
  readonly previous: string;
  /** What happened. */
  readonly event: string;
  /** What became of it. */
  readonly outcome: AuditOutcome;
  /** The DID that decided. */
  readonly by: string;
  /** The DID that asked. */
  readonly from?: string;
  /** The DID that it is about, or for. */
  readonly to?: string;
  /** The method asked for. */
  readonly method?: string;
  /** The id of the message. */
  readonly messageId?: string;
  /** The digest of its whole JWS, in base64url: a receipt has the JWS. */
  readonly digest?: string;
  /** The id of the token. */
  readonly token?: string;
  /** On whose behalf, from the issuer on. */
  readonly chain?: readonly string[];
  /** Why it was refused or failed. */
  readonly code?: string;
  /** A word of whoever recorded it. */
  readonly note?: string;
}
/** Where something is put on record that is decided outside agents. */
export interface AuditOptions {
  /** A log that `openAuditLog` has opened. What cannot be recorded there is not done: AUDIT_FAILED. None by default. */
  audit?: AuditLog;
  /** Goes on where nothing can be recorded: what is done then, nobody can show. Default false. */
  dangerouslyContinueUnrecorded?: boolean;
}
/** What to look for in a log. */
export interface AuditQuery {
  /** A DID that decided, asked, was asked, or on whose behalf it was. */
  agent?: string;
  /** The id of a token. */
  token?: string;
  /** Not before that second. */
  since?: number;
  /** Before that second. */
  until?: number;
  /** Behind the record of that `seq`: the next page. */
  after?: number;
  /** At most so many; default 1000, at most 100 000. */
  limit?: number;
}
/** How far a log goes. Kept elsewhere, it shows that nothing before it was changed, and that the end was not cut off. */
export interface AuditHead {
  /** Whose log it is. */
  readonly did: string;
  /** Which of them: its id. */
  readonly log: string;
  /** The number of its last line then. */
  readonly seq: number;
  /** The digest of that line, in base64url; it names all lines before it. */
  readonly digest: string;
  /** When it was signed: seconds since the epoch. */
  readonly time: number;
  /** What the log, or a witness, has signed. */
  readonly jws: string;
}
/** What is asked about: a token or a link of a delegation by its id, or somebody in it by DID. */
export interface RevocationSubject {
  /** The id of the token or link; absent where a DID is asked about. */
  readonly tokenId?: string;
  /** A DID in the chain; absent where a token is asked about. */
  readonly did?: string;
  /** When the token or link was issued, in seconds since the epoch. */
  readonly issuedAt: number;
  /** With tokenId: who issued it. */
  readonly issuer?: string;
  /** With tokenId: where its issuer publishes whether it still stands. */
  readonly status?: {
    /** Its place in the list. */
    readonly index: number;
    /** Where the list is published. */
    readonly uri: string;
  };
}
/** Knows what was revoked. Whoever throws, rejects or answers anything but a boolean does not know, and refuses the token. */
export interface RevocationSource {
  /** Whether it was revoked, now or when the promise settles. */
  isRevoked(subject: RevocationSubject): boolean | Promise<boolean>;
}
/**
 * What a message is: a `call` wants an answer, a `send` none. From the one asked come `result` or `error`, which end the call,
 * `receipt` (it stands in an inbox), `part` of the answer, and `progress`; from the caller `cancel` and `more`, when he
 * waits no longer or takes further parts.
 */
export type MessageOp = "call" | "send" | "result" | "error" | "receipt" | "part" | "progress" | "cancel" | "more";
/** What is to be sealed: one message to one DID. */
export interface OutgoingMessage {
  /** What the message is. */
  op: MessageOp;
  /** The recipient's DID. */
  to: string;
  /** What is said. It travels beside the JWS, and its digest is signed. */
  body: Uint8Array;
  /** Default application/json. */
  contentType?: string;
  /** Default 30, at most 300. */
  ttlSeconds?: number;
  /** A token to present; it travels beside the message and its digest is signed. */
  token?: string;
  /** Required for all but calls and sends: the call that is answered, or that more is said of. */
  inReplyTo?: SealedMessage | VerifiedMessage;
  /** The method that a call or send asks for: 1 to 128 of `A-Z a-z 0-9 _ . -`. */
  method?: string;
  /** How long the caller waits, in milliseconds, 1 to 2 147 483 647; on calls. */
  deadlineMs?: number;
  /** Where the message belongs in a trace, by W3C Trace Context; proves nothing. */
  traceparent?: string;
  /** Which part of the answer it is, from 0, or which word of progress; on a result or error after parts, how many there were. */
  seq?: number;
  /** How many parts the caller takes, counted from the first; on calls and `more`. */
  window?: number;
  /** The session of the recipient that is meant, as it says itself: 16 bytes in base64url; on calls and sends. */
  session?: string;
  /** Seconds since the epoch, for tests and replays of recorded traffic. */
  now?: number;
}
/** A signed message. What has to travel: `jws`, `body`, and `token` if there is one. */
export interface SealedMessage {
  /** The signed claims, in JWS compact form (RFC 7515). */
  readonly jws: string;
  /** The bytes whose digest the JWS signs. */
  readonly body: Uint8Array;
  /** The token presented with it; undefined without one. */
  readonly token: string | undefined;
  /** Unique for its sender; the answer names it. */
  readonly id: string;
}
/** A message that passed every check: genuine, in time, for this audience, and opened for the first time. */
export interface VerifiedMessage {
  /** Unique for its sender. */
  readonly id: string;
  /** What the message is. */
  readonly op: MessageOp;
  /** Proven by the signature. */
  readonly from: string;
  /** The DID whose verifier opened it. */
  readonly to: string;
  /** The very bytes that were verified. */
  readonly body: Uint8Array;
  /** The media type of the body. */
  readonly contentType: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** The id of the call that it answers or says more of; undefined for calls and sends. */
  readonly inReplyTo: string | undefined;
  /** The method asked for. */
  readonly method: string | undefined;
  /** How long the caller of a call waits, in milliseconds. */
  readonly deadlineMs: number | undefined;
  /** Where the message belongs in a trace, by W3C Trace Context; proves nothing. */
  readonly traceparent: string | undefined;
  /** Which part of an answer it is, from 0, or which word of progress; on a result or error, how many parts there were. */
  readonly seq: number | undefined;
  /** How many parts the caller takes, counted from the first. */
  readonly window: number | undefined;
  /** The session of its recipient that a call or send is meant for. */
  readonly session: string | undefined;
  /** The signed claims as they came, to be kept as proof. */
  readonly jws: string;
}
/** The document that a `did:key` stands for (DID Core). */
export interface DIDDocument {
  /** The vocabularies of the document. */
  readonly "@context": string[];
  /** The DID itself. */
  readonly id: string;
  /** Keys and what each may be used for. */
  readonly [member: string]: unknown;
}
/** The public key of an identity as a JSON Web Key (RFC 8037). */
export interface PublicJWK {
  /** Always `OKP`. */
  kty: "OKP";
  /** Always `Ed25519`. */
  crv: "Ed25519";
  /** The 32 bytes of the public key, base64url. */
  x: string;
  /** What names the key in its DID document: the DID, and after `#` the key. */
  kid: string;
  /** Always `EdDSA`. */
  alg: "EdDSA";
  /** Always `sig`. */
  use: "sig";
}
/**
 * An Ed25519 key (RFC 8032) and its `did:key`. The private key stays in native memory.
 *
 * @example
 * ```ts
 * const identity = Identity.generate()
 * const signature = identity.sign(new TextEncoder().encode('hello'))
 * ```
 */
export declare class Identity {
  #private;
  /** Who this is: `did:key:z6Mk…`, which spells the public key. */
  readonly did: string;
  private constructor();
  /** A fresh key from the operating system's random source. */
  static generate(): Identity;
  /** From an RFC 8032 seed, 32 bytes. Errors: INVALID_KEY. */
  static fromSeed(seed: Uint8Array): Result<Identity>;
  /**
   * From PKCS#8 (RFC 5958, RFC 8410) version 1 or 2, DER or PEM, plain or encrypted with PBES2 (RFC 8018): docs/keys.md.
   * A passphrase may take up to seconds, in which nothing else happens: see `fromPKCS8Async`.
   * Errors: IMPORT_FAILED, WRONG_PASSPHRASE.
   */
  static fromPKCS8(pkcs8: Uint8Array | string, options?: {
    /** Of an encrypted file. */
    passphrase?: string;
  }): Result<Identity>;
  /** The same; a passphrase is worked on by another thread. Errors: IMPORT_FAILED, WRONG_PASSPHRASE. */
  static fromPKCS8Async(pkcs8: Uint8Array | string, options?: {
    /** Of an encrypted file. */
    passphrase?: string;
  }): Promise<Result<Identity>>;
  /** 32 bytes. */
  get publicKey(): Uint8Array;
  /**
   * The 64-byte Ed25519 signature of `data`. Throws SIGN_FAILED after `destroy()`, and for what somebody could take for a
   * message, token or other statement of this package: there are functions that make those.
   */
  sign(data: Uint8Array): Uint8Array;
  /**
   * The same for any bytes, also those of a message or token that a stranger made up: whoever chooses what is signed here
   * can speak in the name of this identity. Throws SIGN_FAILED after `destroy()`.
   */
  dangerouslySign(data: Uint8Array): Uint8Array;
  /**
   * The private key as PKCS#8 version 1: 48 bytes of DER, or PEM; encrypted (PBES2, scrypt, AES-256-CBC) with a passphrase,
   * which takes some 30 ms: see `toPKCS8Async`. Errors: EXPORT_FAILED.
   */
  toPKCS8(options?: {
    /** Encrypts; without it the key stands there plainly. */
    passphrase?: string;
    /** Default `der`. */
    format?: "der";
  }): Result<Uint8Array>;
  toPKCS8(options: {
    /** Encrypts; without it the key stands there plainly. */
    passphrase?: string;
    /** Text instead of bytes. */
    format: "pem";
  }): Result<string>;
  /** The same; a passphrase is worked on by another thread. Errors: EXPORT_FAILED, also if it is destroyed meanwhile. */
  toPKCS8Async(options?: {
    /** Encrypts; without it the key stands there plainly. */
    passphrase?: string;
    /** Default `der`. */
    format?: "der";
  }): Promise<Result<Uint8Array>>;
  toPKCS8Async(options: {
    /** Encrypts; without it the key stands there plainly. */
    passphrase?: string;
    /** Text instead of bytes. */
    format: "pem";
  }): Promise<Result<string>>;
  /** The public key as a JWK (RFC 8037). */
  toJWK(): PublicJWK;
  /** The document that `did:key` derives from the DID. */
  toDIDDocument(): DIDDocument;
  /**
   * Builds and signs one message; the body travels beside the JWS (docs/wire-format.md).
   * Errors: INVALID_DID, WRONG_AUDIENCE (to oneself), MALFORMED_MESSAGE (an option out of bounds), SIGN_FAILED (destroyed).
   *
   * @example
   * ```ts
   * const sealed = identity.seal({ op: 'send', to: friend.did, body: new TextEncoder().encode('"hello"') })
   * ```
   */
  seal(message: OutgoingMessage): Result<SealedMessage>;
  /** Wipes the key; the identity is unusable afterwards. */
  destroy(): void;
  /** The same as `destroy()`, for `using identity = …`. */
  [Symbol.dispose](): void;
}
/** The 32 bytes of an Ed25519 `did:key`. Errors: INVALID_DID. */
export declare function didToPublicKey(did: string): Result<Uint8Array>;
/** The `did:key` of a 32-byte Ed25519 public key. Errors: INVALID_KEY. */
export declare function publicKeyToDID(publicKey: Uint8Array): Result<string>;
/**
 * Strict Ed25519 verification: false for a wrong signature; INVALID_DID only for an unusable DID.
 *
 * @example
 * ```ts
 * const verified = verifySignature(friend.did, data, signature)
 * if (verified.ok && verified.value) console.log('signed by', friend.did)
 * ```
 */
export declare function verifySignature(did: string, data: Uint8Array, signature: Uint8Array): Result<boolean>;
/** What an agent offers, signed by it. Names, descriptions and schemas are its own words: a stranger's text. */
export interface AgentCard {
  /** Whose card it is, proven by the signature. */
  readonly did: string;
  /** The agent's label, which proves nothing. */
  readonly name: string | undefined;
  /** What it offers. */
  readonly methods: readonly OfferedMethod[];
  /** Where it says that it can be reached beyond this process: URLs. */
  readonly addresses: readonly string[];
  /**
   * The session of an agent of another process, where `describe` has asked it: an approval that is to be brought along names it.
   * It is no part of the card, and over when that process is.
   */
  readonly session?: string;
  /** Until when it holds, in seconds since the epoch. */
  readonly expiresAt: number;
  /** The signed statement itself, to show to others: docs/cards.md. */
  readonly jws: string;
}
/** A method in a card. */
export interface OfferedMethod {
  /** What is called for: `agent.call(did, payload, { method: name })`. */
  readonly name: string;
  /** What it does, as its agent says. */
  readonly description?: string;
  /** The JSON Schema of the payload. */
  readonly input?: object;
  /** The JSON Schema of the answer. */
  readonly output?: object;
  /** What a token must grant to call it. */
  readonly scopes: readonly string[];
}
/**
 * Verifies a card that came by any way. `describe` does so by itself.
 * Errors: INVALID_TOKEN (no card, or not signed by its agent), UNTRUSTED_ISSUER (another agent's), TOKEN_NOT_YET_VALID,
 * TOKEN_EXPIRED, INVALID_DID, INVALID_CONFIG (a time). Throws INVALID_CONFIG for a skew of more than 300 s.
 *
 * @example
 * ```ts
 * const card = await agent.describe()
 * if (card.ok) console.log(verifyCard(card.value.jws, { did: agent.getDID() }).ok) // true
 * ```
 */
export declare function verifyCard(jws: string, options?: {
  /** Whose card it has to be; without it, that of whomever it names. */
  did?: string;
  /** Seconds since the epoch; the system clock by default. */
  now?: number;
  /** Default 30, at most 300. */
  clockSkewSeconds?: number;
}): Result<AgentCard>;
/**
 * Where an agent beyond this process is: its URL, best with the DID that must answer there. A card leads to the first of its
 * addresses that is https; those are a stranger's word, and reach the public network only.
 */
export type Address = string | {
  /** Who must answer. */
  readonly did: string;
  /** Where: https, or http on this machine. */
  readonly url: string;
} | Pick<AgentCard, "did" | "addresses">;
/** The call that is decided upon: these two, this method, and these very bytes. */
export interface ApprovedCall {
  /** The DID that makes it. */
  caller: string;
  /** The DID that is asked. */
  recipient: string;
  /** Which of the other agent's methods is asked for; left out for a call that names none. */
  method?: string;
  /** The session of the recipient, for a call from another process: what the recipient's own request says. */
  session?: string;
  /** The arguments of the call, byte for byte. */
  body: Uint8Array;
  /** Default application/json. */
  contentType?: string;
}
/** A yes or no to one call, before it is signed. */
export interface CallDecision {
  /** `approve` lets the call run; `deny` refuses it, signed as well. */
  decision: "approve" | "deny";
  /** The call that is decided upon. */
  call: ApprovedCall;
  /** Default 300, at most 3600. */
  ttlSeconds?: number;
  /** Seconds since the epoch, for tests. */
  now?: number;
}
/** How far a call is, as the agent that works on it says. */
export interface Progress {
  /** How much is done. */
  readonly progress?: number;
  /** Of how much. */
  readonly total?: number;
  /** In words: at most some 4000 bytes. */
  readonly message?: string;
}
/** What became of a message for an inbox. */
export interface DeliveryReceipt {
  /**
   * `delivered`: it stands in the inbox of its recipient, which has signed for it. `kept`: the recipient is away, the broker says that it
   * keeps the message in its mailbox, and nobody has signed for anything; only `send` on a bus over NATS gives that.
   */
  readonly status: "delivered" | "kept";
  /** The id of the message, as its recipient sees it. */
  readonly messageId: string;
  /** The DID of the recipient, which has signed for what was delivered. */
  readonly to: string;
}
/**
 * A call and what answered it, which anybody can verify by the two DIDs alone: `verifyReceipt` in `./record`. All of it is
 * shown by whoever shows it; without `request` and `result` it proves their digests.
 */
export interface CallReceipt {
  /** The JWS of the call. */
  readonly call: string;
  /** The JWS of the answer, refusal or delivery receipt. */
  readonly answer: string;
  /** The body of the call: what was sent. */
  readonly request: Uint8Array;
  /** The body of the answer. */
  readonly result: Uint8Array;
}
/** What `call` gives with `receipt`: a `Result` with the messages beside it. */
export type Receipted<T> = {
  /** It went well. */
  readonly ok: true;
  /** What was asked for. */
  readonly value: T;
  /** The messages themselves. */
  readonly receipt: CallReceipt;
} | {
  /** It failed. */
  readonly ok: false;
  /** Why, with a code to tell one reason from another. */
  readonly error: XBindError;
  /** The messages themselves, where the other side has said so; undefined where it has said nothing. */
  readonly receipt: CallReceipt | undefined;
};
/**
 * Whether what `call` gave is the recipient's receipt and no answer: it has no handler, and the call stands in its inbox. The
 * message itself says so, not its shape; a copy of a receipt is none.
 *
 * @example
 * ```ts
 * const answer = await agent.call('writer', { topic: 'identity' })
 * if (answer.ok && isReceipt(answer.value)) console.log('it waits in the inbox of', answer.value.to)
 * ```
 */
export declare function isReceipt(value: unknown): value is DeliveryReceipt;
/** For whom somebody acts, such as a person who signed in there. */
export interface OnBehalfOf {
  /** Who knows the subject by that name. */
  readonly issuer: string;
  /** Its name there. */
  readonly subject: string;
}
/** What a token is to grant, to whom, where and for how long. */
export interface TokenRequest {
  /** The DID that may use the token. */
  subject: string;
  /** Where it may be used: a DID or a URI, compared exactly. */
  audience: string;
  /** What it grants, at most 64; none grants nothing. */
  scopes: readonly string[];
  /**
   * Limits that whoever it is handed on to can only lower: 1 to 16 names of 1 to 64 of `a-z 0-9 . _ -`, each with a whole
   * number. The recipient says what a name means.
   */
  quota?: Readonly<Record<string, number>>;
  /** Default 3600, at most 86 400. */
  ttlSeconds?: number;
  /** Further claims, plain data: none that the format names itself, nothing that JSON would lose. */
  claims?: Record<string, unknown>;
  /** Where the issuer publishes whether the token still stands (`StatusList`). */
  status?: {
    /** The place of this token in the list. */
    readonly index: number;
    /** Where the list is published. */
    readonly uri: string;
  };
  /** Seconds since the epoch, for tests. */
  now?: number;
}
/** A call that a handler answers. */
export interface IncomingCall<P = unknown> {
  /** Unique for its caller. */
  readonly id: string;
  /** The caller's DID, proven by its signature. */
  readonly from: string;
  /** The method asked for, if the caller named one. */
  readonly method: string | undefined;
  /** What the caller sent; of the type that you expect, which nobody has checked unless the method has a schema. */
  readonly payload: P;
  /** Where the call belongs in a trace, as the caller says: a `traceparent` of W3C Trace Context. */
  readonly traceparent: string | undefined;
  /** When the caller signed it, by its clock, to the second. */
  readonly issuedAt: Date;
  /** Aborts when the caller gives up, the deadline passes or the agent closes. */
  readonly signal: AbortSignal;
  /**
   * Tells the caller how far the call is: it reaches `onProgress`, and starts the caller's `timeoutMs` anew. Each word is signed.
   * Throws TypeError, XBindError: INVALID_PAYLOAD (a number that is not finite, half of a surrogate pair), PAYLOAD_TOO_LARGE. Once the call is over, it
   * does nothing.
   */
  progress(progress: Progress): void;
  /** What the caller's token grants; empty for a handler that trusts nobody's tokens. */
  readonly scopes: readonly string[];
  /** The limits of that token by their names, where anybody in the chain set one: of each name the smallest. */
  readonly quota: Readonly<Record<string, number>> | undefined;
  /** On whose behalf the caller acts: from the outermost delegator to the caller, DIDs; empty without a token. */
  readonly chain: readonly string[];
  /** For whom the first of them was given the rights, such as a person who signed in there; the word of the token's issuer. */
  readonly onBehalfOf: OnBehalfOf | undefined;
}
/** Where lines go: `console`, or a logger with these four methods. */
export type Logger = Pick<Console, "debug" | "info" | "warn" | "error">;
/** How agents reach URLs. */
export interface HttpReach {
  /**
   * A proxy through which all of it leaves, by CONNECT: `http://` or `https://`, with a name and a password before the host if it
   * wants them. What is on this machine is reached without, unless the proxy is here too. `'environment'`: what `HTTPS_PROXY`
   * and `NO_PROXY` say, which nobody asks otherwise. None by default.
   */
  proxy?: string | ProxyUse;
  /** Certificates of authorities that are believed beside Mozilla's, as PEM: one text, or several. */
  ca?: string | readonly string[];
}
/** A proxy, and what is reached without it. */
export interface ProxyUse {
  /** Its URL. */
  url: string;
  /** Names, with all that is below them, IP addresses, or `*`, each with a port behind it or without. */
  except?: readonly string[];
}
/**
 * An authority: its URL, best with its DID. Without, it is the one whose DID the server says when it is first asked. What it
 * answers is signed by it, or is not believed.
 */
export type RegistryAddress = string | {
  /** Who must answer. */
  readonly did: string;
  /** Where: https, or http on this machine; nothing behind host and port. */
  readonly url: string;
};
/** A token that an agent asks its authority for. */
export interface TokenWish {
  /** Where it is to be used: what its verifier is called, such as a DID or a host. */
  audience: string;
  /** What for; its operator has to have granted each. */
  scopes: readonly string[];
  /** How long it lives, 1 to 86 400; default 3600. */
  ttlSeconds?: number;
  /**
   * The access token of a user who has signed in: then the agent's token is one to act for him, and has no more than he has, and
   * not for longer. It goes to the authority alone, and is not kept. Without it the agent acts for itself.
   */
  originalToken?: string;
}
/** A token for one of several agents, to act for a user. */
export interface AgentTokenWish extends TokenWish {
  /** Name or DID of the agent. */
  agentId: string;
  /** The access token of a user who has signed in. It goes to the authority alone, and is not kept. */
  originalToken: string;
}
/** A name that is registered. */
export interface Registered {
  /** The whole name: the agent's own, and the domain of its operator. */
  readonly name: string;
  /** To whom it leads. */
  readonly did: string;
}
/**
 * An in-process bus. The default one belongs to the module instance, so test files do not see each other. Of several agents of
 * one DID, the newest is called by the DID; a name leads to the agent that has it.
 *
 * @example
 * ```ts
 * const bus = new MessageBus()
 * const [asker, teller] = ['asker', 'teller'].map((name) => new AutoGenxBindAgent({ name, agentOptions: { bus } }))
 * ```
 */
export declare class MessageBus {
  #private;
  /** A bus of its own. Throws INVALID_CONFIG. */
  constructor(options?: {
    /** The longest life of a message here, 1 to 300, default 30: an agent's `messageTtlSeconds` may not be longer. */
    maxLifetimeSeconds?: number;
    /** Where agents here put on record what they decide, unless they have a log of their own: see `openAuditLog`. */
    audit?: AuditLog;
    /** Agents go on where nothing can be recorded: what they do then, nobody can show. Default false. */
    dangerouslyContinueUnrecorded?: boolean;
    /** How agents here reach URLs. */
    http?: HttpReach;
  });
  /**
   * The bus of that name in this process, shared by its worker threads. Throws INVALID_NAME.
   *
   * @example
   * ```ts
   * const crew = MessageBus.shared('crew') // in every thread that is to take part
   * const worker = new AutoGenxBindAgent({ name: 'worker', agentOptions: { bus: crew } })
   * ```
   */
  static shared(name: string): MessageBus;
  /** Who is here, in the order in which they came. */
  agents(): {
    /** Who it is. */
    readonly did: string;
    /** Its label, if it has one. */
    readonly name: string | undefined;
  }[];
  /**
   * A token for an agent here, to act for a user who has signed in: the agent's own `requestToken` with an `originalToken`.
   * Errors: those of `requestToken`; AGENT_NOT_FOUND (it has to be on this bus, and of this thread), AMBIGUOUS_NAME.
   *
   * @example
   * ```ts
   * const bus = new MessageBus()
   * const wish = { originalToken: token, audience: 'llm.example.com', scopes: ['llm:read'] }
   * const narrower = await bus.getAgentToken({ agentId: 'researcher', ...wish })
   * ```
   */
  getAgentToken(request: AgentTokenWish): Promise<Result<string>>;
  /**
   * Stops an identity here, at once and for good: its queued and running calls, and those to it, end with REVOKED, handlers
   * that work on them see their signal abort, and it can neither call nor be called any more. What it has
   * approved, and tokens that it has issued or delegated, count no more. Errors: INVALID_DID.
   */
  stop(did: string): Result<void>;
  /** Closes the bus and every agent on it, also those of other threads. */
  close(): void;
}
/** What a new agent is told; all of it may be left out. */
export interface AgentConfig {
  /** A label, and an address on the bus: letters, digits, '.', '_', '-', 1 to 64, first and last a letter or digit. */
  name?: string;
  /** Where the agent lives, and its bounds. */
  agentOptions?: AgentOptions;
  /**
   * Where the agent puts on record what it decides about calls, its bus's log by default: see `openAuditLog`. What cannot be recorded
   * is not done: callers get AUDIT_FAILED.
   */
  audit?: AuditLog;
  /** The agent goes on where nothing can be recorded: what it does then, nobody can show. Default false. */
  dangerouslyContinueUnrecorded?: boolean;
  /** One line more in the log for each message that goes out or comes in, DIDs shortened, never a payload or a key. */
  verbose?: boolean;
  /** Where the log goes, stderr by default: handlers that fail, and what else the owner has to know. */
  logger?: Logger;
  /**
   * Answers calls from the start, so that none comes before the agent can answer: everybody's, until `handle()` sets another
   * handler, or a policy. Its payload is of the type that it expects, which nobody has checked.
   */
  handler?: {
    /** A method, so that its payload may be of any type. */
    answer(call: IncomingCall): unknown;
  }["answer"];
  /**
   * Told of what a handler, or a function of its policy, throws, and of answers that cannot be sent; the caller is told
   * nothing of it but HANDLER_FAILED. Printed to the log by default, with its stack. A `HandlerError` is an answer, not a failure.
   * It may be asynchronous; where it fails itself, the log has what it threw, and what it was told.
   */
  onHandlerError?: (error: unknown, call: {
    /** Unique for its caller. */
    readonly id: string;
    /** The caller's DID, proven by its signature. */
    readonly from: string;
    /** The method asked for, if the caller named one. */
    readonly method: string | undefined;
  }) => void;
  /** Signs with a key that is not the agent's own. An `Identity` stays its owner's: the agent can sign until it is destroyed. */
  identityProvider?: xBindIdentityProvider | Identity;
}
/** Where an agent lives, and its bounds. */
export interface AgentOptions {
  /** Where the agent lives; the module's own bus by default. */
  bus?: MessageBus;
  /** Of a call, default 30 000. */
  timeoutMs?: number;
  /** Default 5; at most what the bus accepts, 30 unless it was made with `maxLifetimeSeconds`. */
  messageTtlSeconds?: number;
  /** Default 1 MiB. */
  maxPayloadBytes?: number;
  /**
   * Room for messages of one sender and its calls that wait for the handler, together; a third more is kept for other
   * senders. Beyond it messages are refused with INBOX_FULL, and calls wait with their sender until their time is over.
   */
  inbox?: {
    /** Default 1024. */
    maxMessages?: number;
    /** Default 16 MiB. */
    maxBytes?: number;
  };
  /** Calls handled at once; more wait. Default 64. */
  concurrency?: number;
  /** Where it is reached from other processes: URLs, which its card names, for others to call it by its card. None by default. */
  addresses?: readonly string[];
  /**
   * The authority of the agent's operator: `register` and `requestToken` ask it, and names that nobody on the bus has are looked
   * up there. None by default.
   */
  registry?: RegistryAddress;
}
/**
 * Keys that live elsewhere: a KMS, Vault transit, an HSM, the OS keychain.
 *
 * @example
 * ```ts
 * const keystore: xBindIdentityProvider = {
 *   getDID: () => friend.did,
 *   sign: (data) => friend.dangerouslySign(data), // stands for a KMS, which may take its time
 * }
 * const signer = new AutoGenxBindAgent({ identityProvider: keystore })
 * ```
 */
export interface xBindIdentityProvider {
  /** The `did:key` of the key; asked once, when the agent is made. */
  getDID(): string;
  /** 64-byte Ed25519 signature by the key of getDID(); checked before anything leaves. */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Absent: exportIdentity() answers EXPORT_FAILED. */
  exportPKCS8?(): Uint8Array | Promise<Uint8Array>;
}
/**
 * Answers a call: what it returns is the answer, what it throws is a refusal (see `HandlerError`). An async generator, or whatever
 * gives an AsyncIterable or a ReadableStream, answers in parts: see `stream`.
 */
export type Handler<P = unknown, R = unknown> = (call: IncomingCall<P>) => R | Promise<R>;
/** What stands in an inbox: a message, or a call that nobody answered. */
export interface Message<P = unknown> {
  /** Unique for its sender. */
  readonly id: string;
  /** `message` for what was sent, `call` for a call that came while there was no handler. */
  readonly kind: "message" | "call";
  /** The sender's DID, proven by its signature. */
  readonly from: string;
  /** What the sender sent; of the type that you expect, which nobody has checked. */
  readonly payload: P;
  /** When the sender signed it, by its clock, to the second. */
  readonly issuedAt: Date;
}
/** How long to wait for the answer, and what to present with the call. */
export interface CallOptions {
  /**
   * How long the other side may be silent; the agent's own by default, 30 000. Whatever it says of the call, with `progress` or by
   * sending a part, starts the time anew.
   */
  timeoutMs?: number;
  /** How long the call may take in all, whatever the other side says: default 600 000, or `timeoutMs` if that is more. */
  maxTotalTimeoutMs?: number;
  /**
   * The call may run twice without harm: where its connection is lost, or the other process has restarted, it is made again,
   * three times at most. Default false: then such a call fails, and `error.handled` says `unknown`.
   */
  idempotent?: boolean;
  /** Told while the other side works, or waits for an approval. What it throws goes to the log. */
  onProgress?: (progress: Progress) => void;
  /** Gives the call up: the caller gets ABORTED, and the handler sees its own signal abort. */
  signal?: AbortSignal;
  /** A token for the agent that is called; it travels beside the call, whose signature covers it. */
  token?: string;
  /** An approval of this very call, signed by an approver. */
  approval?: string;
  /** Which of the other agent's methods is asked for: 1 to 128 of `A-Z a-z 0-9 _ . -`. */
  method?: string;
  /** Where the call belongs in a trace: a `traceparent` of W3C Trace Context. */
  traceparent?: string;
  /** Also gives the call and its answer themselves, to be shown to others: see `CallReceipt`. Default false. */
  receipt?: boolean;
}
/** A call of a method. */
export type WithMethod = CallOptions & {
  /** The method asked for: such a call gets no delivery receipt. */
  method: string;
};
/** A call that is shown to others. */
export type WithReceipt = CallOptions & {
  /** The call and its answer themselves are given with it. */
  receipt: true;
};
/** The options of `stream`. */
export type StreamOptions = Omit<CallOptions, "receipt">;
/** The bounds of one request. */
export interface FetchLimits {
  /** The longest answer that is taken. */
  readonly maxBytes: number;
  /** From the question to the last byte of the answer. */
  readonly timeoutMs: number;
  /** Media types to ask for. */
  readonly accept: string;
  /**
   * Who named the address: you (`owner`), a token within an origin that you named (`listed`), or a token alone (`stranger`).
   * For strangers only the public network may be asked.
   */
  readonly named: "owner" | "listed" | "stranger";
}
/**
 * A client of your own, as behind a proxy: gets a document, and rejects for anything but a complete answer with status 200.
 * It has to keep the rules that the built-in one keeps: no redirects, and for strangers no addresses of your own network. The
 * URL was judged by its text; size and time are checked again behind it.
 */
export type FetchDocument = (url: string, limits: FetchLimits) => Promise<Uint8Array | string>;
/** An issuer that is known by an address, and its keys: a JWK set, or the https URL (on this machine, http) it is fetched from. */
export interface TrustedIssuer {
  /** Exactly as its tokens name it in `iss`. */
  issuer: string;
  /** Its public keys (RFC 7517), or the https URL where it publishes them. */
  jwks: {
    /** JWKs; those that are no Ed25519 keys are passed over. */
    keys: readonly object[];
  } | string;
}
/**
 * An authority whose key changes: it is followed from a DID that it has, or had, and tokens count that are by one of its keys
 * now. It is asked by the built-in client, and what it says counts for 300 s.
 */
export interface TrustedAuthority {
  /** A DID of the authority, of whichever of its keys. */
  did: string;
  /** Where it is: https, or http on this machine; nothing behind host and port. */
  url: string;
}
/** For whom tokens are verified, whose are accepted, and where revocations are asked. */
export interface TokenVerifierOptions extends AuditOptions {
  /** The recipient, exactly as tokens name it. */
  audience: string;
  /**
   * Whose tokens are accepted: DIDs, each for as long as this verifier lives, authorities whose DID changes, and issuers known by
   * their JWKS.
   */
  trust: readonly (string | TrustedAuthority | TrustedIssuer)[];
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number;
  /** Default 30. */
  clockSkewSeconds?: number;
  /** Default 86 400. */
  maxLifetimeSeconds?: number;
  /** All of them are asked about every link of a chain. None by default. */
  revocations?: RevocationSource | readonly RevocationSource[];
  /** How long a source may take, default 5000; then it does not know. */
  revocationTimeoutMs?: number;
  /**
   * Accepts tokens of which nobody can tell whether they were revoked: whoever can cut this verifier off from its sources
   * brings revoked tokens back to life. Look at `revocation` in the claims.
   */
  dangerouslyAcceptUnknownRevocation?: boolean;
  /** A client of your own for JWK sets, as behind a proxy. */
  fetch?: FetchDocument;
}
/** Who may call a handler, and with which rights. */
export interface HandleOptions {
  /** DIDs, or a predicate over the proven DID; everyone by default. */
  allow?: readonly string[] | ((from: string) => boolean);
  /** Whose tokens are accepted: DIDs, authorities, and issuers with their JWKS. With it, a call must present a token for this agent. */
  trust?: TokenVerifierOptions["trust"];
  /** What the token must grant, all of it. */
  scopes?: readonly string[];
  /** Where it is asked whether a token, a link or a DID was revoked. */
  revocations?: TokenVerifierOptions["revocations"];
  /** Somebody signs each call, with its very arguments, before the handler runs. */
  approval?: ApprovalPolicy;
}
/** Who has to approve of calls, and of which. */
export interface ApprovalPolicy {
  /** DIDs whose approval counts. The first one is asked over the bus when a call brings none along. */
  by: string | readonly string[];
  /** Which calls need one; all by default. */
  when?: (call: {
    /** The caller's DID, proven by its signature. */
    readonly from: string;
    /** The arguments of the call. */
    readonly payload: unknown;
    /** The method asked for, if the caller named one. */
    readonly method: string | undefined;
  }) => boolean;
  /** How long the approver may take, default 60 000. */
  timeoutMs?: number;
}
/**
 * A schema of any library that speaks Standard Schema, version 1: zod 4, valibot, arktype and others. See https://standardschema.dev.
 * `I` is what it takes, `O` what comes out of it.
 */
export interface StandardSchema<I = unknown, O = I> {
  /** What the library and this package agree on. */
  readonly "~standard": {
    /** Always 1. */
    readonly version: 1;
    /** Which library it is. */
    readonly vendor: string;
    /** `{ value }`, or `{ issues }` with the path of each; or a promise of one. */
    readonly validate: (value: unknown, ...rest: never[]) => unknown;
    /** Only in types. */
    readonly types?: {
      /** What it takes. */
      readonly input: I;
      /** What comes out of it. */
      readonly output: O;
    } | undefined;
  };
}
/** What a method takes and gives, and who may call it. What is left out of the policy is that of the handler without a name. */
export interface MethodOptions<I = unknown, O = unknown> extends HandleOptions {
  /**
   * Checked before the handler runs, which gets what came out of it. What does not fit is INVALID_INPUT at the caller, with the
   * path.
   */
  input?: StandardSchema<unknown, I>;
  /**
   * Checked before the answer leaves, which is what comes out of it; of an answer in parts, each part. What does not fit is
   * HANDLER_FAILED at the caller.
   */
  output?: StandardSchema<O>;
  /** What it does, for the card: at most 2048 bytes. */
  description?: string;
}
/** How to drain an inbox. */
export interface ReceiveOptions {
  /** At most so many; all by default. */
  max?: number;
  /** How long to wait for the first message; default 0, which takes what is there. */
  waitMs?: number;
  /** Ends the waiting with ABORTED. */
  signal?: AbortSignal;
}
/**
 * A typed client of another agent: each method of `M` takes one payload, and how to call. Methods called `then`, `toJSON`, or
 * like a property of every object, are none of it: use `call` with `method` for those.
 */
export type Peer<M> = {
  readonly [K in keyof M as K extends string ? (K extends NeverMethods ? never : K) : never]: M[K] extends (input: infer I) => infer O ? undefined extends I ? (input?: I, options?: PeerOptions) => Promise<Result<Awaited<O>>> : (input: I, options?: PeerOptions) => Promise<Result<Awaited<O>>> : never;
};
/** `then`, `toJSON`, and what every object has. */
export type NeverMethods = "then" | "toJSON" | "constructor" | "toString" | "toLocaleString" | "valueOf" | "hasOwnProperty" | "isPrototypeOf" | "propertyIsEnumerable" | "__proto__" | "__defineGetter__" | "__defineSetter__" | "__lookupGetter__" | "__lookupSetter__";
/** How a method is called: the method itself is the one that was named. */
export type PeerOptions = Omit<CallOptions, "method" | "receipt">;
/** The parts of an answer, in order, and what it ends with. */
export type AnswerStream<T = unknown> = AsyncIterableIterator<T> & {
  /**
   * What the answer ends with: what a generator returned, or the whole answer of a handler that answers once. Never rejects. It
   * comes when all parts have come, and they come no further ahead than their reader allows.
   */
  readonly result: Promise<Result<unknown>>;
};
/**
 * An agent with a cryptographic identity: calls other agents by name or DID, every message signed and verified.
 *
 * @example
 * ```ts
 * const researcher = new AutoGenxBindAgent({ name: 'researcher' })
 * const writer = new AutoGenxBindAgent({ name: 'writer' }).handle(({ payload }) => `about ${payload}`)
 * const answer = await researcher.call('writer', 'identity')
 * if (answer.ok) console.log(answer.value) // about identity
 * ```
 */
export declare class AutoGenxBindAgent {
  #private;
  /** Its label, as it was made with: it finds the agent and proves nothing. */
  readonly name: string | undefined;
  /**
   * Generates an identity unless a provider brings one, and joins the bus.
   * Throws XBindError: INVALID_NAME, INVALID_CONFIG, INVALID_DID (of a provider), AGENT_CLOSED (the bus is closed).
   */
  constructor(config?: AgentConfig);
  /**
   * An agent with an exported identity: PKCS#8, DER or PEM, plain or encrypted.
   * Errors: IMPORT_FAILED, WRONG_PASSPHRASE, and those of the constructor.
   *
   * @example
   * ```ts
   * const restored = await AutoGenxBindAgent.fromIdentity(await readFile('agent.key'), { passphrase })
   * if (!restored.ok) throw restored.error
   * ```
   */
  static fromIdentity(pkcs8: Uint8Array | string, config?: Omit<AgentConfig, "identityProvider"> & {
    /** Of an encrypted file. */
    passphrase?: string;
  }): Promise<Result<AutoGenxBindAgent>>;
  /** Who it is: `did:key:z6Mk…`, which spells the public key. */
  getDID(): string;
  /**
   * Asks another agent, by name or DID. The request and the reply are signed, and both are verified.
   * An agent without a handler gets the call in its inbox and answers with a signed DeliveryReceipt, which `isReceipt` tells
   * from an answer; a call that names a method gets none. The type `T` is what you expect, and nobody has checked it.
   * Errors: docs/errors.md, addressing, messages, delivery and rights; INVALID_DID, SIGN_FAILED, INVALID_CONFIG.
   *
   * @example
   * ```ts
   * const answer = await agent.call<{ summary: string }>('writer', { topic: 'identity' }, { method: 'summarise' })
   * console.log(answer.ok ? answer.value.summary : answer.error.code)
   * ```
   */
  call<T = unknown>(agentName: Address, payload: unknown, options: WithMethod & WithReceipt): Promise<Receipted<T>>;
  /** The same without a method: what comes may be a delivery receipt. */
  call<T = unknown>(agentName: Address, payload: unknown, options: WithReceipt): Promise<Receipted<T | DeliveryReceipt>>;
  /** The same without the messages themselves. */
  call<T = unknown>(agentName: Address, payload: unknown, options: WithMethod): Promise<Result<T>>;
  /** The same without a method: what comes may be a receipt. */
  call<T = unknown>(agentName: Address, payload: unknown, options?: CallOptions): Promise<Result<T | DeliveryReceipt>>;
  /**
   * Asks another agent, and gives the parts of its answer as they come: each of them is signed, in its place, and none is
   * missing; what is cut short throws an XBindError, with the errors of `call`, and never just ends. The handler there is an
   * async generator, or gives an AsyncIterable or a ReadableStream, and makes no more than its reader takes. `break` gives the call
   * up, and the generator there ends with its `finally`. An answer in one has no parts, and is the `result`.
   * Throws TypeError for what is no name or option.
   *
   * @example
   * ```ts
   * for await (const token of agent.stream<string>('writer', { topic: 'identity' })) process.stdout.write(token)
   * ```
   */
  stream<T = unknown>(to: Address, payload: unknown, options?: StreamOptions): AnswerStream<T>;
  /**
   * A typed client of another agent: its methods as functions, each of which calls with that method. `options` count for all of
   * them, unless a call says otherwise.
   *
   * @example
   * ```ts
   * const writer = agent.peer<{ summarise(input: { topic: string }): string }>('writer')
   * const summary = await writer.summarise({ topic: 'identity' })
   * ```
   */
  peer<M extends object>(to: Address, options?: PeerOptions): Peer<M>;
  /**
   * What this agent offers or, by name or DID, another one: its methods with JSON Schemas and scopes, signed by it. The card of
   * another is verified, and has to be that of the one asked.
   * Errors: those of `call`; INVALID_TOKEN (no card), UNTRUSTED_ISSUER (another agent's), TOKEN_EXPIRED, TOKEN_NOT_YET_VALID.
   *
   * @example
   * ```ts
   * const card = await agent.describe('writer')
   * if (card.ok) for (const { name, description } of card.value.methods) console.log(name, description)
   * ```
   */
  describe(to?: Address): Promise<Result<AgentCard>>;
  /**
   * One-way; resolves when the message stands in the recipient's inbox, which the recipient has signed for.
   * Errors: docs/errors.md, addressing, messages and delivery; INVALID_DID, SIGN_FAILED, REVOKED.
   *
   * @example
   * ```ts
   * const sent = await agent.send('writer', 'the sources are in')
   * if (!sent.ok && sent.error.retryable) console.log('later, then')
   * ```
   */
  send(to: Address, payload: unknown, options?: {
    /** Gives the message up. */
    signal?: AbortSignal;
  }): Promise<Result<DeliveryReceipt>>;
  /**
   * Drains the inbox, oldest first. With waitMs, waits for the first message at most so long.
   * Errors: AGENT_CLOSED, ABORTED, INVALID_CONFIG.
   *
   * @example
   * ```ts
   * const inbox = await agent.receive<string>({ max: 10, waitMs: 1000 })
   * if (inbox.ok) for (const { from, payload } of inbox.value) console.log(from, payload)
   * ```
   */
  receive<P = unknown>(options?: ReceiveOptions): Promise<Result<Message<P>[]>>;
  /**
   * The inbox, one message after the other, until the agent closes. Waiting for the next one alone keeps no process alive.
   *
   * @example
   * ```ts
   * for await (const { from, payload } of agent.messages<string>()) console.log(from, payload)
   * ```
   */
  messages<P = unknown>(): AsyncIterableIterator<Message<P>>;
  /**
   * Answers calls of one method. What the options leave out of its policy is that of the handler without a name. Where there is
   * neither, calls of a method are METHOD_NOT_FOUND. Null takes the method away.
   * Throws XBindError: INVALID_CONFIG (also a name that is none, or begins with xbind.), INVALID_DID, INVALID_KEY (a JWK set),
   * AGENT_CLOSED.
   *
   * @example
   * ```ts
   * agent.handle<{ topic: string }, string>('summarise', ({ payload }) => `about ${payload.topic}`, {
   *   description: 'Says in few words what a topic is about.',
   *   allow: [friend.did],
   * })
   * ```
   */
  handle<I = unknown, O = unknown>(method: string, handler: Handler<I, O | AsyncIterable<O>> | null, options?: MethodOptions<I, O>): this;
  /**
   * Answers all other calls; null sends those without a method to the inbox again, and leaves its policy to the methods unless
   * there are options. The options say who may call, and with which rights.
   * Throws XBindError: INVALID_DID, INVALID_CONFIG, INVALID_KEY (a JWK set), AGENT_CLOSED.
   *
   * @example
   * ```ts
   * agent.handle<{ topic: string }>(({ from, payload }) => ({ summary: payload.topic, askedBy: from }), {
   *   allow: [friend.did],
   * })
   * ```
   */
  handle<P = unknown, R = unknown>(handler: Handler<P, R> | null, options?: HandleOptions): this;
  /**
   * Grants scopes with this agent's key: a token that agents which trust this one's DID accept. See `issueToken`.
   * Errors: INVALID_DID, INVALID_CONFIG, AGENT_CLOSED, SIGN_FAILED (the key is with an identity provider).
   *
   * @example
   * ```ts
   * const token = await agent.grant({ subject: friend.did, audience: agent.getDID(), scopes: ['reports:write'] })
   * ```
   */
  grant(request: TokenRequest): Promise<Result<string>>;
  /**
   * Hands on a part of the rights in a token that was issued to this agent. See `delegateToken`.
   * Errors: INVALID_DELEGATION, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, INVALID_TOKEN, INVALID_DID, INVALID_CONFIG, AGENT_CLOSED,
   * SIGN_FAILED.
   *
   * @example
   * ```ts
   * const narrower = await agent.delegate(token, { subject: friend.did, scopes: ['reports:write'], ttlSeconds: 60 })
   * ```
   */
  delegate(token: string, request: Partial<TokenRequest> & {
    /** The DID that may use what is handed on. */
    subject: string;
  }): Promise<Result<string>>;
  /**
   * Signs a yes or no to one call of another agent. See `approveCall`, and `approvals` for doing so when asked over the bus.
   * Errors: INVALID_DID, INVALID_CONFIG, AGENT_CLOSED, SIGN_FAILED.
   *
   * @example
   * ```ts
   * const approval = await agent.decide({ decision: 'approve', call })
   * ```
   */
  decide(request: CallDecision): Promise<Result<string>>;
  /**
   * Registers its name within the domain of its operator, with its card, or says anew what it offers: at its own registry, or this one.
   * Errors: NAME_TAKEN, NOT_ALLOWED, REVOKED, REGISTRY_UNAVAILABLE, INVALID_NAME, INVALID_CONFIG, SIGN_FAILED, AGENT_CLOSED.
   *
   * @example
   * ```ts
   * const registered = await agent.register('https://authority.example') // as writer.example.com
   * ```
   */
  register(registryUrl?: RegistryAddress): Promise<Result<Registered>>;
  /**
   * A token of its authority: one that it got before while a fifth of its life is left, and asked for once for all who want it.
   * Errors: those of `register`, SCOPE_DENIED; of a user's token INVALID_TOKEN, TOKEN_EXPIRED, UNTRUSTED_ISSUER.
   *
   * @example
   * ```ts
   * const token = await agent.requestToken({ audience: 'api.example.com', scopes: ['read:payments'] })
   * ```
   */
  requestToken(request: TokenWish): Promise<Result<string>>;
  /**
   * The private key as PKCS#8 version 1 DER; with a passphrase encrypted, which another thread works on.
   * Errors: EXPORT_FAILED, AGENT_CLOSED (also if it is closed meanwhile).
   *
   * @example
   * ```ts
   * const exported = await agent.exportIdentity({ passphrase })
   * if (exported.ok) await writeFile('agent.key', exported.value, { mode: 0o600 })
   * ```
   */
  exportIdentity(options?: {
    /** Encrypts; without it the key stands there plainly. */
    passphrase?: string;
  }): Promise<Result<Uint8Array>>;
  /**
   * Leaves the bus: pending calls end with AGENT_CLOSED, the key is wiped. Idempotent. With `drainMs` no new calls come in
   * (callers get AGENT_CLOSED), handlers that run may end and are answered, and may still call others; when they have, or
   * after so many milliseconds, what is left is aborted. Rejects with INVALID_CONFIG.
   *
   * @example
   * ```ts
   * process.once('SIGTERM', () => agent.close({ drainMs: 10_000 }))
   * ```
   */
  close(): void;
  /** Closes when its handlers have ended; resolves then. */
  close(options: {
    /** How long they may take, in milliseconds. */
    drainMs: number;
  }): Promise<void>;
  /** The same as `close()`, for `using agent = …`. */
  [Symbol.dispose](): void;
  /** The same as `close({ drainMs: 5000 })`, for `await using agent = …`. */
  [Symbol.asyncDispose](): Promise<void>;
}
/** What an approver decides upon. */
export interface ApprovalRequest {
  /** The agent that was called and asks for the approval. Proven by its signature. */
  readonly agent: string;
  /** Who called it, as that agent says. */
  readonly caller: string;
  /** The method asked for, if the caller named one; it is signed for like the arguments. */
  readonly method: string | undefined;
  /** The very arguments of the call. */
  readonly payload: unknown;
  /** On whose behalf the caller acts, outermost first, as that agent says. */
  readonly chain: readonly string[];
}
/**
 * A handler for an approver: `operator.handle(approvals(operator, (request) => …))`. Each decision is signed for this caller,
 * this agent, this method and these arguments. Calls that ask for no approval go to `otherwise`. Arguments that could be read in
 * more than one way are neither shown nor signed: INVALID_PAYLOAD.
 *
 * @example
 * ```ts
 * agent.handle(approvals(agent, ({ payload }) => (payload as { amount: number }).amount < 1000))
 * ```
 */
export declare function approvals(approver: AutoGenxBindAgent, decide: (request: ApprovalRequest) => boolean | Promise<boolean>, otherwise?: AgentConfig["handler"]): Handler;
/** What is published about a call or message that this process makes. */
export interface CallSeen {
  /** The DID that calls. */
  readonly agent: string;
  /** The name or DID that is called. */
  readonly to: string;
  /** `send` for what is one-way, `stream` for what is answered in parts. */
  readonly kind: "call" | "send" | "stream";
  /** The method asked for. */
  readonly method: string | undefined;
  /** The W3C `traceparent` that travels with it. A subscriber of `start` may set it. */
  traceparent: string | undefined;
  /** When it ended well: true. */
  result?: true;
  /** When it failed: with the `code`. */
  error?: unknown;
}
/** What is published about a call that a handler of this process answers. */
export interface HandleSeen {
  /** The DID that is called. */
  readonly agent: string;
  /** The caller's DID, proven by its signature. */
  readonly from: string;
  /** The id of the call, unique for its caller. */
  readonly id: string;
  /** The method asked for. */
  readonly method: string | undefined;
  /** The W3C `traceparent` that came along, which proves nothing. */
  readonly traceparent: string | undefined;
  /** When the handler gave an answer: true. */
  result?: true;
  /** What the handler threw. */
  error?: unknown;
}
/** An Ed25519 key of the transit engine of a Vault or OpenBao server: see `vault`. */
export interface VaultKey {
  /** `https://vault.example:8200`; on this machine http as well. */
  readonly url: string;
  /** Its name there. */
  readonly key: string;
  /** A file with the token, read for each signature: whoever renews it replaces it. */
  readonly tokenFile: string;
  /** Which version it has to be, by its DID; the newest unless given. */
  readonly did?: string;
  /** Where the engine is mounted: `transit`. */
  readonly mount?: string;
  /** In which namespace. */
  readonly namespace?: string;
  /** A PEM file with certificates to trust beside the usual ones. */
  readonly caFile?: string;
  /** How long a signature may take: 5000, at most 30,000. */
  readonly timeoutMs?: number;
}
/** An Ed25519 key of a PKCS#11 module: see `pkcs11`. */
export interface PKCS11Key {
  /** The file of the module, which is loaded into this process. */
  readonly module: string;
  /** The label of the token. */
  readonly token?: string;
  /** Or the number of its slot. */
  readonly slot?: number;
  /** The label of the key. */
  readonly key?: string;
  /** Its id, in hex; with the label, or instead of it. */
  readonly id?: string;
  /** A file with the user's PIN. */
  readonly pinFile?: string;
  /** Or a variable of the environment with it. */
  readonly pinEnv?: string;
  /** Whose key it has to be. */
  readonly did?: string;
  /** How long a signature may take: 5000, at most 30,000. */
  readonly timeoutMs?: number;
}
/**
 * An identity provider whose key stays at a Vault or OpenBao server.
 * Errors: SIGN_FAILED (the key cannot be asked for), INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const kept = await vault({ url: 'https://vault.example:8200', key: 'writer', tokenFile: '/run/secrets/vault-token' })
 * if (kept.ok) new AutoGenxBindAgent({ name: 'writer', identityProvider: kept.value })
 * ```
 */
export declare function vault(key: VaultKey): Promise<Result<xBindIdentityProvider>>;
/**
 * An identity provider whose key stays in a security module, a smart card or SoftHSM.
 * Errors: SIGN_FAILED (the key cannot be asked for), INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const module = '/usr/lib/softhsm/libsofthsm2.so'
 * const kept = await pkcs11({ module, token: 'agents', key: 'writer', pinFile: '/run/secrets/pin' })
 * if (kept.ok) new AutoGenxBindAgent({ name: 'writer', identityProvider: kept.value })
 * ```
 */
export declare function pkcs11(key: PKCS11Key): Promise<Result<xBindIdentityProvider>>;

export {};
