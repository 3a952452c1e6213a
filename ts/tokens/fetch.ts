// Documents from addresses: by the client of crates/xbind-net, whose rules and bounds are there, or by one of the user's own.
import { types } from 'node:util'
import type { FetcherRef } from '../native/binding'
import { native } from '../native'
import { json } from '../native/json'

/** The bounds of one request. */
export interface FetchLimits {
  /** The longest answer that is taken. */
  readonly maxBytes: number
  /** From the question to the last byte of the answer. */
  readonly timeoutMs: number
  /** Media types to ask for. */
  readonly accept: string
  /**
   * Who named the address: you (`owner`), a token within an origin that you named (`listed`), or a token alone (`stranger`).
   * For strangers only the public network may be asked.
   */
  readonly named: 'owner' | 'listed' | 'stranger'
}

/**
 * A client of your own, as behind a proxy: gets a document, and rejects for anything but a complete answer with status 200.
 * It has to keep the rules that the built-in one keeps: no redirects, and for strangers no addresses of your own network. The
 * URL was judged by its text; size and time are checked again behind it.
 */
export type FetchDocument = (url: string, limits: FetchLimits) => Promise<Uint8Array | string>

export const JWKS: FetchLimits = Object.freeze({
  maxBytes: 64 * 1024,
  timeoutMs: 5000,
  accept: 'application/jwk-set+json, application/json',
  named: 'owner',
})
export const STATUS_LIST: FetchLimits = Object.freeze({
  maxBytes: 2 << 20,
  timeoutMs: 5000,
  accept: 'application/statuslist+jwt',
  named: 'stranger',
})
/** Why a document was not fetched, in a few words that hold nothing secret. */
class FetchError extends Error {}

/** Fetches one document, once at a time; `take` gets it, or why there is none. */
export function sharedFetch(url: string, limits: FetchLimits, fetch: FetchDocument) {
  let running: Promise<void> | undefined
  return (take: (text: string | undefined, why: string) => void): Promise<void> => {
    const fetched = async (): Promise<void> => {
      try {
        take(await obtain(fetch, url, limits), '')
      } catch (error) {
        take(undefined, reasonOf(error))
      } finally {
        running = undefined
      }
    }
    return (running ??= fetched())
  }
}

/** Whether a text is an address that its user may name: https without credentials, or http on this machine. */
export function isFetchable(url: string): boolean {
  return native.refuseUrl(url, 'owner') === null
}

/** A document by any client, within its limits whatever that client does. */
export async function obtain(fetch: FetchDocument, url: string, limits: FetchLimits): Promise<string> {
  const refused = native.refuseUrl(url, limits.named)
  if (refused !== null) throw new FetchError(refused)
  const answer: unknown = await within(limits.timeoutMs, () => fetch(url, limits))
  const bytes = typeof answer === 'string' ? Buffer.from(answer) : answer
  if (!types.isUint8Array(bytes)) throw new FetchError('the client gave no bytes')
  if (bytes.byteLength > limits.maxBytes) throw new FetchError(`the answer is longer than ${limits.maxBytes} bytes`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new FetchError('the answer is not UTF-8')
  }
}

async function within<T>(ms: number, start: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new FetchError(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([start(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Why something did not come, without anything secret. */
export function reasonOf(error: unknown): string {
  try {
    if (error instanceof FetchError) return error.message
    // A message may name proxies and their passwords; a code does not.
    const code = (error as { code?: unknown } | null)?.code
    if (typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code)) return code
  } catch {
    // a thrown value that throws when it is looked at
  }
  return 'the request failed'
}

/** The built-in client, with the names and roots of this machine unless others are given. */
export function client(fetcher?: FetcherRef): FetchDocument {
  return async (url, limits) => {
    const answer = await native.fetch(url, json(limits), fetcher)
    if (typeof answer === 'string') throw new FetchError(answer)
    return answer
  }
}

/** The built-in client on this machine. */
export const fetchPublic: FetchDocument = client()
