/// <reference lib="esnext.disposable" preserve="true" />
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
export interface StatusRef {
  readonly index: number;
  readonly uri: string;
}
type Evidence = "fresh" | "unchecked" | "stale" | "absent" | "unreadable" | "unknown";
/** Stable for ever: codes are added, never renamed. Each has a heading in docs/errors.md. */
export type XBindErrorCode = "INVALID_DID" | "INVALID_KEY" | "IMPORT_FAILED" | "EXPORT_FAILED" | "WRONG_PASSPHRASE" | "SIGN_FAILED" | "INVALID_NAME" | "AGENT_NOT_FOUND" | "AMBIGUOUS_NAME" | "AGENT_CLOSED" | "INVALID_PAYLOAD" | "PAYLOAD_TOO_LARGE" | "MALFORMED_MESSAGE" | "INVALID_SIGNATURE" | "WRONG_AUDIENCE" | "MESSAGE_EXPIRED" | "MESSAGE_NOT_YET_VALID" | "REPLAYED" | "REPLAY_WINDOW_FULL" | "REPLY_MISMATCH" | "TIMEOUT" | "ABORTED" | "INBOX_FULL" | "NOT_ALLOWED" | "HANDLER_FAILED" | "INVALID_TOKEN" | "TOKEN_EXPIRED" | "TOKEN_NOT_YET_VALID" | "UNTRUSTED_ISSUER" | "SCOPE_DENIED" | "INVALID_DELEGATION" | "REVOKED" | "REVOCATION_UNKNOWN" | "APPROVAL_REQUIRED" | "APPROVAL_REFUSED" | "APPROVAL_TIMEOUT" | "REGISTRY_UNAVAILABLE" | "NAME_TAKEN" | "INVALID_CONFIG" | "INTERNAL";
/** What the other agent's handler chose to tell, by throwing a `HandlerError`. */
export interface RemoteError {
  readonly code: string;
  readonly message: string;
  readonly data?: unknown;
}
/**
 * The error of every failed `Result`. Recognised across realms and copies of this package:
 * `error instanceof XBindError` tests a brand, not a prototype.
 */
export declare class XBindError extends Error {
  readonly name: "XBindError";
  readonly code: XBindErrorCode;
  /** What to do about it, in one sentence; never holds key material or payload. */
  readonly hint: string | undefined;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** Id of the message concerned, for the log and the audit trail. */
  readonly messageId: string | undefined;
  /** With HANDLER_FAILED: what the other agent's handler chose to tell. */
  readonly remote: RemoteError | undefined;
  static [Symbol.hasInstance](value: unknown): boolean;
}
/** Thrown by a handler to tell the caller something. Any other thrown value stays on the handler's side. */
export declare class HandlerError extends Error {
  readonly name: "HandlerError";
  readonly code: string;
  readonly data: unknown;
  constructor(code: string, message: string, options?: {
    data?: unknown;
    cause?: unknown;
  });
  static [Symbol.hasInstance](value: unknown): boolean;
}
/** What every function returns that can fail because of its input or of the outside world. */
export type Result<T, E = XBindError> = {
  readonly ok: true;
  readonly value: T;
} | {
  readonly ok: false;
  readonly error: E;
};
/** What is asked about: a token or a link of a delegation by its id, or somebody in it by DID. */
export interface RevocationSubject {
  readonly tokenId?: string;
  readonly did?: string;
  /** When the token or link was issued, in seconds since the epoch. */
  readonly issuedAt: number;
  /** With tokenId: who issued it. */
  readonly issuer?: string;
  /** With tokenId: where its issuer publishes whether it still stands. */
  readonly status?: {
    readonly index: number;
    readonly uri: string;
  };
}
/** Knows what was revoked. Whoever throws, rejects or answers anything but a boolean does not know, and refuses the token. */
export interface RevocationSource {
  isRevoked(subject: RevocationSubject): boolean | Promise<boolean>;
}
/**
 * Revoked tokens and DIDs in this process, bounded. A chain of delegations falls with any of its links: by the link's id, or
 * by the DID of anybody in it. What is revoked is revoked for every verifier that has the list, from the next token on.
 */
export declare class RevocationList implements RevocationSource {
  #private;
  /** Room for 100 000 entries by default. Throws INVALID_CONFIG. */
  constructor(options?: {
    maxEntries?: number;
  });
  /**
   * Revokes a token or a link of a delegation, and everything delegated from it. With `keepUntil`, the entry may be dropped
   * after that second: give the token's expiry and the verifiers' clock skew. Errors: INVALID_CONFIG if the list is full;
   * then nothing was revoked.
   */
  revokeToken(tokenId: string, options?: {
    keepUntil?: number;
  }): Result<void>;
  /**
   * Revokes whatever the DID issues or is granted, whenever: a thief of its key writes what time of issue he likes. With
   * `issuedUntil` only what was issued up to that second, so that rights can be granted anew to a key that is not in doubt.
   * The later of two calls' times holds. Errors: INVALID_DID, INVALID_CONFIG if the list is full; then nothing was revoked.
   */
  revokeDID(did: string, options?: {
    issuedUntil?: number;
  }): Result<void>;
  /** Takes the revocation of a DID back, as after a suspension; tells whether there was one. Tokens stay revoked. */
  reinstate(did: string): boolean;
  isRevoked(subject: RevocationSubject): boolean;
  /** Drops the entries that need not be kept any longer. `now` is in seconds since the epoch. */
  purge(options?: {
    now?: number;
  }): void;
  /** How many tokens and DIDs it holds. */
  get size(): number;
}
export interface OutgoingMessage {
  op: "call" | "send" | "result" | "error";
  /** The recipient's DID. */
  to: string;
  body: Uint8Array;
  /** Default application/json. */
  contentType?: string;
  /** Default 30, at most 300. */
  ttlSeconds?: number;
  /** A token to present; it travels beside the message and its digest is signed. */
  token?: string;
  /** Required for result and error: the call being answered. */
  inReplyTo?: SealedMessage | VerifiedMessage;
  /** Seconds since the epoch, for tests and replays of recorded traffic. */
  now?: number;
}
export interface SealedMessage {
  readonly jws: string;
  readonly body: Uint8Array;
  readonly token: string | undefined;
  readonly id: string;
}
export interface VerifiedMessage {
  readonly id: string;
  readonly op: "call" | "send" | "result" | "error";
  /** Proven by the signature. */
  readonly from: string;
  readonly to: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  readonly inReplyTo: string | undefined;
  readonly jws: string;
}
export interface MessageVerifierOptions {
  /** The DID whose messages are opened. */
  audience: string;
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number;
  /** Default 30. */
  clockSkewSeconds?: number;
  /** Default 300, which is also the most. */
  maxLifetimeSeconds?: number;
  /** Default 1 MiB. */
  maxBodyBytes?: number;
  /** Bound of the replay window, 1 000 000 by default; when full, messages are refused with REPLAY_WINDOW_FULL, nothing is forgotten. */
  maxTrackedMessages?: number;
  /**
   * Calls this side has made, so that a result or error can be matched; without it they are refused. It is asked about every
   * reply that is genuine, before the reply takes a place in the replay window: what it throws, `open` throws, and the same
   * reply can be opened again. So it looks a call up and changes nothing; whoever keeps a list takes the call off it when
   * `open` has returned the reply.
   */
  pending?: (callId: string) => SealedMessage | undefined;
  /** DIDs whose messages are taken; of all others nothing is remembered, and they get NOT_ALLOWED. Everybody by default. */
  allow?: readonly string[];
  /**
   * Asked about every sender, by `did` and `issuedAt`, before anything of the message is remembered. One that throws, or
   * answers anything but a boolean (a promise too), does not know: REVOCATION_UNKNOWN. None by default.
   */
  revocations?: RevocationSource | readonly RevocationSource[];
}
/** Verifies messages addressed to one DID, and remembers what it has accepted so that nothing is accepted twice. */
export declare class MessageVerifier {
  #private;
  /** Throws INVALID_DID, INVALID_CONFIG. */
  constructor(options: MessageVerifierOptions);
  /**
   * Opens one message: all checks of docs/wire-format.md, in that order. Throws what `now` and `pending` throw.
   * Errors: MALFORMED_MESSAGE, PAYLOAD_TOO_LARGE, WRONG_AUDIENCE, MESSAGE_EXPIRED, MESSAGE_NOT_YET_VALID,
   * INVALID_SIGNATURE, NOT_ALLOWED, REVOKED, REVOCATION_UNKNOWN, REPLY_MISMATCH, REPLAYED, REPLAY_WINDOW_FULL.
   */
  open(jws: string, body: Uint8Array, token?: string): Result<VerifiedMessage>;
}
export interface DIDDocument {
  readonly "@context": string[];
  readonly id: string;
  readonly [member: string]: unknown;
}
/** The public key of an identity as a JSON Web Key (RFC 8037). */
export interface PublicJWK {
  kty: "OKP";
  crv: "Ed25519";
  x: string;
  kid: string;
  alg: "EdDSA";
  use: "sig";
}
/** An Ed25519 key (RFC 8032) and its `did:key`. The private key stays in native memory. */
export declare class Identity {
  #private;
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
    passphrase?: string;
  }): Result<Identity>;
  /** The same; a passphrase is worked on by another thread. Errors: IMPORT_FAILED, WRONG_PASSPHRASE. */
  static fromPKCS8Async(pkcs8: Uint8Array | string, options?: {
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
    passphrase?: string;
    format?: "der";
  }): Result<Uint8Array>;
  toPKCS8(options: {
    passphrase?: string;
    format: "pem";
  }): Result<string>;
  /** The same; a passphrase is worked on by another thread. Errors: EXPORT_FAILED, also if it is destroyed meanwhile. */
  toPKCS8Async(options?: {
    passphrase?: string;
    format?: "der";
  }): Promise<Result<Uint8Array>>;
  toPKCS8Async(options: {
    passphrase?: string;
    format: "pem";
  }): Promise<Result<string>>;
  /** The public key as a JWK (RFC 8037). */
  toJWK(): PublicJWK;
  /** The document that `did:key` derives from the DID. */
  toDIDDocument(): DIDDocument;
  /**
   * Builds and signs one message; the body travels beside the JWS (docs/wire-format.md).
   * Errors: INVALID_DID, WRONG_AUDIENCE (to oneself), MALFORMED_MESSAGE (an option out of bounds), SIGN_FAILED (destroyed).
   */
  seal(message: OutgoingMessage): Result<SealedMessage>;
  /** Wipes the key; the identity is unusable afterwards. */
  destroy(): void;
  [Symbol.dispose](): void;
}
/** The 32 bytes of an Ed25519 `did:key`. Errors: INVALID_DID. */
export declare function didToPublicKey(did: string): Result<Uint8Array>;
/** The `did:key` of a 32-byte Ed25519 public key. Errors: INVALID_KEY. */
export declare function publicKeyToDID(publicKey: Uint8Array): Result<string>;
/** Strict Ed25519 verification: false for a wrong signature; INVALID_DID only for an unusable DID. */
export declare function verifySignature(did: string, data: Uint8Array, signature: Uint8Array): Result<boolean>;
/** The call that is decided upon: these two, and these very bytes. */
export interface ApprovedCall {
  /** The DID that makes it. */
  caller: string;
  /** The DID that is asked. */
  recipient: string;
  body: Uint8Array;
  /** Default application/json. */
  contentType?: string;
}
export interface CallDecision {
  decision: "approve" | "deny";
  call: ApprovedCall;
  /** Default 300, at most 3600. */
  ttlSeconds?: number;
  /** Seconds since the epoch, for tests. */
  now?: number;
}
/** A decision that is genuine, in time, and about the very call that it was held against. */
export interface Approval {
  readonly decision: "approve" | "deny";
  /** Who decided, proven by the signature. */
  readonly approver: string;
  /** Unique for its approver: an approval is for one call, which whoever relies on it has to see to. */
  readonly id: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
}
/**
 * Signs a yes or no to one call: a JWT of type agent-approval+jwt. Errors: INVALID_CONFIG (anything out of its bounds, or an
 * approver who is the caller), INVALID_DID, SIGN_FAILED.
 */
export declare function approveCall(approver: Identity, request: CallDecision): Result<string>;
/**
 * Verifies a decision about a call by one of these approvers, DIDs. A no verifies too: look at `decision`.
 * Errors: INVALID_TOKEN (no approval, or about another caller), UNTRUSTED_ISSUER (by none of these, or by the caller),
 * WRONG_AUDIENCE (another recipient), TOKEN_NOT_YET_VALID, TOKEN_EXPIRED, INVALID_SIGNATURE (another body), INVALID_DID,
 * INVALID_CONFIG (a time). Throws INVALID_CONFIG for a skew of more than 300 s.
 */
export declare function verifyApproval(statement: string, options: {
  call: ApprovedCall;
  approvers: readonly string[];
  now?: number;
  clockSkewSeconds?: number;
}): Result<Approval>;
/** An in-process bus. The default one belongs to the module instance, so test files do not see each other. */
export declare class MessageBus {
  #private;
  /** The bus of that name in this process, shared by its worker threads. Throws INVALID_NAME. */
  static shared(name: string): MessageBus;
  /** Who is here, in the order in which they came. */
  agents(): {
    readonly did: string;
    readonly name: string | undefined;
  }[];
  /**
   * Stops an identity here, at once and for good: its queued and running calls, and those to it, end with REVOKED, handlers
   * that work on them see their signal abort, and it can neither call nor be called any more. Errors: INVALID_DID.
   */
  stop(did: string): Result<void>;
  /** Closes the bus and every agent on it, also those of other threads. */
  close(): void;
}
export type Logger = Pick<Console, "debug" | "info" | "warn" | "error">;
export interface DeliveryReceipt {
  readonly status: "delivered";
  readonly messageId: string;
  readonly to: string;
}
/** A call that a handler answers. */
export interface IncomingCall<P = unknown> {
  readonly id: string;
  /** The caller's DID, proven by its signature. */
  readonly from: string;
  readonly payload: P;
  readonly issuedAt: Date;
  /** Aborts when the caller gives up, the deadline passes or the agent closes. */
  readonly signal: AbortSignal;
  /** What the caller's token grants; empty for a handler that trusts nobody's tokens. */
  readonly scopes: readonly string[];
  /** On whose behalf the caller acts: from the outermost delegator to the caller, DIDs; empty without a token. */
  readonly chain: readonly string[];
}
/** What a verified token says. Frozen, with everything in it. */
export interface TokenClaims {
  /** Who vouches for the rights: a trusted DID, or the name of a trusted issuer. */
  readonly issuer: string;
  /** Who may use them. */
  readonly subject: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  /** Unique for the issuer of the last link. */
  readonly id: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** From the outermost delegator to the subject, DIDs. */
  readonly chain: readonly string[];
  /** The first issuer's further claims. */
  readonly claims: Readonly<Record<string, unknown>>;
  /**
   * What the answer about revocation rests on: `fresh` if everyone who was to be asked answered, `unchecked` if the verifier
   * has no sources and the token names no status list. Anything else only with `dangerouslyAcceptUnknownRevocation`.
   */
  readonly revocation: Evidence;
}
export interface TokenRequest {
  /** The DID that may use the token. */
  subject: string;
  /** Where it may be used: a DID or a URI, compared exactly. */
  audience: string;
  /** What it grants, at most 64; none grants nothing. */
  scopes: readonly string[];
  /** Default 3600, at most 86 400. */
  ttlSeconds?: number;
  /** Further claims, plain data: none that the format names itself. */
  claims?: Record<string, unknown>;
  /** Where the issuer publishes whether the token still stands (`StatusList`). */
  status?: {
    readonly index: number;
    readonly uri: string;
  };
  /** Seconds since the epoch, for tests. */
  now?: number;
}
/**
 * Grants scopes, offline, with the issuer's own key: an EdDSA JWT of type at+jwt (RFC 9068).
 * Errors: INVALID_DID (the subject), INVALID_CONFIG (anything out of its bounds), SIGN_FAILED (destroyed).
 */
export declare function issueToken(issuer: Identity, request: TokenRequest): Result<string>;
/**
 * Hands narrower rights on, offline: an EdDSA JWT of type agent-deleg+jwt that carries its parent. What is left out is the
 * parent's; nothing wider is ever cut down to fit. A token that no verifier could accept, whoever it trusts, is refused.
 * Errors: INVALID_DELEGATION (wider than the token, not the holder's, too deep, a link not by its issuer), TOKEN_EXPIRED,
 * TOKEN_NOT_YET_VALID, INVALID_TOKEN, INVALID_DID, INVALID_CONFIG, SIGN_FAILED.
 */
export declare function delegateToken(holder: Identity, token: string, request: Partial<TokenRequest> & {
  subject: string;
}): Result<string>;
export interface AgentConfig {
  /** A label, and an address on the bus: letters, digits, '.', '_', '-', 1 to 64, first and last a letter or digit. */
  name?: string;
  agentOptions?: AgentOptions;
  /** One line per message to stderr (or `logger`), DIDs shortened, never a payload or a key. */
  verbose?: boolean;
  logger?: Logger;
  /** A key that is not the agent's own. An `Identity` stays its owner's: the agent can sign until it is destroyed. */
  identityProvider?: xBindIdentityProvider | Identity;
}
export interface AgentOptions {
  /** Where the agent lives; the module's own bus by default. */
  bus?: MessageBus;
  /** Of a call, default 30 000. */
  timeoutMs?: number;
  /** Default 5 in process; at most 300. */
  messageTtlSeconds?: number;
  /** Default 1 MiB. */
  maxPayloadBytes?: number;
  /** Default 1024 messages and 16 MiB. */
  inbox?: {
    maxMessages?: number;
    maxBytes?: number;
  };
  /** Calls handled at once; more wait, up to the inbox bound. Default 64. */
  concurrency?: number;
}
/** Keys that live elsewhere: a KMS, Vault transit, an HSM, the OS keychain. */
export interface xBindIdentityProvider {
  getDID(): string;
  /** 64-byte Ed25519 signature by the key of getDID(); checked before anything leaves. */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Absent: exportIdentity() answers EXPORT_FAILED. */
  exportPKCS8?(): Uint8Array | Promise<Uint8Array>;
}
export type Handler<P = unknown, R = unknown> = (call: IncomingCall<P>) => R | Promise<R>;
export interface Message<P = unknown> {
  readonly id: string;
  readonly kind: "message" | "call";
  /** The sender's DID, proven by its signature. */
  readonly from: string;
  readonly payload: P;
  readonly issuedAt: Date;
}
export interface CallOptions {
  timeoutMs?: number;
  signal?: AbortSignal;
  /** A token for the agent that is called; it travels beside the call, whose signature covers it. */
  token?: string;
  /** An approval of this very call, signed by an approver. */
  approval?: string;
}
/** An agent with a cryptographic identity: calls other agents by name or DID, every message signed and verified. */
export declare class AutoGenxBindAgent {
  #private;
  readonly name: string | undefined;
  /**
   * Generates an identity unless a provider brings one, and joins the bus.
   * Throws XBindError: INVALID_NAME, INVALID_CONFIG, INVALID_DID (of a provider), AGENT_CLOSED (the bus is closed).
   */
  constructor(config?: AgentConfig);
  /**
   * An agent with an exported identity: PKCS#8, DER or PEM, plain or encrypted.
   * Errors: IMPORT_FAILED, WRONG_PASSPHRASE, and those of the constructor.
   */
  static fromIdentity(pkcs8: Uint8Array | string, config?: Omit<AgentConfig, "identityProvider"> & {
    passphrase?: string;
  }): Promise<Result<AutoGenxBindAgent>>;
  getDID(): string;
  /**
   * Asks another agent, by name or DID. The request and the reply are signed, and both are verified.
   * An agent without a handler gets the call in its inbox and answers with a signed DeliveryReceipt.
   * Errors: docs/errors.md, addressing, message and delivery.
   */
  call<T = unknown>(agentName: string, payload: unknown, options?: CallOptions): Promise<Result<T>>;
  /**
   * One-way; resolves when the message stands in the recipient's inbox, which the recipient has signed for.
   * Errors: docs/errors.md, addressing, message and delivery.
   */
  send(to: string, payload: unknown, options?: {
    signal?: AbortSignal;
  }): Promise<Result<DeliveryReceipt>>;
  /**
   * Drains the inbox, oldest first. With waitMs, waits for the first message at most so long.
   * Errors: AGENT_CLOSED, ABORTED.
   */
  receive<P = unknown>(options?: {
    max?: number;
    waitMs?: number;
    signal?: AbortSignal;
  }): Promise<Result<Message<P>[]>>;
  /** `for await (const message of agent.messages())`, until the agent closes. */
  messages<P = unknown>(): AsyncIterableIterator<Message<P>>;
  /**
   * Answers calls; null sends them to the inbox again. The options say who may call, and with which rights.
   * Throws XBindError: INVALID_DID, INVALID_CONFIG, AGENT_CLOSED.
   */
  handle<P = unknown, R = unknown>(handler: Handler<P, R> | null, options?: HandleOptions): this;
  /**
   * Grants scopes with this agent's key: a token that agents which trust this one's DID accept. See `issueToken`.
   * Errors: INVALID_DID, INVALID_CONFIG, AGENT_CLOSED, SIGN_FAILED (the key is with an identity provider).
   */
  grant(request: TokenRequest): Promise<Result<string>>;
  /**
   * Hands on a part of the rights in a token that was issued to this agent. See `delegateToken`.
   * Errors: INVALID_DELEGATION, TOKEN_EXPIRED, INVALID_TOKEN, INVALID_DID, INVALID_CONFIG, AGENT_CLOSED, SIGN_FAILED.
   */
  delegate(token: string, request: Partial<TokenRequest> & {
    subject: string;
  }): Promise<Result<string>>;
  /**
   * Signs a yes or no to one call of another agent. See `approveCall`, and `approvals` for doing so when asked over the bus.
   * Errors: INVALID_DID, INVALID_CONFIG, AGENT_CLOSED, SIGN_FAILED.
   */
  decide(request: CallDecision): Promise<Result<string>>;
  /**
   * The private key as PKCS#8 version 1 DER; with a passphrase encrypted, which another thread works on.
   * Errors: EXPORT_FAILED, AGENT_CLOSED (also if it is closed meanwhile).
   */
  exportIdentity(options?: {
    passphrase?: string;
  }): Promise<Result<Uint8Array>>;
  /** Leaves the bus: pending calls end with AGENT_CLOSED, the key is wiped. Idempotent. */
  close(): void;
  [Symbol.dispose](): void;
}
/** What is asked about: a token or a link of a delegation by its id, or somebody in it by DID. */
export interface RevocationSubject {
  readonly tokenId?: string;
  readonly did?: string;
  /** When the token or link was issued, in seconds since the epoch. */
  readonly issuedAt: number;
  /** With tokenId: who issued it. */
  readonly issuer?: string;
  /** With tokenId: where its issuer publishes whether it still stands. */
  readonly status?: {
    readonly index: number;
    readonly uri: string;
  };
}
/** Knows what was revoked. Whoever throws, rejects or answers anything but a boolean does not know, and refuses the token. */
export interface RevocationSource {
  isRevoked(subject: RevocationSubject): boolean | Promise<boolean>;
}
/**
 * Revoked tokens and DIDs in this process, bounded. A chain of delegations falls with any of its links: by the link's id, or
 * by the DID of anybody in it. What is revoked is revoked for every verifier that has the list, from the next token on.
 */
export declare class RevocationList implements RevocationSource {
  #private;
  /** Room for 100 000 entries by default. Throws INVALID_CONFIG. */
  constructor(options?: {
    maxEntries?: number;
  });
  /**
   * Revokes a token or a link of a delegation, and everything delegated from it. With `keepUntil`, the entry may be dropped
   * after that second: give the token's expiry and the verifiers' clock skew. Errors: INVALID_CONFIG if the list is full;
   * then nothing was revoked.
   */
  revokeToken(tokenId: string, options?: {
    keepUntil?: number;
  }): Result<void>;
  /**
   * Revokes whatever the DID issues or is granted, whenever: a thief of its key writes what time of issue he likes. With
   * `issuedUntil` only what was issued up to that second, so that rights can be granted anew to a key that is not in doubt.
   * The later of two calls' times holds. Errors: INVALID_DID, INVALID_CONFIG if the list is full; then nothing was revoked.
   */
  revokeDID(did: string, options?: {
    issuedUntil?: number;
  }): Result<void>;
  /** Takes the revocation of a DID back, as after a suspension; tells whether there was one. Tokens stay revoked. */
  reinstate(did: string): boolean;
  isRevoked(subject: RevocationSubject): boolean;
  /** Drops the entries that need not be kept any longer. `now` is in seconds since the epoch. */
  purge(options?: {
    now?: number;
  }): void;
  /** How many tokens and DIDs it holds. */
  get size(): number;
}
/** An issuer that is known by an address, and its keys: a JWK set, or the https URL (on this machine, http) it is fetched from. */
export interface TrustedIssuer {
  /** Exactly as its tokens name it in `iss`. */
  issuer: string;
  jwks: {
    keys: readonly object[];
  } | string;
}
export interface TokenVerifierOptions {
  /** The recipient, exactly as tokens name it. */
  audience: string;
  /** DIDs whose tokens are accepted, and issuers known by their JWKS. */
  trust: readonly (string | TrustedIssuer)[];
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
/** What one presentation of a token must satisfy. */
export interface TokenDemands {
  /** What it must grant, all of it. */
  scopes?: readonly string[];
  /** Who presents it, proven by other means: it must be the subject. Without, the token is taken from anybody. */
  presenter?: string;
}
/** Verifies tokens and delegations for one audience, offline but for issuers whose keys or status lists are fetched. */
export declare class TokenVerifier {
  #private;
  /** Throws INVALID_DID, INVALID_KEY (a JWK set), INVALID_CONFIG. */
  constructor(options: TokenVerifierOptions);
  /**
   * Verifies a token or a delegation: the checks of docs/tokens.md, in that order. Fetches the keys of an issuer that is
   * trusted by the URL of its JWK set, and status lists.
   * Errors: INVALID_TOKEN, INVALID_DELEGATION, UNTRUSTED_ISSUER, WRONG_AUDIENCE, TOKEN_NOT_YET_VALID, TOKEN_EXPIRED,
   * SCOPE_DENIED, REVOKED, REVOCATION_UNKNOWN, INVALID_DID (the presenter), INVALID_CONFIG (a scope that is none).
   */
  verify(token: string, options?: TokenDemands): Promise<Result<TokenClaims>>;
  /** The same without I/O: an issuer whose keys are not in memory answers UNTRUSTED_ISSUER, a source that needs time does not know. */
  verifySync(token: string, options?: TokenDemands): Result<TokenClaims>;
}
/** Who may call a handler, and with which rights. */
export interface HandleOptions {
  /** DIDs, or a predicate over the proven DID; everyone by default. */
  allow?: readonly string[] | ((from: string) => boolean);
  /** Whose tokens are accepted: DIDs, and issuers with their JWKS. With it, a call must present a token for this agent. */
  trust?: TokenVerifierOptions["trust"];
  /** What the token must grant, all of it. */
  scopes?: readonly string[];
  /** Where it is asked whether a token, a link or a DID was revoked. */
  revocations?: TokenVerifierOptions["revocations"];
  /** Somebody signs each call, with its very arguments, before the handler runs. */
  approval?: ApprovalPolicy;
}
export interface ApprovalPolicy {
  /** DIDs whose approval counts. The first one is asked over the bus when a call brings none along. */
  by: string | readonly string[];
  /** Which calls need one; all by default. */
  when?: (call: {
    readonly from: string;
    readonly payload: unknown;
  }) => boolean;
  /** How long the approver may take, default 60 000. */
  timeoutMs?: number;
}
/** What an approver decides upon. */
export interface ApprovalRequest {
  /** The agent that was called and asks for the approval. Proven by its signature. */
  readonly agent: string;
  /** Who called it, as that agent says. */
  readonly caller: string;
  /** The very arguments of the call. */
  readonly payload: unknown;
  /** On whose behalf the caller acts, outermost first, as that agent says. */
  readonly chain: readonly string[];
}
/**
 * A handler for an approver: `operator.handle(approvals(operator, (request) => …))`. Each decision is signed for this caller,
 * this agent and these arguments. Calls that ask for no approval go to `otherwise`. Arguments that could be read in more than
 * one way are neither shown nor signed: INVALID_PAYLOAD.
 */
export declare function approvals(approver: AutoGenxBindAgent, decide: (request: ApprovalRequest) => boolean | Promise<boolean>, otherwise?: Handler): Handler;
/**
 * Whether who holds the scope `granted` holds `needed` too. A last segment `*` covers everything below: `invoice.*` covers
 * `invoice.read` and `invoice.read.lines`, but neither `invoice` itself nor `invoice:read`. Throws INVALID_CONFIG for a text
 * that is no scope: segments of letters, digits, `_` and `-`, parted by `:` or `.`, at most 128 bytes.
 */
export declare function covers(granted: string, needed: string): boolean;
/** The status of many tokens, for their issuer to publish (Token Status List, draft-ietf-oauth-status-list-18). */
export declare class StatusList {
  #private;
  /** The token stands. */
  static readonly VALID = 0;
  /** The token was revoked, for good. */
  static readonly INVALID = 1;
  /** The token is revoked for the time being; takes lists of 2 bits at least. */
  static readonly SUSPENDED = 2;
  /** A list of at least `size` tokens, all of them valid, of 1, 2, 4 or 8 bits each, default 1. Throws INVALID_CONFIG. */
  constructor(options: {
    size: number;
    bits?: 1 | 2 | 4 | 8;
  });
  /** A list that was signed before, to go on with it. Errors: INVALID_TOKEN, INVALID_DID. */
  static read(jws: string, options: {
    uri: string;
    issuer: string;
  }): Result<StatusList>;
  /** Errors: INVALID_CONFIG beyond the end, or for a status that the bits cannot hold. */
  set(index: number, status: number): Result<void>;
  /** The status at an index; undefined beyond the end. */
  get(index: number): number | undefined;
  /** How many tokens it has room for. */
  get size(): number;
  /** 1, 2, 4 or 8. */
  get bits(): number;
  /**
   * Signs the list for the address at which it is published: a JWT of type statuslist+jwt. It may be relied upon for
   * `lifetimeSeconds`, default 3600, and a copy kept for `ttlSeconds`, by default as long as that: between a revocation and
   * its being known everywhere lies that time at most. Errors: INVALID_CONFIG, SIGN_FAILED.
   */
  sign(issuer: Identity, options: {
    uri: string;
    lifetimeSeconds?: number;
    ttlSeconds?: number;
    now?: number;
  }): Result<string>;
}
export interface StatusListSourceOptions {
  /** How long a list is relied upon after it was signed, whatever it says itself; default 86 400. */
  maxAgeSeconds?: number;
  /** How old a copy may be before the next is asked for; default 300. While none comes, the old one serves its time. */
  refreshSeconds?: number;
  /**
   * Default 1000. Half of it is for issuers that a verifier with this source trusts, each an equal part; of the other half,
   * an issuer that none trusts has an eighth of all at most.
   */
  maxLists?: number;
  /** How much memory the lists may take, shared out in the same way; default 64 MiB, at least 1 MiB. */
  maxBytes?: number;
  /**
   * Where lists are fetched from, such as `https://status.example`. By default wherever a trusted issuer's own token points,
   * and nowhere for a link of a delegation, whose maker nobody here has chosen. What is listed may be in your own network;
   * tokens choose the path there.
   */
  origins?: readonly string[];
  /** Never fetches; lists come by `put` alone. */
  offline?: boolean;
  /** A client of your own, as behind a proxy. */
  fetch?: FetchDocument;
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number;
}
/** What a list says: its status for a token, or why it says nothing. Only fresh evidence decides. */
export type StatusEvidence = {
  readonly evidence: "fresh";
  readonly status: number;
} | {
  readonly evidence: "stale" | "absent" | "unreadable";
};
/**
 * Status lists of others, fetched when a token names them, or put in by hand. Given to a `TokenVerifier`, it answers for the
 * tokens with a `status` claim; without fresh evidence they are refused with REVOCATION_UNKNOWN.
 */
export declare class StatusListSource implements RevocationSource {
  #private;
  /** Throws INVALID_CONFIG. */
  constructor(options?: StatusListSourceOptions);
  /**
   * Takes a signed list in, as where nothing can be fetched. It speaks for the tokens of the DID that signed it, or with
   * `issuer` and `jwks` for those of that issuer. Of two lists of the same second both count. Errors: INVALID_TOKEN,
   * TOKEN_EXPIRED (older than the one at hand), TOKEN_NOT_YET_VALID (from the future, while another is at hand),
   * INVALID_KEY (the JWK set), INVALID_DID, INVALID_CONFIG (no room for it).
   */
  put(jws: string, by?: {
    issuer: string;
    jwks: {
      keys: readonly object[];
    };
  }): Result<void>;
  /** What is known here of a token by that issuer. Fetches nothing. */
  statusOf(issuer: string, status: StatusRef): StatusEvidence;
  /** Throws REVOCATION_UNKNOWN for a token with a status that no fresh list here answers for. */
  isRevoked(subject: RevocationSubject): boolean;
}
/** From one key to the next, as both of them signed it. Times in seconds since the epoch. */
export interface Rotation {
  /** The DID until now. */
  readonly old: string;
  /** The DID from now on. */
  readonly new: string;
  readonly issuedAt: number;
  /** From when on the new key may sign. */
  readonly activeFrom: number;
  /** How long the old key may sign beside the new one from then on. 0 is an emergency: the old key is not to be trusted. */
  readonly overlapSeconds: number;
}
export interface RotationRequest {
  /** By default at once; at most 30 days ahead. */
  activeFrom?: number;
  /** Default 86 400, at most 604 800. */
  overlapSeconds?: number;
  /** Seconds since the epoch, for tests. */
  now?: number;
}
/**
 * Signs with both keys that one follows the other: a JWS with two signatures (RFC 7515 section 7.2.1).
 * Errors: INVALID_CONFIG (anything out of its bounds, or one key twice), SIGN_FAILED (destroyed).
 */
export declare function signRotation(old: Identity, next: Identity, request?: RotationRequest): Result<string>;
/**
 * Verifies both signatures. Whether the old key had the right to choose its successor at that time is for a `KeyHistory` to
 * say. Errors: INVALID_TOKEN.
 */
export declare function verifyRotation(statement: string): Result<Rotation>;
/**
 * Where a key stands: announced (`prepared`), in use (`active`), in use beside its successor (`retiring`), replaced
 * (`retired`), doubtful from some time on (`tainted`), or taken back for all times (`revoked`).
 */
export type KeyState = "prepared" | "active" | "retiring" | "retired" | "tainted" | "revoked";
/**
 * The keys of one agent, from the first on; the first one's DID is the agent's lasting name. All who hold the same rotations
 * give the same answers: an earlier start, taint and revocation are the holder's own verdicts. Times are in seconds since
 * the epoch, by default the system clock's.
 */
export declare class KeyHistory {
  #private;
  /** The DID of the first key. */
  readonly name: string;
  /** The history of an agent whose first key is in use since `activeFrom`, default 0. Throws INVALID_DID, INVALID_CONFIG. */
  constructor(did: string, options?: {
    activeFrom?: number;
  });
  /**
   * Verifies a rotation and takes it in: the successor becomes active when the rotation says. Errors: INVALID_TOKEN;
   * TOKEN_NOT_YET_VALID if it is dated more than 30 s after `now`; INVALID_DELEGATION if the old key is not the latest, had
   * no right to sign then, or has chosen another successor before, if the new key was used before, or after 64 keys.
   */
  prepare(statement: string, options?: {
    now?: number;
  }): Result<Rotation>;
  /** Brings the start of a prepared key forward, as when the one before it was lost. Tells whether the key is known. */
  activate(did: string, options?: {
    from?: number;
  }): boolean;
  /** Marks a key as doubtful from some time on: what it signed before stands. Tells whether the key is known. */
  taint(did: string, options?: {
    from?: number;
  }): boolean;
  /** Takes a key back: nothing that it signed stands, whenever. Tells whether the key is known. */
  revoke(did: string): boolean;
  /** Where a key stands; undefined for a key that is not the agent's. */
  state(did: string, at?: number): KeyState | undefined;
  /** Whether a key may sign for the agent. */
  maySign(did: string, at?: number): boolean;
  /**
   * Whether something signed by that key at `signedAt` stands, asked at any later time. `signedAt` must come from a witness:
   * who holds a stolen key writes what time he likes.
   */
  verifies(did: string, signedAt: number): boolean;
  /** The newest key that may sign; undefined if none may. */
  current(at?: number): string | undefined;
}

export {
  Evidence as RevocationEvidence,
};

export {};
