/// <reference lib="esnext.disposable" preserve="true" />
import type { AuditLog, AutoGenxBindAgent, Identity, MessageBus, Result } from './index'

/** How to reach the brokers, and which bus is meant. */
export interface ReachOptions {
  /** Addresses of nats-server: `nats://host:4222`, or `tls://host:4222`. With one of a cluster the others are found. */
  servers: string | readonly string[];
  /** Which bus it is among those on these brokers: 1 to 32 of `A-Z a-z 0-9 _ -`, default `main`. Others do not see it. */
  namespace?: string;
  /** TLS, whatever the addresses say. */
  tls?: {
    /** Whose certificates are believed besides the usual ones: PEM. */
    ca?: string;
    /** What this side shows: PEM, with `key`. */
    cert?: string;
    /** The key to `cert`: PEM. */
    key?: string;
  };
}
/** How to reach the brokers, which bus is meant, and who its agents are. */
export interface ConnectOptions extends ReachOptions {
  /**
   * Who connects, where the servers want to know: it signs a statement for each connection, which has a key of its own. The bus
   * keeps a copy of its key while it is open.
   */
  identity?: Identity;
  /**
   * DIDs of those who may stop agents (`serveStops`). With them, nothing is served while it is not known whom they have stopped: calls
   * end with REVOCATION_UNKNOWN.
   */
  operators?: readonly string[];
  /**
   * Bodies, and the tokens beside them, are encrypted to the process of the agent that they are for, and only such are taken. Calls to
   * agents of a bus that does not encrypt end with ENCRYPTION_REQUIRED. Default false: then they are, to those alone who ask for it.
   */
  encrypt?: boolean;
  /** Where agents here put on record what they decide, as on any bus. */
  audit?: AuditLog;
  /** Agents go on where nothing can be recorded: what they do then, nobody can show. Default false. */
  dangerouslyContinueUnrecorded?: boolean;
}
/** How long mail is kept. */
export interface MailboxOptions {
  /**
   * For how long a message is kept, and for how long after the agent was last there messages are taken for it: 1 to 604,800 s, a week, which is
   * the default. 0 closes the mailbox.
   */
  retainSeconds?: number;
}
/**
 * A bus whose agents are found and reached across machines. What is joined here is called from everywhere on the bus; an agent
 * that answers calls keeps its process alive.
 */
export interface NatsBus extends MessageBus {
  /** How the connection is; it connects again by itself. */
  readonly status: "connected" | "reconnecting" | "closed";
  /**
   * Waits until it is known whether an agent that has joined here has its name: the first that claims one on this bus has it, until it
   * closes, or has been gone for half a minute. An agent whose name is another's is reached by its DID, and has the name as soon as it is free.
   * Errors: NAME_TAKEN, BROKER_UNAVAILABLE. Throws TypeError.
   *
   * @example
   * ```ts
   * const connected = await connect({ servers: 'nats://localhost:4222' })
   * if (!connected.ok) throw connected.error
   * const named = await connected.value.named(agent)
   * if (!named.ok) console.error(named.error.code, named.error.message) // NAME_TAKEN the name writer belongs to did:key:z6Mk…
   * ```
   */
  named(agent: AutoGenxBindAgent): Promise<Result<void>>;
  /**
   * Keeps what others `send` to an agent here while it is away, until some process of it has a mailbox again and reads its inbox. Each
   * message is taken by one process, once, when it is asked for messages (`receive`, `messages`): what one was about to read when it died
   * is not given out again. Whoever has a mailbox keeps his name, too. Where the servers let in by statements (`serveAuth`), a bus has a mailbox for its own
   * `identity` alone.
   * Errors: AGENT_CLOSED, INVALID_CONFIG, SIGN_FAILED, BROKER_UNAVAILABLE. Throws TypeError.
   *
   * @example
   * ```ts
   * const connected = await connect({ servers: 'nats://localhost:4222' })
   * if (!connected.ok) throw connected.error
   * const opened = await connected.value.mailbox(agent, { retainSeconds: 86_400 })
   * if (!opened.ok) throw opened.error
   * for await (const { from, payload } of agent.messages()) console.log(from, payload)
   * ```
   */
  mailbox(agent: AutoGenxBindAgent, options?: MailboxOptions): Promise<Result<void>>;
  /**
   * Closes the bus and every agent on it in this process; resolves when their last words have left and the servers have heard that they are
   * gone, after 15 s at most. Others take those of whom they have not for gone by themselves, within a minute. Errors: BROKER_UNAVAILABLE.
   */
  drain(): Promise<Result<void>>;
}
/**
 * Connects to a cluster of nats-server, 2.11 or newer with JetStream. What it gives is a bus: agents join it as any other, and
 * call those of other processes by name and DID.
 * Errors: BROKER_UNAVAILABLE, INVALID_CONFIG, INVALID_DID. Throws TypeError.
 *
 * @example
 * ```ts
 * const connected = await connect({ servers: 'nats://localhost:4222' })
 * if (!connected.ok) throw connected.error
 * const member = new AutoGenxBindAgent({ name: 'writer', agentOptions: { bus: connected.value } })
 * ```
 */
export declare function connect(options: ConnectOptions): Promise<Result<NatsBus>>;
/** Who is let in to a bus, and for how long. */
export interface AuthOptions extends ReachOptions {
  /**
   * The key of the account, kept for this alone and no agent's: it signs what each connection may do. `authKeys` spells it for
   * the configuration of the servers. A copy of it is kept until `close`.
   */
  issuer: Identity;
  /** The account that connections are put into, by its name in the configuration; default `AGENTS`. */
  account?: string;
  /**
   * Who may come in: DIDs, or a predicate, which has 5 s. A DID that gets so far has shown that it is there. One that throws is
   * a no. By default everybody may, each with the rights of its own DID.
   */
  allow?: readonly string[] | ((did: string) => boolean | Promise<boolean>);
  /** DIDs of those who may stop agents (`serveStops`). They come in in any case, and nobody whom they have stopped does. */
  operators?: readonly string[];
  /** How long a connection may stay before it shows a new statement, which it does by itself: 1 to 300, default 300. */
  staySeconds?: number;
}
/** Lets connections in. */
export interface AuthService {
  /** Lets nobody in any more. Who is in stays until his time is over. */
  close(): Promise<void>;
}
/**
 * The auth callout of nats-server: lets a connection in that shows a statement of a DID about its key, signed by the DID, in time
 * and never used before, with rights to that agent's own subjects, for minutes. It makes what the bus keeps with its servers, and
 * keeps its process alive. Several processes may do so for one account.
 * Errors: BROKER_UNAVAILABLE, INVALID_CONFIG, INVALID_DID, SIGN_FAILED. Throws TypeError.
 *
 * @example
 * ```ts
 * const members = new Set<string>([agent.getDID()])
 * const issuer = Identity.generate() // from a file that this service alone can read
 * const service = await serveAuth({ servers: 'nats://localhost:4222', issuer, allow: (did) => members.has(did) })
 * if (!service.ok) throw service.error
 * ```
 */
export declare function serveAuth(options: AuthOptions): Promise<Result<AuthService>>;
/**
 * How the keys of an auth callout are spelled in the configuration of nats-server: `issuer` of `auth_callout`, the nkey of the
 * user that it connects as, and `xkey`, which follow from it. Errors: SIGN_FAILED.
 *
 * @example
 * ```ts
 * const keys = authKeys(Identity.generate())
 * if (keys.ok) console.log(`auth_callout { issuer: ${keys.value.issuer}, auth_users: [${keys.value.callout}] }`)
 * ```
 */
export declare function authKeys(issuer: Identity): Result<{
  /** `A…`: `issuer` of `auth_callout`. */
  readonly issuer: string;
  /** `U…`: the nkey of a user, and one of `auth_users`. */
  readonly callout: string;
  /** `X…`: `xkey` of `auth_callout`, where nobody on the way is to read what servers ask and are told. */
  readonly xkey: string;
}>;
/** An operator, and what it has said before. */
export interface StopsOptions extends ReachOptions {
  /** The operator, whose DID is among the `operators` of hosts. A copy of its key is kept until `close`. */
  operator: Identity;
  /**
   * For how long its word holds that nothing was kept back from a host: 3 to 60, default 15; it is renewed after a third of that.
   * So long after this process is gone, hosts serve nothing.
   */
  lifeSeconds?: number;
  /** What `stop` and `resume` have given, as the owner has kept it: servers may have lost it. */
  known?: readonly string[];
}
/** Who or what is stopped: the DID of an agent, or the id of a token or of a link of one. */
export type Stoppable = string | {
  /** The id of a token, or of a link of one: its claim `jti`. */
  readonly token: string;
};
/** Speaks for an operator. */
export interface StopsService {
  /**
   * Ends an agent, or a token with all that derives from it, on every host at once: its calls and those to it end with REVOKED, and
   * none begins any more. Resolves when it stands with the server, with the signed statement: keep it for `known`. `reason` is a
   * word of 1 to 32 of `a-z 0-9 -`. Errors: BROKER_UNAVAILABLE, INVALID_DID, INVALID_CONFIG.
   */
  stop(whom: Stoppable, reason?: string): Promise<Result<string>>;
  /** Takes a stop of this operator's back. Errors: as for `stop`. */
  resume(whom: Stoppable, reason?: string): Promise<Result<string>>;
  /** Says nothing any more. */
  close(): Promise<void>;
}
/**
 * Speaks for an operator on a bus: says, again and again, whom it has stopped, and stops agents and tokens. It keeps its process
 * alive. Hosts that name the operator serve nothing without it, so run two of them.
 * Errors: BROKER_UNAVAILABLE, INVALID_CONFIG, SIGN_FAILED, and those of what is known. Throws TypeError.
 *
 * @example
 * ```ts
 * const operator = Identity.generate() // from a file
 * const stops = await serveStops({ servers: 'nats://localhost:4222', operator })
 * if (stops.ok) await stops.value.stop(agent.getDID(), 'leaked')
 * ```
 */
export declare function serveStops(options: StopsOptions): Promise<Result<StopsService>>;

export {};
