// Made of src/ by "node scripts/build.mjs types".

declare const opaque: unique symbol

/** Something in native memory, which JavaScript only hands on. */
interface Native<Name> {
  readonly [opaque]: Name
}

/** A value, or why there is none. */
export type Fallible<T> = T | Failure

/** The text of a T: ts/native/json.ts makes and reads it. */
export type Json<T> = string & Native<T>

/** A failure as data; `ts/errors.ts` makes the exception of it. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint?: string | undefined
  readonly retryable: boolean
  /** Whether the other side ran the call; none where it did not. */
  readonly handled?: 'yes' | 'no' | 'unknown' | undefined
}

/** How an agent is to be. */
export interface Options {
  /** Its name. */
  readonly name?: string | undefined
  /** The longest body. */
  readonly maxPayloadBytes: number
  /** The life of its messages in seconds. */
  readonly messageTtl: number
  /** How many messages of one sender wait for it. */
  readonly inboxMessages: number
  /** How many bytes of one sender wait for it. */
  readonly inboxBytes: number
  /** How many calls it handles at once. */
  readonly concurrency: number
  /** It has a handler. */
  readonly handles: boolean
  /** Its owner is told what happens without its face. */
  readonly tells: boolean
}

/** An agent of a node. */
export interface Agent {
  /** Its DID. */
  readonly did: string
  /** Its name. */
  readonly name?: string | undefined
  /** Whether it was stopped. */
  readonly stopped?: boolean | undefined
}

/** A method on a card. */
export interface Method {
  /** Its name. */
  readonly name: string
  /** What it does. */
  readonly description?: string | undefined
  /** The text of a JSON Schema. */
  readonly input?: string | undefined
  /** The text of a JSON Schema. */
  readonly output?: string | undefined
  /** What a token has to grant. */
  readonly scopes: ReadonlyArray<string>
}

/** A card that is to be signed. */
export interface CardDraft {
  /** The agent's name. */
  readonly name?: string | undefined
  /** What it offers. */
  readonly methods: ReadonlyArray<Method>
  /** Where it is. */
  readonly addresses: ReadonlyArray<string>
}

/** A card that is genuine. */
export interface Card {
  /** Whose it is. */
  readonly did: string
  /** The agent's name. */
  readonly name?: string | undefined
  /** What it offers. */
  readonly methods: ReadonlyArray<Method>
  /** Where it is. */
  readonly addresses: ReadonlyArray<string>
  /** Seconds since the epoch. */
  readonly expiresAt: number
}

/** What calls have to satisfy: those without a method, or those of one, all of it. */
export interface CallPolicy {
  /** The method; none for calls without one. */
  readonly method?: string | undefined
  /** The DIDs that may call. */
  readonly only?: ReadonlyArray<string> | undefined
  /** The face says who may call. */
  readonly asksAllowed?: boolean | undefined
  /** The place of its judge of tokens. */
  readonly judge?: number | undefined
  /** What a token has to grant. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** Who has to approve. */
  readonly approval?: ApprovalPolicy | undefined
}

/** Who has to approve of a call. */
export interface ApprovalPolicy {
  /** DIDs. */
  readonly by: ReadonlyArray<string>
  /** The face says which calls need one. */
  readonly asked: boolean
  /** How long the approver may take. */
  readonly timeoutMs: number
}

/** A request without its body. */
export interface RequestHead {
  /** `GET` and the like. */
  readonly method: string
  /** `https` or `http`. */
  readonly scheme: string
  /** The host, where it is not in the fields. */
  readonly authority?: string | undefined
  /** Path and query. */
  readonly target: string
  /** Names and values by turns, in their order. */
  readonly fields: ReadonlyArray<string>
}

/** A response without its body. */
export interface ResponseHead {
  /** 100 to 599. */
  readonly status: number
  /** Names and values by turns, in their order. */
  readonly fields: ReadonlyArray<string>
}

/** How a request is to be signed. */
export interface RequestDraft {
  /** The rules of the signature. */
  readonly profile: string
  /** Seconds since the epoch. */
  readonly now: number
  /** Its life in seconds. */
  readonly ttl: number
  /** What is presented. */
  readonly token?: string | undefined
  /** An approval of this very request. */
  readonly approval?: string | undefined
  /** Where the key is published. */
  readonly agent?: string | undefined
}

/** Which responses are accepted. */
export interface ResponsePolicy {
  /** The DID that must have signed; anybody without. */
  readonly from?: string | undefined
  /** By how many seconds clocks may differ. */
  readonly clockSkew: number
  /** The longest life in seconds. */
  readonly maxAge: number
  /** The longest body. */
  readonly maxBody: number
}

/** A response that is genuine. */
export interface VerifiedResponse {
  /** The DID that signed it. */
  readonly from: string
  /** Seconds since the epoch. */
  readonly created: number
}

/** Which requests are accepted. */
export interface RequestPolicy {
  /** The rules of the signature. */
  readonly profile: string
  /** Hosts to which they have to go. */
  readonly authorities: ReadonlyArray<string>
  /** By how many seconds clocks may differ. */
  readonly clockSkew: number
  /** The longest life in seconds. */
  readonly maxAge: number
  /** The longest body. */
  readonly maxBody: number
  /** How many are remembered of one sender. */
  readonly maxTracked: number
  /** DIDs; everybody without. */
  readonly allow?: ReadonlyArray<string> | undefined
  /** The DIDs of keys that sign. */
  readonly keys: ReadonlyArray<string>
}

/** What such a request says. */
export interface AuthenticRequest {
  /** The DID that signed it. */
  readonly from: string
  /** Seconds since the epoch. */
  readonly created: number
  /** Until when it may be accepted. */
  readonly until: number
  /** Unique for its sender. */
  readonly nonce: string
  /** What it presents. */
  readonly token?: string | undefined
  /** What the signature covers. */
  readonly covered: ReadonlyArray<string>
}

/** An approval that was used. */
export interface UsedApproval {
  /** By which a store knows it. */
  readonly claim: string
  /** Until when it has to be remembered. */
  readonly until: number
  /** The DID that signed it. */
  readonly approver: string
  /** Its id. */
  readonly id: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
}

/** A yes or no to a request. */
export interface RequestDecision {
  /** Yes or no. */
  readonly decision: 'approve' | 'deny'
  /** The DID that sends it. */
  readonly caller: string
  /** By which its verifier is known. */
  readonly recipient: string
  /** How many seconds the decision counts. */
  readonly ttl: number
  /** Seconds since the epoch. */
  readonly now: number
}

/** What has been found out so far. */
export interface Answers {
  /** There are sources to ask about every link. */
  readonly sources: boolean
  /** Documents may be fetched. */
  readonly patient: boolean
  /** Whether each link was revoked, where the sources know. */
  readonly standing?: ReadonlyArray<boolean | undefined | null> | undefined
  /** Keys were asked for. */
  readonly keysSought?: boolean | undefined
  /** Lists were asked for. */
  readonly listsSought?: boolean | undefined
}

/** How a token was judged. */
export type Judged = Token | Refusal | Needs

/** What has to be found out before a token can be judged. */
export interface Needs {
  /** The issuer whose keys have to be fetched. */
  readonly keys?: string | undefined
  /** Authorities have to be asked which keys they have. */
  readonly authorities: boolean
  /** Status lists have to be fetched. */
  readonly lists: boolean
  /** Sources have to be asked. */
  readonly standing: boolean
  /** About these links, the first issuer's first. */
  readonly links: ReadonlyArray<Link>
  /** What is known so far. */
  readonly answers: Answers
}

/** One grant in a chain. */
export interface Link {
  /** The token's id. */
  readonly id: string
  /** Who grants. */
  readonly issuer: string
  /** To whom. */
  readonly subject: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Where its status is published. */
  readonly status?: Status | undefined
}

/** A token that holds. */
export interface Token {
  /** Who grants. */
  readonly issuer: string
  /** Who may use it. */
  readonly subject: string
  /** For whom it counts. */
  readonly audience: string
  /** What it grants. */
  readonly scopes: ReadonlyArray<string>
  /** The limits that hold, by their names. */
  readonly quota?: Readonly<Record<string, number>> | undefined
  /** Its id. */
  readonly id: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly expiresAt: number
  /** Those through whose hands it went. */
  readonly chain: ReadonlyArray<string>
  /** The text of one JSON object. */
  readonly claims: string
  /** For whom the first of them acts. */
  readonly onBehalfOf?: OnBehalfOf | undefined
  /** What the answer about revocation rests on. */
  readonly revocation: 'fresh' | 'unchecked' | 'stale' | 'absent' | 'unreadable' | 'unknown'
  /** For [`Judge::judge_known`], until [`Judge::forget`]; none where sources were asked. */
  readonly known?: number | undefined
}

/** Why a token is refused. */
export interface Refusal {
  /** The code. */
  readonly code: string
  /** What went wrong. */
  readonly message: string
  /** What to do about it. */
  readonly hint?: string | undefined
  /** Whether the same may succeed later. */
  readonly retryable: boolean
  /** What evidence there was. */
  readonly revocation: Token['revocation']
  /** The issuer whose keys are not there. */
  readonly keysOf?: string | undefined
  /** Where the authority is that does not know the DID. */
  readonly authority?: string | undefined
  /** Whether they were asked for, or it was asked. */
  readonly keysAsked: boolean
  /** Why they did not come. */
  readonly keysFailure?: string | undefined
}

/** Where a key is: with `module` in a token, else at a server. */
export interface KeptPlace {
  /** The file of a PKCS#11 module. */
  readonly module?: string | undefined
  /** The token's label. */
  readonly token?: string | undefined
  /** Or the number of its slot. */
  readonly slot?: number | undefined
  /** The key's id, in hex. */
  readonly id?: string | undefined
  /** A file with the PIN. */
  readonly pinFile?: string | undefined
  /** Or a variable of the environment with it. */
  readonly pinEnv?: string | undefined
  /** The address of a server. */
  readonly url?: string | undefined
  /** Where its engine is mounted. */
  readonly mount?: string | undefined
  /** In which namespace. */
  readonly namespace?: string | undefined
  /** A file with the token for it. */
  readonly tokenFile?: string | undefined
  /** A PEM file with certificates to trust beside the usual ones. */
  readonly caFile?: string | undefined
  /** The name or label of the key. */
  readonly key?: string | undefined
  /** How long a signature may take. */
  readonly timeoutMs?: number | undefined
}

/** What is to be sealed. */
export interface Draft {
  /** One of the operations of a message. */
  readonly op: string
  /** The recipient's DID. */
  readonly to: string
  /** The media type of the body. */
  readonly contentType: string
  /** Its life in seconds. */
  readonly ttl: number
  /** The system's time by default. */
  readonly now?: number | undefined
  /** What is presented. */
  readonly token?: string | undefined
  /** The id of the call that it is about. */
  readonly requestId?: string | undefined
  /** The JWS of that call. */
  readonly request?: string | undefined
  /** The method asked for. */
  readonly method?: string | undefined
  /** How long its sender waits. */
  readonly deadlineMs?: number | undefined
  /** Where it belongs in a trace. */
  readonly traceparent?: string | undefined
  /** Which part it is. */
  readonly seq?: number | undefined
  /** How many parts its sender takes. */
  readonly window?: number | undefined
  /** The replay window of the recipient that it is for. */
  readonly session?: string | undefined
}

/** What was sealed. */
export interface Sealed {
  /** The signature and what it says. */
  readonly jws: string
  /** Its id. */
  readonly id: string
}

/** Which messages a verifier accepts. */
export interface Policy {
  /** The DID to which they are addressed. */
  readonly audience: string
  /** By how many seconds clocks may differ. */
  readonly clockSkew: number
  /** The longest life in seconds. */
  readonly maxLifetime: number
  /** The longest body. */
  readonly maxBody: number
  /** How many are remembered of one sender. */
  readonly maxTracked: number
  /** The replay window that messages have to name. */
  readonly session?: string | undefined
  /** DIDs; everybody without. */
  readonly allow?: ReadonlyArray<string> | undefined
  /** Messages wait for [`accept`], not only replies. */
  readonly asks: boolean
}

/** A message that was accepted. */
export interface Message {
  /** Unique for its sender. */
  readonly id: string
  /** What it is. */
  readonly op: 'call' | 'send' | 'result' | 'error' | 'receipt' | 'part' | 'progress' | 'cancel' | 'more'
  /** The sender's DID. */
  readonly from: string
  /** The recipient's DID. */
  readonly to: string
  /** The media type of its body. */
  readonly contentType: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly expiresAt: number
  /** The id of the call that it is about. */
  readonly inReplyTo?: string | undefined
  /** The method asked for. */
  readonly method?: string | undefined
  /** How long its sender waits. */
  readonly deadlineMs?: number | undefined
  /** Where it belongs in a trace. */
  readonly traceparent?: string | undefined
  /** Which part it is. */
  readonly seq?: number | undefined
  /** How many parts its sender takes. */
  readonly window?: number | undefined
  /** The replay window of the recipient that it is for. */
  readonly session?: string | undefined
}

/** What a message that waits claims. */
export interface Claim {
  /** The sender's DID. */
  readonly from: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** The id of the call that it claims to be about. */
  readonly about?: string | undefined
  /** Whether it answers a call of this side; else it comes from the caller of one. */
  readonly isReply: boolean
}

/** How to reach the brokers. */
export interface Cluster {
  /** Addresses of its brokers. */
  readonly servers: ReadonlyArray<string>
  /** Which bus it is among those on these brokers. */
  readonly namespace: string
  /** TLS is spoken, whatever the addresses say. */
  readonly tls: boolean
  /** Whose certificates are believed besides the usual ones, as PEM. */
  readonly ca?: string | undefined
  /** What this side shows, as PEM. */
  readonly cert?: string | undefined
  /** The key to that, as PEM. */
  readonly key?: string | undefined
  /** Who may stop agents of the bus. */
  readonly operators?: ReadonlyArray<string> | undefined
  /** Nothing but encrypted bodies leaves, or is taken. */
  readonly encrypt?: boolean | undefined
}

/** What is asked of a bus about one of its agents here. */
export interface AgentWord {
  /** Whether it has its name; that mail is kept for it. */
  readonly verb: string
  /** Which agent. */
  readonly did: string
  /** For how long mail is kept, in seconds: a week, if it is not said, and not at all for 0. */
  readonly retain?: number | undefined
}

/** What is run: one of both. */
export interface Serving {
  /** How to reach the brokers. */
  readonly cluster: Cluster
  /** Lets connections in. */
  readonly door?: DoorOptions | undefined
  /** Speaks for an operator. */
  readonly operator?: OperatorOptions | undefined
}

/** Who is let in. */
export interface DoorOptions {
  /** The account that connections are put into. */
  readonly account: string
  /** How long they may stay. */
  readonly staySeconds: number
  /** Who may stop agents. */
  readonly operators: ReadonlyArray<string>
  /** The program says who may come in; else everybody may. */
  readonly asks: boolean
}

/** What an operator has said before. */
export interface OperatorOptions {
  /** How long a heartbeat holds. */
  readonly lifeSeconds: number
  /** Statements that its owner has kept. */
  readonly known: ReadonlyArray<string>
}

/** What is said to it. */
export interface Word {
  /** What it is to do. */
  readonly verb: string
  /** Of a question that was told. */
  readonly number?: number | undefined
  /** Whether it may come in. */
  readonly allowed?: boolean | undefined
  /** An agent that is stopped or resumed. */
  readonly did?: string | undefined
  /** A token that is. */
  readonly token?: string | undefined
  /** Why. */
  readonly reason?: string | undefined
}

/** What it says; nothing once it is closed. */
export interface Said {
  /** The number of a question. */
  readonly number?: number | undefined
  /** Who wants to come in. */
  readonly did?: string | undefined
  /** What an operator has signed. */
  readonly statement?: string | undefined
}

/** How the keys of an auth callout are spelled in the configuration of servers. */
export interface CalloutKeys {
  /** The account's, which signs what a connection may do. */
  readonly issuer: string
  /** The one that the callout connects with: a user of the account that servers ask. */
  readonly callout: string
  /** To which servers encrypt what they ask, where they are told to. */
  readonly xkey: string
}

/** Where names lead, and whose certificates are believed beside the usual ones; the rules hold for these addresses too. */
export interface World {
  /** Addresses by name. */
  readonly hosts: Readonly<Record<string, ReadonlyArray<string>>>
  /** PEM. */
  readonly roots: ReadonlyArray<string>
  /** How long a document is not asked for again. */
  readonly intervalMs: number
}

/** How the agents of a bus reach addresses. */
export interface Reach {
  /** The URL of a proxy. */
  readonly proxy?: string | undefined
  /** Hosts that are reached without it. */
  readonly except: ReadonlyArray<string>
  /** Whose certificates are believed beside the usual ones, as PEM. */
  readonly ca: ReadonlyArray<string>
}

/** The bounds of one request. */
export interface Rules {
  /** Who named the address. */
  readonly named: 'owner' | 'listed' | 'stranger'
  /** The longest answer that is taken. */
  readonly maxBytes: number
  /** From the question to the last byte of the answer. */
  readonly timeoutMs: number
  /** Media types to ask for. */
  readonly accept: string
}

/** What a receipt shows. */
export interface Proven {
  /** The id of the call. */
  readonly messageId: string
  /** What was asked. */
  readonly op: 'call' | 'send'
  /** What came back. */
  readonly answer: 'result' | 'error' | 'receipt'
  /** The method asked for. */
  readonly method?: string | undefined
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly answeredAt: number
  /** How many parts were sent before the end of the answer. */
  readonly parts?: number | undefined
  /** The digest of the body of the call. */
  readonly requestDigest: string
  /** The digest of the body of the answer. */
  readonly resultDigest: string
  /** The digest of what the call presented. */
  readonly tokenDigest?: string | undefined
}

/** What is asked. */
export interface RegistryRequest {
  /** Of a token: where it is to be used. Without it the agent's name is registered. */
  readonly audience?: string | undefined
  /** What for. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** How long it lives, in seconds. */
  readonly ttl?: number | undefined
  /** Of a name: what the agent offers, signed by it. */
  readonly card?: string | undefined
}

/** How a status list is to be signed. */
export interface ListDraft {
  /** Where it will be published. */
  readonly uri: string
  /** How long it may be relied upon, in seconds. */
  readonly lifetime: number
  /** How long a copy may be kept, in seconds. */
  readonly ttl?: number | undefined
  /** The system's time by default. */
  readonly now?: number | undefined
}

/** Which status lists there is room for, and where they may come from. */
export interface SourcePolicy {
  /** How many lists. */
  readonly maxLists: number
  /** How many bytes they take together. */
  readonly maxBytes: number
  /** How long each is relied upon, in seconds. */
  readonly maxAge: number
  /** How old a copy may be before the next is asked for, in seconds. */
  readonly refresh: number
  /** Where they are fetched from; by default where a trusted issuer's own token points. */
  readonly origins?: ReadonlyArray<string> | undefined
}

/** What has to be done about a list. */
export interface ListDue {
  /** It has to be fetched, from an address of that kind. */
  readonly fetch?: 'listed' | 'stranger' | undefined
  /** It is being fetched. */
  readonly running: boolean
  /** Why it did not come a moment ago. */
  readonly failure?: string | undefined
}

/** What a store is asked that several processes share. */
export interface StoreQuestion {
  /** Of the question. */
  readonly number: number
  /** What it is to claim, one after the other. */
  readonly keys: ReadonlyArray<string>
  /** Until which second it remembers them. */
  readonly until: number
  /** Under which key it keeps the name of the window. */
  readonly name: string
  /** That name, if there is none yet. */
  readonly fresh: string
}

/** That one key follows another. */
export interface Rotation {
  /** The DID of the old key. */
  readonly old: string
  /** The DID of the new key. */
  readonly new: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly activeFrom: number
  /** For how many seconds both are in use. */
  readonly overlap: number
}

/** A call that is decided upon. */
export interface Call {
  /** The DID that makes it. */
  readonly caller: string
  /** The DID that is asked. */
  readonly recipient: string
  /** The method asked for. */
  readonly method?: string | undefined
  /** The replay window of the recipient that it is for. */
  readonly session?: string | undefined
  /** The media type of its body. */
  readonly contentType: string
}

/** Which approvals count. */
export interface ApprovalDemands {
  /** DIDs. */
  readonly approvers: ReadonlyArray<string>
  /** The system's time by default. */
  readonly now?: number | undefined
  /** By how many seconds clocks may differ. */
  readonly clockSkew: number
}

/** A decision that is genuine. */
export interface Approval {
  /** Yes or no. */
  readonly decision: 'approve' | 'deny'
  /** The DID of whoever decided. */
  readonly approver: string
  /** Unique for its approver. */
  readonly id: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly expiresAt: number
}

/** What is left out keeps its default, which for a delegation is its parent's. */
export interface Grant {
  /** The DID that may use it. */
  readonly subject: string
  /** For whom it counts. */
  readonly audience?: string | undefined
  /** What it grants. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** Limits by their names. */
  readonly quota?: Readonly<Record<string, number>> | undefined
  /** Its life in seconds. */
  readonly ttl?: number | undefined
  /** The text of a JSON object. */
  readonly claims?: string | undefined
  /** Where its status is published. */
  readonly status?: Status | undefined
  /** The system's time by default. */
  readonly now?: number | undefined
}

/** For whom somebody acts, by the word of a token's issuer. */
export interface OnBehalfOf {
  /** Who knows the subject by that name. */
  readonly issuer: string
  /** Its name there. */
  readonly subject: string
}

/** A place in a status list. */
export interface Status {
  /** The place. */
  readonly index: number
  /** Where the list is published. */
  readonly uri: string
}

/** Whose tokens count, and for how long. */
export interface JudgePolicy {
  /** For whom tokens have to be. */
  readonly audience: string
  /** By how many seconds clocks may differ. */
  readonly clockSkew: number
  /** The longest life in seconds. */
  readonly maxLifetime: number
  /** Whose tokens count. */
  readonly trust: ReadonlyArray<Trusted>
  /** Tokens of which nobody knows whether they were revoked are accepted. */
  readonly acceptUnknown: boolean
}

/** Whose tokens count: a DID's, those of an issuer with other keys, or those of an authority whose DID changes. */
export type Trusted = string | Issuer | Authority

/** An issuer that is no DID. */
export interface Issuer {
  /** As its tokens name it. */
  readonly issuer: string
  /** A JWK set; none where its keys are fetched. */
  readonly jwks?: string | undefined
}

/** An authority that is followed. */
export interface Authority {
  /** A DID that it has, or had. */
  readonly did: string
  /** Where it is. */
  readonly url: string
}

export type SignedHttp = ReadonlyArray<string> | UnsignedRef | Failure

/** PEM, or bytes of either. */
export type KeyFile = string | Uint8Array

/** PKCS#8 in DER, or with `pem` as text. Whoever gets the bytes wipes them. */
export type Exported = string | Uint8Array

export type Opened = Json<Message> | OpeningRef | Failure

export type CommandRef = Native<'CommandRef'>
export type FetcherRef = Native<'FetcherRef'>
export type HistoryRef = Native<'HistoryRef'>
export type JudgeRef = Native<'JudgeRef'>
export type KeyRef = Native<'KeyRef'>
export type ListRef = Native<'ListRef'>
export type ListsRef = Native<'ListsRef'>
export type LogRef = Native<'LogRef'>
export type NatsRef = Native<'NatsRef'>
export type NodeRef = Native<'NodeRef'>
export type OpeningRef = Native<'OpeningRef'>
export type RegistryRef = Native<'RegistryRef'>
export type RequestRef = Native<'RequestRef'>
export type RequestVerifierRef = Native<'RequestVerifierRef'>
export type ServerRef = Native<'ServerRef'>
export type ServiceRef = Native<'ServiceRef'>
export type TakerRef = Native<'TakerRef'>
export type UnsignedRef = Native<'UnsignedRef'>
export type VerifierRef = Native<'VerifierRef'>
export type WeightRef = Native<'WeightRef'>
export type WrappingRef = Native<'WrappingRef'>

/** What the addon exports. Failures come back as data: errors must be made in the realm of the caller. */
export interface Binding {
  /** Signs a request with a key; or, for a DID whose key is elsewhere, says what that is to sign. */
  signRequest(
    key: KeyRef | undefined,
    signer: string | undefined,
    request: Json<RequestHead>,
    body: Uint8Array,
    draft: Json<RequestDraft>,
  ): SignedHttp
  /** The same for the response to a request, signed now for so many seconds. */
  signResponse(
    key: KeyRef | undefined,
    signer: string | undefined,
    response: Json<ResponseHead>,
    body: Uint8Array,
    request: Json<RequestHead>,
    now: number,
    ttl: number,
  ): SignedHttp
  /** What a key elsewhere is to sign. */
  baseOf(unsigned: UnsignedRef): string
  /** The fields to be set, with the signature that a key elsewhere has made. */
  signedFields(unsigned: UnsignedRef, signature: Uint8Array): Fallible<ReadonlyArray<string>>
  /** Verifies the response to a request. */
  verifyResponse(
    policy: Json<ResponsePolicy>,
    response: Json<ResponseHead>,
    body: Uint8Array,
    request: Json<RequestHead>,
    now: number,
  ): Fallible<Json<VerifiedResponse>>
  /** A verifier of requests; with `started` it accepts none that is older. */
  newRequestVerifier(policy: Json<RequestPolicy>, started?: number): Fallible<RequestVerifierRef>
  /** Verifies the head of a request. */
  authenticateRequest(
    verifier: RequestVerifierRef,
    request: Json<RequestHead>,
    now: number,
  ): Fallible<[RequestRef, Json<AuthenticRequest>]>
  /** Verifies its body; gives that by which a store knows it. */
  acceptRequest(verifier: RequestVerifierRef, request: RequestRef, body: Uint8Array, now: number): Fallible<string>
  /** Takes back that a request was accepted, or that approval used: it could not be put on record, and nothing of it was begun. */
  forgetRequest(
    verifier: RequestVerifierRef,
    request?: RequestRef,
    approver?: string,
    approval?: string,
  ): Fallible<undefined>
  /** Uses the approval that an accepted request brings along, by one of these for that recipient. */
  approveRequest(
    verifier: RequestVerifierRef,
    request: RequestRef,
    body: Uint8Array,
    approvers: ReadonlyArray<string>,
    recipient: string,
    now: number,
  ): Fallible<Json<UsedApproval>>
  /** Signs it. */
  decideRequest(
    key: KeyRef,
    request: Json<RequestHead>,
    body: Uint8Array,
    decided: Json<RequestDecision>,
  ): Fallible<string>
  /** Lets the agents of a node call by address, in this way; it stays the one that it was at first. */
  reachAddresses(node: NodeRef, reach?: Json<Reach>): Fallible<undefined>
  /** The session of an agent elsewhere, as far as it has told it here. */
  knownSession(node: NodeRef, did: string): string | null
  /** Opens agents of a bus to requests: these DIDs, or all. `wake` is told which exchange has something to take, or 0. */
  newServer(
    node: NodeRef,
    only: ReadonlyArray<string> | undefined,
    shares: boolean,
    wake: (arg: number) => void,
  ): Fallible<ServerRef>
  /** What the store is to be asked now. */
  takeQuestions(server: ServerRef): Json<ReadonlyArray<StoreQuestion>>
  /** What the store has said: the name of the window, or which of the keys it had; neither where it has failed. */
  answerQuestion(server: ServerRef, number: number, taken?: number, name?: string): void
  openExchange(server: ServerRef, connection?: number): number
  /** The same on a connection with others; whether there is room for more, or none where no more messages can come of it. */
  feedExchange(server: ServerRef, exchange: number, piece: Uint8Array): boolean | null
  /** The body has ended; why it ought not to have. */
  endExchange(server: ServerRef, exchange: number): string | null
  /** What is to be written next into the response, and whether that is its end. */
  takeExchange(server: ServerRef, exchange: number): [Uint8Array, boolean]
  closeExchange(server: ServerRef, exchange: number): void
  /** A fresh one. */
  generateKey(): Fallible<KeyRef>
  /** The key of 32 bytes. */
  keyFromSeed(seed: Uint8Array): Fallible<KeyRef>
  /** The DID of the key. */
  keyDid(key: KeyRef): Fallible<string>
  /**
   * Writes the signature into the 64 bytes of `signature`, which the caller made in its own realm. `dangerously` signs a
   * statement of ours as well.
   */
  keySign(key: KeyRef, data: Uint8Array, dangerously: boolean, signature: Uint8Array): Fallible<undefined>
  /** Wipes the key, where it is an identity's own. */
  destroyKey(key: KeyRef): void
  /** The 32 bytes of a DID's key. */
  didToPublicKey(did: string): Fallible<Uint8Array>
  /** The DID of a public key. */
  publicKeyToDid(publicKey: Uint8Array): Fallible<string>
  /** Whether the key of a DID signed that; no signature has another length than 64. */
  verifySignature(did: string, data: Uint8Array, signature: Uint8Array): Fallible<boolean>
  /** The JWK of a DID's key, as JSON. */
  jwkJson(did: string): Fallible<string>
  /** The document of a DID, as JSON. */
  didDocumentJson(did: string): Fallible<string>
  /** The key in a file, PEM or DER. */
  keyFromPkcs8(file: KeyFile, passphrase?: string): Fallible<KeyRef>
  importKey(file: KeyFile, passphrase?: string): Promise<Fallible<KeyRef>>
  /** The file of the key. */
  exportKey(key: KeyRef, pem: boolean, passphrase?: string): Fallible<Exported>
  /** Prepares an export on another thread. The private key has no part in it and stays where it can be wiped. */
  prepareExport(passphrase: string): Promise<Fallible<WrappingRef>>
  /** The same with a passphrase that was made ready. */
  exportPrepared(key: KeyRef, pem: boolean, wrapping: WrappingRef): Fallible<Exported>
  /** Seals a message. */
  seal(key: KeyRef, draft: Json<Draft>, body: Uint8Array): Fallible<Json<Sealed>>
  /** A verifier of messages. */
  newVerifier(policy: Json<Policy>): Fallible<VerifierRef>
  /** Opens a message. One about which the user has something to say first waits for [`accept`]: nothing is called from here. */
  open(verifier: VerifierRef, now: number, jws: string, body: Uint8Array, token?: string): Opened
  /** What it claims. */
  claim(opening: OpeningRef): Json<Claim>
  /**
   * Goes on with an opening, at the same time and with the same body; `call` is the JWS of the call that the message claims
   * to be about.
   */
  accept(
    verifier: VerifierRef,
    opening: OpeningRef,
    now: number,
    body: Uint8Array,
    token?: string,
    call?: string,
  ): Fallible<Json<Message>>
  /** Takes back that a message of that sender and id was accepted, of which nothing was begun. */
  forgetMessage(verifier: VerifierRef, from: string, id: string): Fallible<undefined>
  checkJson(text: string): Fallible<undefined>
  /** One text of a token and an approval; nothing if there is neither. */
  writePresented(token?: string, approval?: string): string | undefined | Failure
  /** What the key of that DID is to sign. */
  cardToSign(did: string, draft: Json<CardDraft>): Fallible<string>
  /** Verifies a card, as that of `agent`, or of whomever it names. */
  verifyCard(jws: string, did: string | undefined, time: number | undefined, clockSkew: number): Fallible<Json<Card>>
  newFetcher(world: Json<World>): FetcherRef
  /** Why an address may not be asked, as far as its text tells. */
  refuseUrl(url: string, named: Rules['named']): string | null
  /** Fetches a document, from the world as it is unless another one is given. */
  fetch(url: string, rules: Json<Rules>, fetcher?: FetcherRef): Promise<Uint8Array | string>
  /** What a key that is kept elsewhere has signed; without data, its public key. */
  /** What the key of that DID has signed, the newest one there without a DID; without bytes, its public key. */
  askKept(place: Json<KeptPlace>, did?: string, data?: Uint8Array): Promise<Fallible<Uint8Array>>
  /** The authority at an address, behind a `#` its DID where that is known. With `resolves` the agent calls by the names there, too. */
  openRegistry(port: number, agent: number, at: string, resolves: boolean): Fallible<RegistryRef>
  /** A token, with that of a user one to act for him; or the name that is registered now. */
  askRegistry(registry: RegistryRef, request: Json<RegistryRequest>, user?: string): Promise<Fallible<string>>
  startCommand(args: ReadonlyArray<string>, input?: string): CommandRef
  nextOutput(command: CommandRef): Promise<string>
  stopCommand(command: CommandRef): boolean
  /** Opens a port; `wake` is called when another thread has left events there. */
  openPort(wake: () => void): number
  /** Closes a port and all its agents. */
  closePort(port: number): void
  /** A node of its own; `max_lifetime` is the longest life of a message in seconds. */
  newNode(maxLifetime: number, log: LogRef | undefined, dangerouslyUnrecorded: boolean): NodeRef
  sharedNode(name: string): Fallible<NodeRef>
  /** The agents of a node. */
  nodeAgents(node: NodeRef): Json<ReadonlyArray<Agent>>
  /** The agent of that DID or name among those of a port that are on a node, the newest of its DID. */
  agentOf(port: number, node: NodeRef, id: string): Fallible<number>
  /** Closes the agents of a DID. */
  stopOnNode(node: NodeRef, did: string): Fallible<undefined>
  closeNode(node: NodeRef): void
  /** Connects a bus to those of other machines, in the name of an identity where there is one. */
  connectNats(node: NodeRef, cluster: Json<Cluster>, identity?: KeyRef): Promise<Fallible<NatsRef>>
  /** How a connection is. */
  natsStatus(nats: NatsRef): 'connected' | 'reconnecting' | 'closed'
  /** Everybody on the bus, here and elsewhere. */
  natsAgents(nats: NatsRef): Json<ReadonlyArray<Agent>>
  /** Asks a bus about one of its agents here; it waits. */
  toldNats(nats: NatsRef, word: Json<AgentWord>): Promise<Fallible<void>>
  /** Resolves once the last words of a bus that was closed have left. */
  /** What waits until a bus that was closed has said its last words. */
  natsClosed(nats: NatsRef): Promise<Fallible<void>>
  /** Begins what an owner runs for the buses on its brokers. */
  /** Begins a service; it waits. */
  serveNats(serving: Json<Serving>, key: KeyRef): Promise<Fallible<ServiceRef>>
  /** Says something to it. */
  tellService(service: ServiceRef, word: Json<Word>): Promise<Fallible<Json<Said>>>
  /** Spells the keys that follow from one. */
  calloutKeys(issuer: KeyRef): Fallible<Json<CalloutKeys>>
  /**
   * Brings an agent onto a node; gives its number. Its key is a fresh one, or that of an identity, which is taken; or it is
   * with an identity provider, whose DID is given.
   */
  join(
    port: number,
    node: NodeRef,
    options: Json<Options>,
    key: KeyRef | undefined,
    provider: string | undefined,
    log: LogRef | undefined,
    dangerouslyUnrecorded: boolean,
  ): Fallible<number>
  /** The DID of an agent. */
  agentDid(port: number, agent: number): Fallible<string>
  /** Lets nothing new in at an agent; an event tells when its handlers have ended. */
  retireAgent(port: number, agent: number): void
  /** Closes an agent. */
  closeAgent(port: number, agent: number): void
  /** The key of an agent. */
  agentKey(port: number, agent: number): Fallible<KeyRef>
  /** See [`guard::guard`]. */
  guard(
    port: number,
    agent: number,
    policies: Json<ReadonlyArray<CallPolicy>> | undefined,
    judges: ReadonlyArray<JudgeRef>,
  ): Fallible<number>
  /** Begins a call, and returns its number. With `total_ms` a word of the other side starts its time anew. */
  call(
    port: number,
    agent: number,
    to: string,
    content: string | Uint8Array,
    timeoutMs: number,
    totalMs: number,
  ): Fallible<number>
  /**
   * The same. With `total_ms` a word of the other side starts its time anew; with `window` its
   * answer may come in parts; with `receipt` the two messages are told before its end; `idempotent`, it is signed anew where it
   * may be lost.
   */
  callWith(
    port: number,
    agent: number,
    to: string,
    content: string | Uint8Array,
    oneWay: boolean,
    timeoutMs: number,
    token: string | undefined,
    method: string | undefined,
    traceparent: string | undefined,
    totalMs: number | undefined,
    window: number | undefined,
    receipt: boolean,
    idempotent: boolean,
  ): Fallible<number>
  /** Gives a call up; whether the other side ran it, see [`handled`]. */
  abandon(port: number, call: number): 'yes' | 'no' | 'unknown' | undefined
  /** Whether the handler may begin with a call by which nothing is asked; see [`guard::start`]. */
  start(port: number, ticket: number): number
  /**
   * Whether the handler may begin with a call; see [`guard::judge`]. The face says of which policies it speaks, and what it
   * was asked.
   */
  judge(
    port: number,
    ticket: number,
    policies: number | undefined,
    allowed: boolean | undefined,
    needsApproval: boolean | undefined,
    sources: boolean,
    answers?: Json<Answers>,
  ): number | Json<Needs>
  /** The face waits for somebody before it can say more; false if the call is over. */
  wait(port: number, ticket: number): boolean
  /** The face knows more: the event `resumed` says when to judge. */
  resume(port: number, ticket: number): void
  /** See [`guard::rights`]. */
  rights(port: number, ticket: number): string | null
  /** Gives a call back, with the content that it brought: another policy judges it, or it goes to the inbox. */
  giveBack(port: number, ticket: number, content: string | Uint8Array): void
  /** Answers a running call. */
  answer(port: number, ticket: number, content: string | Uint8Array): void
  /** Ends an answer in parts. */
  finish(port: number, ticket: number, content: string | Uint8Array): void
  /** Refuses a running call; `detail` is the JSON object that goes with the code. */
  refuse(port: number, ticket: number, code: string, detail?: string): void
  /** Sends a part of the answer to a running call: 0 if there is room for another, 1 if not, 2 if nobody takes any. */
  part(port: number, ticket: number, content: string | Uint8Array): Fallible<number>
  /** Whether there is room for a part, as [`part`] says it. */
  flow(port: number, ticket: number): number
  /** So many parts of the answer to a call were read. */
  took(port: number, call: number, parts: number): void
  /** Tells a caller how far its call is. */
  progress(port: number, ticket: number, progress?: number, total?: number, message?: string): Failure | null
  /** Whether nobody waits for a running call any more. */
  isCancelled(port: number, ticket: number): boolean
  /** The identity provider's signature; none if it failed. False for one that is not by the key of its DID. */
  signed(port: number, agent: number, round: number, signature?: Uint8Array): boolean
  /** Milliseconds until the next pending call runs out of time; none if there is none. */
  nextDeadline(port: number): number | null
  /** Takes messages from an inbox; with `listen` an event tells of the next. */
  receive(port: number, agent: number, max: number, listen: boolean): Fallible<unknown[]>
  /**
   * Works off all that was asked for, and returns at most `max` events, refusals among them if they are `watched`: first the
   * words of the tape, as the units of a string, and whether more events are waiting; then what is no word.
   */
  flush(port: number, max: number, watched: boolean): unknown[]
  /** Verifies a call and its answer, with all that is said to be a body of either. */
  verifyReceipt(
    call: string,
    answer: string,
    requests: ReadonlyArray<Uint8Array>,
    results: ReadonlyArray<Uint8Array>,
    caller: string,
    agent: string,
  ): Fallible<Json<Proven>>
  /** Opens a log, which keeps a copy of the key until it is closed. */
  openLog(path: string, key: KeyRef, sync: string, maxBytes: number, first?: number): Promise<Fallible<LogRef>>
  /** `take` is given a number for `taken`, the lines, and how far the log goes with them. */
  newTaker(take: (number: number, lines: string, head: string) => void, milliseconds: number): TakerRef
  /** The lines of that number are there for good, or are not, and why. */
  taken(taker: TakerRef, number: number, refused?: string): void
  /** The same for one whose lines go to somebody else, behind that line of his if it goes on. */
  handOver(taker: TakerRef, key: KeyRef, sync: string, last?: string): Promise<Fallible<LogRef>>
  /** Whose log it is, and what was found, as JSON. */
  logState(log: LogRef): string
  /** Adds what the JSON object of a record says; false if it cannot be. */
  appendRecord(log: LogRef, record: string): Fallible<boolean>
  /** Whether anything may be done that has to be recorded. */
  canWrite(log: LogRef): boolean
  /** Puts a decision on record; see [`Recording::put`]. */
  putDecision(log: LogRef, record: string, unrecorded: boolean, hasHappened: boolean): Failure | null
  /** The same for what is done when this says so, and whether that was waited for; see [`Recording::commit`]. */
  commitDecision(log: LogRef, record: string, unrecorded: boolean): Promise<Fallible<boolean>>
  /**
   * Puts what the JSON object of a record says into the log of an agent that has one, for what is done when this says so:
   * `AGENT_CLOSED`, or `AUDIT_FAILED`, if it must not be.
   */
  putOnRecord(port: number, agent: number, record: string): Promise<Fallible<boolean>>
  /** Writes what was decided so far, and tells how far the log goes, as JSON; at times it is its end. */
  flushLog(log: LogRef, isEnd: boolean): Promise<Fallible<string>>
  /** The records that are asked for, as JSON. */
  queryLog(log: LogRef, query: string): Promise<Fallible<string>>
  /** Verifies a log, with the head that it must hold, as JSON, and the line that it must begin with, or before. */
  verifyLog(path: string, owner?: string, head?: string, first?: number): Promise<Fallible<string>>
  /** A witness signs the head that a log signed, given as JSON. */
  witnessHead(witness: KeyRef, head: string): Fallible<string>
  /** What a witness has signed, as JSON. */
  readWitness(statement: string, witness: string): Fallible<string>
  /** A list of that many entries at most. */
  newRevocationList(capacity: number): ListRef
  /** Revokes a token; without a time the entry is kept for good. A trial changes nothing. */
  revokeToken(list: ListRef, id: string, keepUntil: number | undefined, trial: boolean): Fallible<undefined>
  /** Revokes a DID; without a time whatever it issues or is granted is revoked. A trial changes nothing. */
  revokeDid(list: ListRef, subject: string, issuedUntil: number | undefined, trial: boolean): Fallible<undefined>
  /** Takes that back; whether there was something to take back. */
  reinstate(list: ListRef, subject: string): boolean
  /** Whether the token of that id is revoked, or what the DID issued then. */
  isRevoked(list: ListRef, id: string | undefined, subject: string | undefined, issuedAt: number): boolean
  /** Forgets what has expired; without a time by that of the system. */
  purgeRevocations(list: ListRef, now?: number): void
  /** How many entries there are. */
  revocations(list: ListRef): number
  /** A new status list. */
  newStatusList(count: number, len: number): Fallible<[number, Uint8Array]>
  /** Reads a status list that this DID signed for that address. */
  readStatusList(text: string, uri: string, signer: string): Fallible<[number, Uint8Array]>
  setStatus(count: number, list: Uint8Array, index: number, status: number): Fallible<undefined>
  /** The status at a place; none beyond the end. */
  getStatus(count: number, list: Uint8Array, index: number): number | null
  /** How many tokens so many bytes have room for. */
  statusListSize(count: number, bytes: number): number
  /** Signs a status list. */
  signStatusList(key: KeyRef, count: number, list: Uint8Array, draft: Json<ListDraft>): Fallible<string>
  /** A source without any list. */
  newStatusLists(policy: Json<SourcePolicy>): ListsRef
  /** How many bytes the lists take. */
  listsBytes(lists: ListsRef): number
  weight(bytes: number): WeightRef
  /** Takes in a list by a DID, or with a JWK set by an issuer of another name. */
  putList(
    lists: ListsRef,
    text: string,
    uri: string,
    issuer: string,
    jwks: string | undefined,
    now: number,
  ): Fallible<undefined>
  /** A status, or why there is none. */
  askList(
    lists: ListsRef,
    issuer: string,
    status: Json<Status>,
    now: number,
  ): number | 'stale' | 'absent' | 'unreadable'
  /**
   * What has to be done about the list that a link names, the first of its token or another. Where that is nothing, guards do
   * with what is at hand for a while.
   */
  listDue(lists: ListsRef, issuer: string, status: Json<Status>, first: boolean, now: number): Json<ListDue>
  /** A list that was due at that time came, or did not for this reason. */
  listCame(lists: ListsRef, issuer: string, uri: string, now: number, failure?: string): void
  /** Whether one scope covers another. */
  covers(granted: string, needed: string): Fallible<boolean>
  /** Issues a token. */
  issueToken(key: KeyRef, grant: Json<Grant>): Fallible<string>
  /** Hands a token on. */
  delegateToken(key: KeyRef, token: string, grant: Json<Grant>): Fallible<string>
  /** A judge. */
  newJudge(
    policy: Json<JudgePolicy>,
    revoked: ReadonlyArray<ListRef>,
    lists: ReadonlyArray<ListsRef>,
  ): Fallible<JudgeRef>
  /** The keys of an issuer, or why there are none; says why they cannot be used. */
  keysCame(judge: JudgeRef, issuer: string, askedAt: number, jwks: string | undefined, why: string): string | null
  /** Asks the authorities that may be asked now; what they say, the judge has when this comes. */
  askAuthorities(judge: JudgeRef, now: number): Promise<void>
  /** Takes in a status list that was fetched for a link of a token. */
  putIssuersList(
    judge: JudgeRef,
    lists: ListsRef,
    text: string,
    uri: string,
    issuer: string,
    now: number,
  ): Failure | null
  /** Judges a token by the user's clock, for what it has to grant to the DID that presents it; or says what has to be found out first. */
  judgeToken(
    judge: JudgeRef,
    token: string,
    now: number,
    scopes: ReadonlyArray<string>,
    presenter: string | undefined,
    answers: Json<Answers>,
  ): Json<Judged>
  /**
   * The same for a token that this judge has judged: what the answer about revocation rests on, or nothing if it is
   * refused now.
   */
  verifyKnownToken(
    judge: JudgeRef,
    token: number,
    now: number,
    scopes?: ReadonlyArray<string>,
    presenter?: string,
  ): Token['revocation'] | null
  /** Forgets what [`judge`](Self::judge) gave places. */
  forgetKnownTokens(judge: JudgeRef): void
  /** Signs a rotation; by default the new key starts at once. */
  signRotation(
    old: KeyRef,
    next: KeyRef,
    activeFrom: number | undefined,
    overlap: number,
    now?: number,
  ): Fallible<string>
  /** Verifies one. */
  verifyRotation(statement: string): Fallible<Json<Rotation>>
  /** The history of an agent with that first key. */
  newKeyHistory(first: string, activeFrom: number): Fallible<HistoryRef>
  /** Verifies a rotation and takes it in. A trial changes nothing. */
  prepareKey(history: HistoryRef, statement: string, now: number | undefined, trial: boolean): Fallible<Json<Rotation>>
  /** Brings the start of a key forward; whether that changes anything. A trial does not. */
  activateKey(history: HistoryRef, key: string, from: number | undefined, trial: boolean): boolean
  /** Makes a key doubtful from some time on; whether that changes anything. A trial does not. */
  taintKey(history: HistoryRef, key: string, from: number | undefined, trial: boolean): boolean
  /** Takes a key back for all times; whether that changes anything. A trial does not. */
  revokeKey(history: HistoryRef, key: string, trial: boolean): boolean
  /** Where a key stands. */
  keyState(history: HistoryRef, key: string, at?: number): string | null
  /** Whether a key may sign. */
  maySign(history: HistoryRef, key: string, at?: number): boolean
  /** Whether what a key signed then still counts. */
  receiptStands(history: HistoryRef, key: string, signedAt: number): boolean
  /** The key to be used. */
  currentKey(history: HistoryRef, at?: number): string | null
  /** What an approver is shown of a body in base64url for that method. */
  shownBody(contentType: string, body: string, method?: string): string | Uint8Array | Failure
  /** Signs a decision about it. */
  approveCall(
    key: KeyRef,
    decision: string,
    call: Json<Call>,
    body: Uint8Array,
    ttl: number,
    now?: number,
  ): Fallible<string>
  /** Verifies one. */
  verifyApproval(
    statement: string,
    call: Json<Call>,
    body: Uint8Array,
    demands: Json<ApprovalDemands>,
  ): Fallible<Json<Approval>>
}
