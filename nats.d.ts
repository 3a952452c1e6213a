/// <reference lib="esnext.disposable" preserve="true" />
import type { AuditLog, Identity, MessageBus, Result } from './index'

/** How to reach the brokers, and which bus is meant. */
export interface ConnectOptions {
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
  /**
   * Who connects, where the servers want to know: it signs a statement for each connection, which has a key of its own. The bus
   * keeps a copy of its key while it is open.
   */
  identity?: Identity;
  /** Where agents here put on record what they decide, as on any bus. */
  audit?: AuditLog;
  /** Agents go on where nothing can be recorded: what they do then, nobody can show. Default false. */
  dangerouslyContinueUnrecorded?: boolean;
}
/**
 * A bus whose agents are found and reached across machines. What is joined here is called from everywhere on the bus; an agent
 * that answers calls keeps its process alive.
 */
export interface NatsBus extends MessageBus {
  /** How the connection is; it connects again by itself. */
  readonly status: "connected" | "reconnecting" | "closed";
  /** Closes the bus and every agent on it in this process; resolves when their last words have left. */
  drain(): Promise<void>;
}
/**
 * Connects to a cluster of nats-server, 2.11 or newer with JetStream. What it gives is a bus: agents join it as any other, and
 * call those of other processes by name and DID.
 * Errors: BROKER_UNAVAILABLE, INVALID_CONFIG. Throws TypeError.
 *
 * @example
 * ```ts
 * const connected = await connect({ servers: 'nats://localhost:4222' })
 * if (!connected.ok) throw connected.error
 * const member = new AutoGenxBindAgent({ name: 'writer', agentOptions: { bus: connected.value } })
 * ```
 */
export declare function connect(options: ConnectOptions): Promise<Result<NatsBus>>;

export {};
