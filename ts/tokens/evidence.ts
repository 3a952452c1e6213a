/** What is known about revocation. Only `fresh` is an answer; `unchecked` says that nobody was to be asked. */
export type Evidence = 'fresh' | 'unchecked' | 'stale' | 'absent' | 'unreadable' | 'unknown'

/** Where a token says that its status is published. */
export interface StatusRef {
  /** The place of the token in the list. */
  readonly index: number
  /** Where the list is published. */
  readonly uri: string
}
