import type { Handler } from './agent'
import { checkString } from './check'
import type { Admission, Incoming } from './port'

/** Who may call a handler. */
export interface HandleOptions {
  /** DIDs, or a predicate over the proven DID; everyone by default. */
  allow?: readonly string[] | ((from: string) => boolean)
}

/** A handler and the policy it was set with: they decide together, also about calls that were let in before. */
export class Duty {
  readonly #handler: Handler
  readonly #allow: ((from: string) => boolean) | undefined

  constructor(handler: Handler, { allow }: HandleOptions) {
    this.#handler = handler
    this.#allow = predicate(allow)
  }

  admit(call: Incoming): Admission {
    return this.#allow === undefined || this.#allow(call.from) === true ? this.#handler : { code: 'NOT_ALLOWED' }
  }
}

function predicate(allow: HandleOptions['allow']): ((from: string) => boolean) | undefined {
  if (allow === undefined || typeof allow === 'function') return allow
  if (!Array.isArray(allow)) throw new TypeError('allow must be a list of DIDs or a function')
  for (const did of allow as unknown[]) checkString(did, 'allow')
  const listed = new Set(allow as readonly string[])
  return (from) => listed.has(from)
}
