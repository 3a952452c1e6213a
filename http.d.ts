/// <reference lib="esnext.disposable" preserve="true" />
import type { AuditOptions, AutoGenxBindAgent, Identity, MessageBus, OnBehalfOf, Result, RevocationSource, TokenVerifierOptions, XBindError } from './index'

import { IncomingMessage, ServerResponse } from 'node:http';
/** Header fields: a `Headers`, pairs of name and value, or an object. */
export type HttpHeaders = Iterable<readonly [
  string,
  string
]> | {
  /** A value, or one for each time that the field is there. */
  readonly [name: string]: string | readonly string[] | undefined;
};
/** A request as plain data, for clients and servers that are neither `fetch` nor `node:http`. */
export interface HttpRequest {
  /** `GET`, `POST`, … */
  readonly method: string;
  /** The absolute URL; of a request that came in, also the bare target of its request line, as it stands there. */
  readonly url: string;
  /** All of them, none joined: what a `Host` field says is believed where the URL names no host. */
  readonly headers?: HttpHeaders;
  /** The bytes as they travel, still compressed if they are. */
  readonly body?: Uint8Array;
}
/** A response as plain data. */
export interface HttpResponse {
  /** 100 to 599. */
  readonly status: number;
  /** All of them. */
  readonly headers?: HttpHeaders;
  /** The bytes as they travel. */
  readonly body?: Uint8Array;
}
/**
 * The rules of a signature: `xbind` names the key by its DID and covers method, authority, path, query, body and token; `wba`
 * and `wba-legacy` are Web Bot Auth in its newer and its older form (docs/http.md).
 */
export type SignatureProfile = "xbind" | "wba" | "wba-legacy";
/** How a request is signed. */
export interface RequestSigning {
  /** Default `xbind`. */
  profile?: SignatureProfile;
  /** A token to present: it goes into the field `Xbind-Token`, which is signed. */
  token?: string;
  /** The approval of this very request, by `approveRequest`: it goes into the field `Xbind-Approval`, which is signed. */
  approval?: string;
  /** Where the key is published: an https URL. Web Bot Auth only; `wba` must have it. */
  signatureAgent?: string;
  /** Default 60, at most 300. */
  ttlSeconds?: number;
  /** Seconds since the epoch, for tests. */
  now?: number;
}
/** How a response is signed. */
export interface ResponseSigning {
  /** Default 60, at most 300. */
  ttlSeconds?: number;
  /** Seconds since the epoch, for tests. */
  now?: number;
}
/**
 * A signed copy of a request (RFC 9421, Ed25519): its body is read, hashed and covered. Send the copy as it is; each is good
 * for one use, and follows no redirects. Errors: INVALID_CONFIG (an option out of bounds, signed already, another Content-Digest), INVALID_TOKEN (token or
 * approval without the form of one), MALFORMED_MESSAGE (what no verifier would read), SIGN_FAILED (destroyed; the agent's
 * identity provider failed), TIMEOUT (that one is slow), AGENT_CLOSED.
 *
 * @example
 * ```ts
 * const signed = await signRequest(identity, new Request('https://api.example/orders', { method: 'POST', body: '{}' }))
 * if (signed.ok) await fetch(signed.value)
 * ```
 */
export declare function signRequest(signer: Identity | AutoGenxBindAgent, request: Request, options?: RequestSigning): Promise<Result<Request>>;
/**
 * The header fields that make a request a signed one, for clients of any kind: set them, each in place of one of its name, and
 * send what was signed. Errors: as for `signRequest`; SIGN_FAILED where the key is with an identity provider, for which
 * `signRequest` waits.
 *
 * @example
 * ```ts
 * const signed = signRequestHeaders(identity, { method: 'GET', url: 'https://api.example/orders?open=1' })
 * if (signed.ok) console.log(signed.value['signature-input'])
 * ```
 */
export declare function signRequestHeaders(signer: Identity | AutoGenxBindAgent, request: HttpRequest, options?: RequestSigning): Result<Record<string, string>>;
/**
 * A signed copy of a response, bound to the request that it answers: it is a response to no other. The whole body is read.
 * Errors: INVALID_CONFIG, MALFORMED_MESSAGE (also for a request that is not signed in the profile xbind), SIGN_FAILED, TIMEOUT,
 * AGENT_CLOSED.
 */
export declare function signResponse(signer: Identity | AutoGenxBindAgent, response: Response, request: Request | IncomingMessage | HttpRequest, options?: ResponseSigning): Promise<Result<Response>>;
/** The header fields that make a response a signed one, for servers of any kind. Errors: as for `signRequestHeaders`. */
export declare function signResponseHeaders(signer: Identity | AutoGenxBindAgent, response: HttpResponse, request: Request | IncomingMessage | HttpRequest, options?: ResponseSigning): Result<Record<string, string>>;
/** What a signing `fetch` adds to each request. */
export interface FetchOptions {
  /** What sends; the global `fetch` by default. */
  fetch?: typeof fetch;
  /** A token to present, or who gives one for each request. */
  token?: string | (() => string | Promise<string>);
  /** The approval of the one request that this `fetch` is to send, by `approveRequest`. */
  approval?: string;
  /** Default `xbind`. */
  profile?: SignatureProfile;
  /** Where the key is published: an https URL. Web Bot Auth only. */
  signatureAgent?: string;
  /** Default 60, at most 300. */
  ttlSeconds?: number;
  /** The DID that must sign the responses, each for its request; anything else rejects. Their bodies are read whole. */
  responder?: string;
}
/**
 * A `fetch` that signs every request, for any library that takes one. It rejects with an `XBindError` what it cannot sign, and
 * follows no redirects: a signature is for one address. Bodies are read whole before they are sent. Each call is a signature of
 * its own: what tries again belongs around it, not into `fetch`. Throws TypeError.
 *
 * @example
 * ```ts
 * const signing = createFetch(identity, { token })
 * const response = await signing('https://api.example/orders', { method: 'POST', body: '{}' })
 * ```
 */
export declare function createFetch(signer: Identity | AutoGenxBindAgent, options?: FetchOptions): typeof fetch;
/** What is accepted as the response to a request. */
export interface ResponseDemands {
  /** The DID that must have signed it; anybody without: then look at `from`. */
  from?: string;
  /** Seconds since the epoch, for tests. */
  now?: number;
  /** Default 5, at most 300. */
  clockSkewSeconds?: number;
  /** Default 300, at most 86 400. */
  maxAgeSeconds?: number;
  /** Default 1 MiB. */
  maxBodyBytes?: number;
}
/** A response that was signed for the request, with the body that was verified. */
export interface VerifiedResponse {
  /** Proven by the signature. */
  readonly from: string;
  /** The very bytes that were verified. */
  readonly body: Uint8Array;
  /** When it was signed, in seconds since the epoch. */
  readonly createdAt: number;
}
/**
 * Verifies the response to a request that this side has signed, and reads its body. `request` is what was sent, signature and
 * all; its body is not looked at. Errors: MALFORMED_MESSAGE, INVALID_SIGNATURE, REPLY_MISMATCH (not bound to this request, or
 * signed by somebody else), MESSAGE_NOT_YET_VALID, MESSAGE_EXPIRED, INVALID_DID, PAYLOAD_TOO_LARGE, ABORTED.
 */
export declare function verifyResponse(response: Response | HttpResponse, request: Request | IncomingMessage | HttpRequest, options?: ResponseDemands): Promise<Result<VerifiedResponse>>;
/** Who has to approve of requests, and of which. */
export interface RequestApproval {
  /** DIDs whose approval counts. */
  by: string | readonly string[];
  /** Which requests need one; all by default. Whatever it answers but `false` is a yes. */
  when?: (request: {
    /** Who signed it. */
    readonly from: string;
    /** `GET`, `POST`, … */
    readonly method: string;
    /** Path and query, as they stand in the request line. */
    readonly target: string;
    /** A copy of the bytes that were verified. */
    readonly body: Uint8Array;
  }) => boolean;
}
/** A yes or no to one request, before it is signed. */
export interface RequestDecision {
  /** `approve` lets the request through, once; `deny` refuses it, signed as well. */
  decision: "approve" | "deny";
  /** The DID that signs the request. */
  caller: string;
  /** For whom the server takes approvals: its `audience`, which an answer with APPROVAL_REQUIRED names. */
  recipient: string;
  /** The request that is decided upon, with all that says how its body is to be read. */
  request: Request | HttpRequest;
  /** Default 300, at most 3600. */
  ttlSeconds?: number;
  /** Seconds since the epoch, for tests. */
  now?: number;
}
/**
 * Signs a yes or no to one request: its method, authority, path, query and body. The sender gives it to `signRequest`
 * or `createFetch` as `approval`. A `Request` is read as a copy. Errors: INVALID_CONFIG (anything out of its bounds, or an approver who is the
 * caller), INVALID_DID, MALFORMED_MESSAGE (what no verifier would read), SIGN_FAILED.
 *
 * @example
 * ```ts
 * const order = { method: 'POST', url: 'https://api.example/orders', body: new Uint8Array([1]) }
 * const recipient = 'https://api.example'
 * const approval = await approveRequest(identity, { decision: 'approve', caller: friend.did, recipient, request: order })
 * ```
 */
export declare function approveRequest(approver: Identity | AutoGenxBindAgent, decided: RequestDecision): Promise<Result<string>>;
/** Remembers nonces for all replicas of a server, and beyond a restart. */
export interface NonceStore {
  /**
   * Remembers the text `key` until the second `until`: true if it was not there, false if it was; at once for all who ask, as
   * `SET key 1 NX EXAT until` of Redis does. One that throws, or answers anything else, refuses the request.
   */
  claim(key: string, until: number): boolean | Promise<boolean>;
}
/** Whose requests are accepted, for which names of this server, and within which bounds. */
export interface RequestVerifierOptions extends AuditOptions {
  /** The names by which clients reach this server, as `Host` has them: `api.example`, `localhost:8080`. */
  authorities: readonly string[];
  /** Default `xbind`. */
  profile?: SignatureProfile;
  /** Web Bot Auth only: DIDs of the keys that it names by thumbprint. Nothing is fetched, others are NOT_ALLOWED. */
  keys?: readonly string[];
  /** Seconds since the epoch; the system clock by default. */
  now?: () => number;
  /** Default 5, at most 300. */
  clockSkewSeconds?: number;
  /** How old a signature may be, however long it says that it holds: default 300, at most 86 400. */
  maxAgeSeconds?: number;
  /** Default 1 MiB. */
  maxBodyBytes?: number;
  /** How many requests of one sender are remembered, and a third more of others; 1 000 000 by default. */
  maxTrackedRequests?: number;
  /**
   * Shared by replicas. Without it this process alone remembers, and what was signed before the verifier began, and in the
   * seconds of `clockSkewSeconds` after it, is refused: it may have been accepted before.
   */
  nonces?: NonceStore;
  /** Takes also what was signed before the verifier began: whoever has recorded such a request can repeat it after a restart. */
  dangerouslyAcceptReplayAfterRestart?: boolean;
  /** DIDs whose requests are taken; everybody's by default. */
  allow?: readonly string[];
  /** Whose tokens are accepted: then each request must present one, issued to its sender. */
  trust?: TokenVerifierOptions["trust"];
  /** For whom tokens and approvals are meant; `https://` and the first of the authorities by default. */
  audience?: string;
  /** What the token must grant, all of it. */
  scopes?: readonly string[];
  /** Asked about every link of a token, and without `trust` about the sender. None by default. */
  revocations?: RevocationSource | readonly RevocationSource[];
  /** Somebody signs each request, with its very body, before it is accepted. */
  approval?: RequestApproval;
}
/** What one request must satisfy, beside the options of its verifier. */
export interface RequestDemands {
  /** Its body, where something else has read it: the bytes as they came. */
  body?: Uint8Array;
  /** What the token must grant besides. */
  scopes?: readonly string[];
  /** Who has to approve of it, in place of whom the verifier names. */
  approval?: RequestApproval;
}
/** A request that passed every check: genuine, in time, for this server, and accepted for the first time. */
export interface VerifiedRequest {
  /** Proven by the signature. */
  readonly from: string;
  /** What the token grants; empty without `trust`. */
  readonly scopes: readonly string[];
  /** The limits of its token by their names, where anybody in the chain set one. */
  readonly quota?: Readonly<Record<string, number>>;
  /** On whose behalf the sender acts, outermost first; empty without `trust`. */
  readonly chain: readonly string[];
  /** For whom the first of them was given the rights; the word of the token's issuer. */
  readonly onBehalfOf?: OnBehalfOf;
  /** The very bytes that were verified. */
  readonly body: Uint8Array;
  /** Unique for its sender. */
  readonly nonce: string;
  /** When it was signed, in seconds since the epoch. */
  readonly createdAt: number;
  /**
   * The components that the signature covers, by name; `name;key="member"` where one member of a field is covered and not the
   * rest. All others are nobody's word.
   */
  readonly covered: readonly string[];
}
/**
 * Verifies requests that are signed with Ed25519 (RFC 9421), offline, each once.
 *
 * @example
 * ```ts
 * const verifier = new RequestVerifier({ authorities: ['api.example'], allow: [friend.did] })
 * const verified = await verifier.verify(new Request('https://api.example/orders'))
 * if (verified.ok) console.log(verified.value.from, verified.value.body)
 * ```
 */
export declare class RequestVerifier {
  #private;
  /** Throws INVALID_CONFIG, INVALID_DID, INVALID_KEY (a JWK set). */
  constructor(options: RequestVerifierOptions);
  /**
   * Verifies a request and reads its body: all checks of docs/http.md, in that order. Takes a `Request`, a request of node:http,
   * or plain data. Rejects with what `now` throws, and with a TypeError for a body that was read already.
   * Errors: MALFORMED_MESSAGE, INVALID_SIGNATURE, WRONG_AUDIENCE, MESSAGE_NOT_YET_VALID, MESSAGE_EXPIRED, INVALID_DID,
   * NOT_ALLOWED, those of tokens, SCOPE_DENIED, REVOKED, REVOCATION_UNKNOWN, PAYLOAD_TOO_LARGE, ABORTED, REPLAYED,
   * REPLAY_WINDOW_FULL (also if the store of nonces does not answer), APPROVAL_REQUIRED, APPROVAL_REFUSED, AUDIT_FAILED.
   */
  verify(request: Request | IncomingMessage | HttpRequest, options?: RequestDemands): Promise<Result<VerifiedRequest>>;
}
/** An answer that says why a request was refused (RFC 9457), for servers of any kind. */
export interface Problem {
  /** 400, 401, 403, 409, 413 or 503; 500 for what is no refusal. */
  readonly status: number;
  /** `content-type`; with 401 `www-authenticate` and `accept-signature`, with 503 `retry-after`. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
}
/**
 * What is answered to a request that a verifier has refused with this error, and what the request would need: a signature in
 * which profile, or whose approval. `demands` are those that `verify` was given.
 *
 * @example
 * ```ts
 * const verifier = new RequestVerifier({ authorities: ['api.example'] })
 * const verified = await verifier.verify({ method: 'GET', url: 'https://api.example/' })
 * if (!verified.ok) console.log(problemOf(verified.error, verifier).status)
 * ```
 */
export declare function problemOf(error: XBindError, verifier: RequestVerifier, demands?: RequestDemands): Problem;
/**
 * Remembers for all replicas of an agent, each a process with the same key, what any of them has accepted: so each call runs in
 * one of them, whichever it comes to. One that forgets what it was told forgets all of it, the name of the window too.
 */
export interface WindowStore extends NonceStore {
  /**
   * Remembers `value` under `key`, for as long as it remembers anything, unless there is one; the value that is there then, as
   * `SET key value NX GET` of Redis tells it. One that throws, or answers anything else, has calls refused.
   */
  agree(key: string, value: string): string | Promise<string>;
}
/** How agents are mounted. */
export interface ServeOptions {
  /** The path at which they are, without a query; every path by default, for frameworks that have routed already. */
  path?: string;
  /**
   * The most bytes of one request, with all its messages: default 64 MiB, at least 8 KiB. Callers send less at a time where that is
   * little. What one message may have is for its agent to say.
   */
  maxBodyBytes?: number;
  /**
   * Shared by replicas, processes with the same keys behind one address: then each call runs once, whichever it comes to. Without
   * it each has a window of its own, and one caller has to be sent to one process. One store for each bus.
   */
  window?: WindowStore;
  /**
   * Told what goes wrong here that no caller can be told: what `window` throws, or says wrongly. Where the same store is mounted
   * several times on one bus, each is told. By default a warning of the process.
   */
  onError?: (error: unknown) => void;
}
/**
 * Mounts agents on node:http, and on whatever hands on its requests and responses: those of a list, which are on one bus, or
 * all of a bus, those of its worker threads too. They are called by the URL, or by DID and URL. Nothing in front may read the
 * body. `./express`, `./fastify` and `./hono` have one of their own. Throws TypeError, INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const mounted = serveAgents([agent], { path: '/agents' }) // createServer(mounted).listen(8080)
 * ```
 */
export declare function serveAgents(agents: readonly AutoGenxBindAgent[] | MessageBus, options?: ServeOptions): (request: IncomingMessage, response: ServerResponse) => void;

export {};
