/// <reference lib="esnext.disposable" preserve="true" />
import type { ApprovedCall, AuditOptions, CallDecision, FetchDocument, Identity, OnBehalfOf, Result, RevocationSource, RevocationSubject, TokenRequest, TokenVerifierOptions } from './index'
export type { ApprovedCall, CallDecision, FetchDocument, FetchLimits, RevocationSource, RevocationSubject, TokenRequest, TokenVerifierOptions, TrustedAuthority, TrustedIssuer } from './index'

/**
 * Whether who holds the scope `granted` holds `needed` too. A last segment `*` covers everything below: `invoice.*` covers
 * `invoice.read` and `invoice.read.lines`, but neither `invoice` itself nor `invoice:read`. Throws INVALID_CONFIG for a text
 * that is no scope: segments of letters, digits, `_` and `-`, parted by `:` or `.`, at most 128 bytes.
 */
export declare function covers(granted: string, needed: string): boolean;
/** What is known about revocation. Only `fresh` is an answer; `unchecked` says that nobody was to be asked. */
type Evidence = "fresh" | "unchecked" | "stale" | "absent" | "unreadable" | "unknown";
/** Where a token says that its status is published. */
export interface StatusRef {
  /** The place of the token in the list. */
  readonly index: number;
  /** Where the list is published. */
  readonly uri: string;
}
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
export declare class RevocationList implements RevocationSource {
  #private;
  /**
   * Room for 100 000 entries by default. With `audit` each revocation is on record, or not done: AUDIT_FAILED. Throws INVALID_CONFIG.
   */
  constructor(options?: AuditOptions & {
    /** At most 10 000 000. */
    maxEntries?: number;
  });
  /**
   * Revokes a token or a link of a delegation, and everything delegated from it. With `keepUntil`, the entry may be dropped
   * after that second: give the token's expiry and the verifiers' clock skew. Errors: INVALID_CONFIG if the list is full, or the id is no text (half
   * a surrogate pair), AUDIT_FAILED; then nothing was revoked.
   */
  revokeToken(tokenId: string, options?: {
    /** Seconds since the epoch; for ever by default. */
    keepUntil?: number;
  }): Result<void>;
  /**
   * Revokes whatever the DID issues or is granted, whenever: a thief of its key writes what time of issue he likes. With
   * `issuedUntil` only what was issued up to that second, so that rights can be granted anew to a key that is not in doubt.
   * The later of two calls' times holds. Errors: INVALID_DID, INVALID_CONFIG if the list is full, AUDIT_FAILED; then
   * nothing was revoked.
   */
  revokeDID(did: string, options?: {
    /** Seconds since the epoch. */
    issuedUntil?: number;
  }): Result<void>;
  /**
   * Takes the revocation of a DID back, as after a suspension; tells whether there was one. Tokens stay revoked.
   * Throws AUDIT_FAILED; then it stays revoked.
   */
  reinstate(did: string): boolean;
  /** Whether the token, link or DID stands on this list. */
  isRevoked(subject: RevocationSubject): boolean;
  /** Drops the entries that need not be kept any longer. `now` is in seconds since the epoch. */
  purge(options?: {
    /** The system clock by default. */
    now?: number;
  }): void;
  /** How many tokens and DIDs it holds. */
  get size(): number;
}
/** What a verified token says. Frozen, with everything in it. */
export interface TokenClaims {
  /** Who vouches for the rights: a trusted DID, or the name of a trusted issuer. */
  readonly issuer: string;
  /** Who may use them; of an exchanged token who acts, not the one on whose behalf. */
  readonly subject: string;
  /** Where they may be used, as the issuer wrote it. */
  readonly audience: string;
  /** What is granted: no more than every link of the chain grants. */
  readonly scopes: readonly string[];
  /**
   * Limits by their names, where anybody in the chain set one: of each name the smallest. What a name means is for the
   * recipient to say.
   */
  readonly quota?: Readonly<Record<string, number>>;
  /** Unique for the issuer of the last link. */
  readonly id: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** From the outermost delegator to the subject, DIDs. */
  readonly chain: readonly string[];
  /** For whom the first subject acts; the issuer's word. */
  readonly onBehalfOf?: OnBehalfOf;
  /** The first issuer's further claims. */
  readonly claims: Readonly<Record<string, unknown>>;
  /**
   * What the answer about revocation rests on: `fresh` if everyone who was to be asked answered, `unchecked` if the verifier
   * has no sources and the token names no status list. Anything else only with `dangerouslyAcceptUnknownRevocation`.
   */
  readonly revocation: Evidence;
}
/**
 * Grants scopes, offline, with the issuer's own key: an EdDSA JWT of type at+jwt (RFC 9068).
 * Errors: INVALID_DID (the subject), INVALID_CONFIG (anything out of its bounds), SIGN_FAILED (destroyed), AUDIT_FAILED.
 *
 * @example
 * ```ts
 * const issued = issueToken(identity, { subject: friend.did, audience: 'https://billing.example', scopes: ['invoice.*'] })
 * ```
 */
export declare function issueToken(issuer: Identity, request: TokenRequest, options?: AuditOptions): Result<string>;
/**
 * Hands narrower rights on, offline: an EdDSA JWT of type agent-deleg+jwt that carries its parent. What is left out is the
 * parent's; nothing wider is ever cut down to fit. A token that no verifier could accept, whoever it trusts, is refused.
 * Errors: INVALID_DELEGATION (wider than the token, not the holder's, too deep, a link not by its issuer), TOKEN_EXPIRED,
 * TOKEN_NOT_YET_VALID, INVALID_TOKEN, INVALID_DID, INVALID_CONFIG, SIGN_FAILED, AUDIT_FAILED.
 *
 * @example
 * ```ts
 * const narrower = delegateToken(friend, token, { subject: agent.getDID(), scopes: ['invoice.read'], ttlSeconds: 60 })
 * ```
 */
export declare function delegateToken(holder: Identity, token: string, request: Partial<TokenRequest> & {
  /** The DID that may use what is handed on. */
  subject: string;
}, options?: AuditOptions): Result<string>;
/** What one presentation of a token must satisfy. */
export interface TokenDemands {
  /** What it must grant, all of it. */
  scopes?: readonly string[];
  /** Who presents it, proven by other means: it must be the subject. Without, a token that is bound to no key is taken from anybody. */
  presenter?: string;
}
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
export declare class TokenVerifier {
  #private;
  /** Throws INVALID_DID, INVALID_KEY (a JWK set), INVALID_CONFIG. */
  constructor(options: TokenVerifierOptions);
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
  verify(token: string, options?: TokenDemands): Promise<Result<TokenClaims>>;
  /**
   * The same without waiting: an issuer whose keys are not in memory answers UNTRUSTED_ISSUER, a source that needs time does not
   * know. Where `verify` has asked an authority before, it is asked again in the background.
   */
  verifySync(token: string, options?: TokenDemands): Result<TokenClaims>;
}
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
    /** How many tokens it has room for, at least. */ size: number;
    /** Of each token; default 1. */ bits?: 1 | 2 | 4 | 8;
  });
  /** A list that was signed before, to go on with it. Errors: INVALID_TOKEN, INVALID_DID. */
  static read(jws: string, options: {
    /** Where it was published. */
    uri: string;
    /** The DID that signed it. */
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
    /** Where it will be published, as the tokens name it. */
    uri: string;
    /** How long it may be relied upon, default 3600. */
    lifetimeSeconds?: number;
    /** How long a copy may be kept; by default as long as it may be relied upon. */
    ttlSeconds?: number;
    /** Seconds since the epoch, for tests. */
    now?: number;
  }): Result<string>;
}
/** Where status lists may come from, and how long each is relied upon. */
export interface StatusListSourceOptions {
  /** How long a list is relied upon after it was signed, whatever it says itself; default 86 400. */
  maxAgeSeconds?: number;
  /** How old a copy may be before the next is asked for; default 300, 30 to 86 400. While none comes, the old one serves its time. */
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
  /** A list is at hand that may be relied upon now. */
  readonly evidence: "fresh";
  /** What it says: 0 is valid. */
  readonly status: number;
} | {
  /** Why nothing is known: the list is too old, not there, or has no such place. */
  readonly evidence: "stale" | "absent" | "unreadable";
};
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
    /** As its tokens name it in `iss`. */ issuer: string;
    /** Its public keys. */ jwks: {
      /** JWKs (RFC 7517). */
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
  /** When both keys signed it. */
  readonly issuedAt: number;
  /** From when on the new key may sign. */
  readonly activeFrom: number;
  /** How long the old key may sign beside the new one from then on. 0 is an emergency: the old key is not to be trusted. */
  readonly overlapSeconds: number;
}
/** When the next key begins, and how long the old one may sign beside it. */
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
 * Errors: INVALID_CONFIG (anything out of its bounds, or one key twice), SIGN_FAILED (destroyed), AUDIT_FAILED.
 *
 * @example
 * ```ts
 * const statement = signRotation(identity, friend, { overlapSeconds: 3600 })
 * ```
 */
export declare function signRotation(old: Identity, next: Identity, request?: RotationRequest, options?: AuditOptions): Result<string>;
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
 *
 * @example
 * ```ts
 * const history = new KeyHistory(identity.did)
 * const taken = history.prepare(statement)
 * console.log(history.current(), history.maySign(identity.did))
 * ```
 */
export declare class KeyHistory {
  #private;
  /** The DID of the first key. */
  readonly name: string;
  /**
   * The history of an agent whose first key is in use since `activeFrom`, default 0. With `audit` what it takes in and what its
   * holder decides is on record, or not done: AUDIT_FAILED.
   * Throws INVALID_DID, INVALID_CONFIG.
   */
  constructor(did: string, options?: AuditOptions & {
    /** Seconds since the epoch. */
    activeFrom?: number;
  });
  /**
   * Verifies a rotation and takes it in: the successor becomes active when the rotation says. Errors: INVALID_TOKEN;
   * TOKEN_NOT_YET_VALID if it is dated more than 30 s after `now`; INVALID_DELEGATION if the old key is not the latest, had
   * no right to sign then, or has chosen another successor before, if the new key was used before, or after 64 keys;
   * AUDIT_FAILED.
   */
  prepare(statement: string, options?: {
    /** In seconds since the epoch; the system clock's by default. */
    now?: number;
  }): Result<Rotation>;
  /**
   * Brings the start of a prepared key forward, as when the one before it was lost. Tells whether anything has changed: not
   * for a later start, nor for a key that is not known or was revoked. Throws AUDIT_FAILED.
   */
  activate(did: string, options?: {
    /** Now by default. */
    from?: number;
  }): boolean;
  /**
   * Marks a key as doubtful from some time on: what it signed before stands. The earliest of several such times holds. Tells whether
   * anything has changed. Throws AUDIT_FAILED.
   */
  taint(did: string, options?: {
    /** Now by default. */
    from?: number;
  }): boolean;
  /** Takes a key back: nothing that it signed stands, whenever. Tells whether anything has changed. Throws AUDIT_FAILED. */
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
/** A decision that is genuine, in time, and about the very call that it was held against. */
export interface Approval {
  /** `approve` or `deny`. */
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
 * approver who is the caller), INVALID_DID, SIGN_FAILED, AUDIT_FAILED.
 *
 * @example
 * ```ts
 * const statement = approveCall(identity, { decision: 'approve', call })
 * ```
 */
export declare function approveCall(approver: Identity, request: CallDecision, options?: AuditOptions): Result<string>;
/**
 * Verifies a decision about a call by one of these approvers, DIDs. A no verifies too: look at `decision`.
 * Errors: INVALID_TOKEN (no approval, or about another caller), UNTRUSTED_ISSUER (by none of these, or by the caller),
 * WRONG_AUDIENCE (another recipient), TOKEN_NOT_YET_VALID, TOKEN_EXPIRED, INVALID_SIGNATURE (another body), INVALID_DID,
 * INVALID_CONFIG (a time). Throws INVALID_CONFIG for a skew of more than 300 s.
 */
export declare function verifyApproval(statement: string, options: {
  /** The call that is about to run. */
  call: ApprovedCall;
  /** DIDs whose word counts. */
  approvers: readonly string[];
  /** Seconds since the epoch; the system clock by default. */
  now?: number;
  /** Default 30, at most 300. */
  clockSkewSeconds?: number;
}): Result<Approval>;

export {
  Evidence as RevocationEvidence,
};

export {};
