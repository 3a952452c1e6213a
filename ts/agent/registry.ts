// What an agent asks of the authority of its operator.
import { checkObject, checkString, halved, known, optional, strings, bounded } from '../check'
import type { AgentCard } from './card'
import { failure, isFailure } from '../errors'
import { native } from '../native'
import { json } from '../native/json'
import type { Failure, RegistryRef } from '../native/binding'
import { fail, ok, orThrow, type Result } from '../result'

/**
 * An authority: its URL, best with its DID. Without, it is the one whose DID the server says when it is first asked. What it
 * answers is signed by it, or is not believed.
 */
export type RegistryAddress =
  | string
  | {
      /** Who must answer. */
      readonly did: string
      /** Where: https, or http on this machine; nothing behind host and port. */
      readonly url: string
    }

/** A token that an agent asks its authority for. */
export interface TokenWish {
  /** Where it is to be used: what its verifier is called, such as a DID or a host. */
  audience: string
  /** What for; its operator has to have granted each. */
  scopes: readonly string[]
  /** How long it lives, 1 to 86 400; default 3600. */
  ttlSeconds?: number
  /**
   * The access token of a user who has signed in: then the agent's token is one to act for him, and has no more than he has, and
   * not for longer. It goes to the authority alone, and is not kept. Without it the agent acts for itself.
   */
  originalToken?: string
}

/** A token for one of several agents, to act for a user. */
export interface AgentTokenWish extends TokenWish {
  /** Name or DID of the agent. */
  agentId: string
  /** The access token of a user who has signed in. It goes to the authority alone, and is not kept. */
  originalToken: string
}

/** A name that is registered. */
export interface Registered {
  /** The whole name: the agent's own, and the domain of its operator. */
  readonly name: string
  /** To whom it leads. */
  readonly did: string
}

/** An address as the native side reads it: `url#did`. */
export function registryIn(at: unknown, what: string): string {
  if (typeof at === 'string') return withoutDID(at, what)
  if (typeof at !== 'object' || at === null) checkString(at, what)
  known(at as object, what, ['did', 'url'])
  const { did, url } = at as { did: unknown; url: unknown }
  checkText(did, `${what}.did`)
  return `${withoutDID(url, `${what}.url`)}#${did}`
}

/** What is behind a # would be read as a DID. */
function withoutDID(url: unknown, what: string): string {
  checkText(url, what)
  return url.replaceAll('#', '%23')
}

/** One that is no text in UTF-8 would be asked for as another. */
function checkText(value: unknown, what: string): asserts value is string {
  checkString(value, what)
  orThrow(halved(value, what))
}

const WISHES = ['audience', 'scopes', 'ttlSeconds', 'originalToken']

/** A wish, each of whose members was read once. */
export interface ReadWish {
  readonly audience: string
  readonly scopes: string[]
  readonly ttl: number | undefined
  readonly originalToken: string | undefined
}

export function wishIn(wish: TokenWish, what: string, more: readonly string[] = []): ReadWish {
  checkObject(wish, 'request')
  known(wish, what, [...WISHES, ...more])
  const { audience, scopes: wanted, ttlSeconds, originalToken } = wish
  checkText(audience, 'audience')
  const scopes = strings(wanted, 'scopes')
  for (const [i, scope] of scopes.entries()) checkText(scope, `scopes[${i}]`)
  optional(ttlSeconds, (value) => bounded(value as number, 0, 'ttlSeconds', 1, 86_400), 'ttlSeconds')
  // One that is missing by mistake must not give the agent its own rights.
  if ('originalToken' in wish || more.length > 0) checkText(originalToken, 'originalToken')
  if (originalToken === '') throw new TypeError('originalToken must be a token, not an empty string')
  return { audience, scopes, ttl: ttlSeconds, originalToken }
}

/** An agent that is here. */
export interface Present {
  readonly registries: Registries
}

/** A token for the agent of that name or DID, of those that are here: `find` gives it. */
export async function agentToken(
  find: (agentId: string) => Present | Failure,
  wish: AgentTokenWish,
): Promise<Result<string>> {
  const read = wishIn(wish, 'getAgentToken()', ['agentId'])
  const { agentId } = wish
  checkText(agentId, 'agentId')
  const agent = find(agentId)
  return isFailure(agent) ? fail(agent) : await agent.registries.token(read)
}

/** What may be asked for: by an agent that can say why it cannot ask. */
interface Asker {
  readonly port: { readonly number: number }
  readonly number: number
  readonly did: string
  describe(): Promise<Result<AgentCard>> | Result<AgentCard>
}

/** The authorities of an agent, by their addresses; its own is that of its options. */
export class Registries {
  readonly #asker: Asker
  readonly #own: string | undefined
  readonly #known = new Map<string, RegistryRef>()

  /** With its own, the agent calls by the names there. */
  constructor(asker: Asker, own: string | undefined) {
    this.#asker = asker
    this.#own = own
  }

  /** Begins; a failure if the address is none. */
  open(): Failure | undefined {
    const opened = this.#own === undefined ? undefined : this.#at(this.#own, true)
    return isFailure(opened) ? opened : undefined
  }

  async register(named?: RegistryAddress): Promise<Result<Registered>> {
    const registry = this.#of(named === undefined ? undefined : registryIn(named, 'registryUrl'))
    if (isFailure(registry)) return fail(registry)
    const card = await this.#asker.describe()
    if (!card.ok) return card
    const name = await native.askRegistry(registry, json({ card: card.value.jws }), undefined)
    return isFailure(name) ? fail(name) : ok({ name, did: this.#asker.did })
  }

  async token({ originalToken, ...wanted }: ReadWish): Promise<Result<string>> {
    const registry = this.#of(undefined)
    if (isFailure(registry)) return fail(registry)
    const token = await native.askRegistry(registry, json(wanted), originalToken)
    return isFailure(token) ? fail(token) : ok(token)
  }

  /** What they have given: whoever has closed asks for nothing any more. */
  forget(): void {
    this.#known.clear()
  }

  #of(named: string | undefined): RegistryRef | Failure {
    const at = named ?? this.#own
    return at === undefined
      ? failure('INVALID_CONFIG', 'this agent has no registry', 'give agentOptions.registry: https://authority.example')
      : this.#at(at, false)
  }

  #at(at: string, resolves: boolean): RegistryRef | Failure {
    const before = this.#known.get(at)
    if (before) return before
    const opened = native.openRegistry(this.#asker.port.number, this.#asker.number, at, resolves)
    if (isFailure(opened)) return opened
    // Few have more than one; whoever asks at many has each asked anew.
    if (this.#known.size >= MOST)
      for (const known of this.#known.keys()) if (known !== this.#own) this.#known.delete(known)
    this.#known.set(at, opened)
    return opened
  }
}

/** Authorities that an agent remembers. */
const MOST = 8
