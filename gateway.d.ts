/// <reference lib="esnext.disposable" preserve="true" />
import type { Result } from './index'

/**
 * What a gateway is: the members of its JSON file (docs/gateway.md), each spelled as there. Money is decimal text, `"2.50"`, in
 * `currency`; times are whole seconds. Paths begin in the working directory, or in the folder of the file.
 */
export interface GatewayConfig {
  /** Where to listen: an IP address and a port, `"127.0.0.1:8090"`. Default: any port of 127.0.0.1. */
  listen?: string;
  /** How clients reach it, without a path: `"https://llm.example"`. Default: the address that it listens on. */
  url?: string;
  /** The certificate and key of a gateway that serves TLS itself. */
  tls?: {
    /** The certificates: a PEM file. */
    certificates: string;
    /** Their key: a PEM file. */
    key: string;
  };
  /** Listens beyond this machine without TLS: whoever is on the way reads everything. Default false. */
  dangerously_allow_plain_http?: boolean;
  /** The directory of its key, its log and its database; made if it is not there. One gateway at a time has it. */
  data: string;
  /** The database of budgets and usage, which gateways of one machine may share. Default: `gateway.db` in `data`. */
  database?: string;
  /** Where Prometheus asks for `/metrics`: an IP address and a port. Nowhere without. */
  metrics?: string;
  /** For whom tokens have to be. Default: `url`. */
  audience?: string;
  /** Whose tokens count: DIDs, and authorities that are followed as their keys change. One at least. */
  trust: readonly (string | GatewayAuthority)[];
  /** Origins from which status lists are fetched, beside those of the authorities: `"https://lists.example"`. */
  status_lists?: readonly string[];
  /** Whether a token alone is taken, of clients that can neither sign nor prove a key. Default true. */
  bearer?: boolean;
  /** What every request needs of its token. Default `["llm:read"]`. */
  scopes?: readonly string[];
  /** What money is counted in, for people: 1 to 256 bytes. Default `"USD"`. */
  currency?: string;
  /** The servers behind it, by a name for each. */
  upstreams: Readonly<Record<string, GatewayUpstream>>;
  /** The models, by the names that clients say. One at least. */
  models: Readonly<Record<string, GatewayModel>>;
  /** What may be used. Without, nothing bounds it. */
  budgets?: readonly GatewayBudget[];
  /** What needs somebody's yes. */
  approval?: {
    /** A request that may cost more than this needs an approval: decimal text. */
    above: string;
    /** Whose approval counts: DIDs. */
    approvers: readonly string[];
  };
  /** How often one first holder of rights may ask, with all to whom it has handed them on. */
  rate?: {
    /** Requests at once, 1 at least. Default 200. */
    burst: number;
    /** Requests in a second after that, 1 at least. Default 50. */
    per_second: number;
  };
  /** What may be under way, and how large it may be. */
  limits?: GatewayLimits;
}
/** An authority that is followed as its keys change. */
export interface GatewayAuthority {
  /** A DID that it has, or had. */
  did: string;
  /** Where it is: `"https://authority.example"`. */
  url: string;
}
/** A server behind a gateway. */
export interface GatewayUpstream {
  /** Its address: https, or http on this machine; a path in it stands before all paths. */
  url: string;
  /** Where its key is: a file that others cannot read, or a variable of the environment. Never the key itself. */
  key?: {
    /** The path of a file. */
    file: string;
  } | {
    /** The name of a variable. */
    env: string;
  };
  /** The field in which the key is sent. Default `authorization`, with `Bearer` before it. */
  header?: "authorization" | "x-api-key" | "api-key";
  /** Further fields that are sent with each request. */
  fields?: Readonly<Record<string, string>>;
  /** How long a connection may take, in seconds: 1 to 3600, default 10. */
  connect_timeout?: number;
  /** How long the head of an answer may take, in seconds: 1 to 3600, default 300. */
  timeout?: number;
  /** How long nothing may come of an answer, in seconds: 1 to 3600, default 120. */
  idle_timeout?: number;
}
/** A model, as clients name it. */
export interface GatewayModel {
  /** Names of upstreams: the first, and those that are asked where the one before did not take the request. */
  upstreams: readonly string[];
  /** Its name there. Default: the one that clients say. */
  name?: string;
  /** What a token has to grant. Default `model:` and its name. */
  scope?: string;
  /** How many tokens it takes: 1 to 2^32. */
  context: number;
  /** How many tokens it gives at most in one answer: 1 to 2^32. */
  max_output: number;
  /** What a million tokens cost. Nothing without. */
  price?: {
    /** Of the input: decimal text. */
    input: string;
    /** Of input that the upstream had in its cache. Default: as `input`. */
    cached?: string;
    /** Of input that it puts into its cache. Default: as `input`. */
    written?: string;
    /** Of the output. */
    output: string;
  };
  /** The member of a chat that says how long its answer may be, where it says none. Default `max_completion_tokens`. */
  limit_member?: "max_tokens" | "max_completion_tokens";
  /** Whether tools may run where the model does: what they cost is not metered, and no reservation bounds it. Default false. */
  server_tools?: boolean;
  /** Further members that bodies for it may have. */
  members?: readonly string[];
}
/** What may be used in a time: tokens, money or both. */
export interface GatewayBudget {
  /** What refusals call it. */
  name: string;
  /**
   * For each agent of a chain, whoever hands on rights included; for each person, or else first holder of rights; for each chain; or
   * for all together.
   */
  per: "agent" | "root" | "chain" | "all";
  /** In each minute, hour, day or month of UTC, or for ever. */
  period: "minute" | "hour" | "day" | "month" | "total";
  /** How many tokens, of input and output together. */
  tokens?: number;
  /** How much money: decimal text. */
  money?: string;
}
/** What may be under way, and how large it may be. */
export interface GatewayLimits {
  /** Bytes of one body. Default 10 MiB. */
  body_bytes?: number;
  /** Bytes of all bodies that wait for an answer's first byte. Default 256 MiB. */
  all_body_bytes?: number;
  /** Bytes of one answer. Default 64 MiB. */
  answer_bytes?: number;
  /** How long one answer may take, in seconds: 1 to 86 400, default 600. */
  answer_seconds?: number;
  /** Requests at once. Default 4096. */
  requests?: number;
  /** Requests at once of one first holder of rights. Default 256. */
  requests_per_agent?: number;
  /** Connections at once. Default 4096. */
  connections?: number;
  /** Connections at once of one address. Default 2048. */
  connections_per_address?: number;
}
/** What is said of a gateway beside its configuration. */
export interface GatewayOptions {
  /**
   * A file with the passphrase of the gateway's key, 1 to 4096 bytes. Without it, the variable `XBIND_PASSPHRASE` of the environment
   * is what protects the key, if it is there.
   */
  passphraseFile?: string;
  /** The gateway's key must be protected with a passphrase: a new one is, and one that is not is refused. Default false. */
  encrypt?: boolean;
  /** A PEM file with certificates to trust beside the usual ones. */
  caFile?: string;
  /** A file to whose end a line of JSON for each request goes. */
  logFile?: string;
}
/** A gateway that runs. */
export interface Gateway {
  /** How clients reach it. */
  readonly url: string;
  /** Whose key signs its log. */
  readonly did: string;
  /** For whom tokens have to be. */
  readonly audience: string;
  /** Where it listens: an IP address and a port. */
  readonly listen: string;
  /** Where Prometheus asks, if it may ask anywhere. */
  readonly metrics?: string;
  /**
   * Takes no more connections, lets requests end that are under way, for 30 seconds at most, and closes database and log. Resolves
   * when that is done, also if it was stopped before.
   */
  stop(): Promise<void>;
  /** `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
/**
 * Starts a gateway before models in this process, on threads of its own: `config`, or the path of a file that says the same.
 * Resolves when it takes connections. It keeps the process alive until it is stopped.
 * Errors: INVALID_CONFIG with what is wrong, also where a directory, file or address cannot be used, or another gateway has it;
 * WRONG_PASSPHRASE. Throws TypeError.
 *
 * @example
 * ```ts
 * const gateway = await startGateway({
 *   data: 'gateway',
 *   trust: [agent.getDID()],
 *   upstreams: { local: { url: 'http://127.0.0.1:11434' } },
 *   models: { llama: { upstreams: ['local'], context: 8192, max_output: 1024 } },
 *   budgets: [{ name: 'daily', per: 'agent', period: 'day', tokens: 100_000 }],
 * })
 * if (gateway.ok) console.log(gateway.value.url)
 * ```
 */
export declare function startGateway(config: GatewayConfig | string, options?: GatewayOptions): Promise<Result<Gateway>>;

export {};
