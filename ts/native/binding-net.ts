import type { FetchLimits } from '../tokens/fetch'

declare const opaque: unique symbol
export interface FetcherRef {
  readonly [opaque]: 'fetcher'
}

/** What src/net.rs exports. */
export interface NetBinding {
  /** Why an address may not be asked, as far as its text tells. */
  refuseUrl(url: string, named: FetchLimits['named']): string | null
  /** The bytes of a document, or the reason why there are none. */
  fetch(url: string, limits: FetchLimits, fetcher?: FetcherRef): Promise<Uint8Array | string>
  /** A fetcher with names and roots (PEM) of its own; the rules hold for these addresses too. */
  newFetcher(world: { hosts: Record<string, string[]>; roots: string[]; intervalMs: number }): FetcherRef
}
